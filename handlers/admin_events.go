package handlers

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

func (a *Admin) events(c *gin.Context) (int, any, error) {
	f, err := eventFilter(c, "limit", "cursor")
	if err != nil {
		return 0, nil, err
	}
	p, err := page(c)
	if err != nil {
		return 0, nil, err
	}
	events, err := a.store.Events(c.Request.Context(), f, p)
	return list("events", events, p, func(e models.Event) int64 { return e.ID }, err)
}

func (a *Admin) event(c *gin.Context) (int, any, error) {
	id, err := pathID(c)
	if err != nil {
		return 0, nil, err
	}
	e, err := a.store.Event(c.Request.Context(), id)
	if err != nil {
		return 0, nil, err
	}
	full := struct {
		models.Event
		Payload    json.RawMessage `json:"payload,omitempty"`
		BodyBase64 *string         `json:"body_base64,omitempty"`
	}{Event: e}
	if json.Valid(e.Body) && utf8.Valid(e.Body) {
		full.Payload = e.Body
	} else {
		text := base64.StdEncoding.EncodeToString(e.Body)
		full.BodyBase64 = &text
	}
	return http.StatusOK, full, nil
}

func (a *Admin) replayEvent(c *gin.Context) (int, any, error) {
	id, err := pathID(c)
	if err != nil {
		return 0, nil, err
	}
	started, err := a.store.ReplayEvent(c.Request.Context(), id, time.Now())
	if err != nil {
		return 0, nil, err
	}
	a.wake()
	return http.StatusAccepted, gin.H{"replayed": map[bool]int{true: 1}[started]}, nil
}

func (a *Admin) replay(c *gin.Context) (int, any, error) {
	f, err := eventFilter(c)
	if err != nil {
		return 0, nil, err
	}
	if f == (models.EventFilter{}) {
		return 0, nil, badRequest("say which events, for example status=failed")
	}
	for name, values := range c.Request.URL.Query() {
		if values[0] == "" { // from a script whose variable is not set: it would select too much
			return 0, nil, badRequest("parameter " + name + " is empty")
		}
	}
	n, err := a.store.ReplayEvents(c.Request.Context(), f, time.Now())
	if err != nil {
		return 0, nil, err
	}
	a.wake()
	return http.StatusAccepted, gin.H{"replayed": n}, nil
}
