package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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

// eventBody answers with the bytes that were signed: a document would have them as JSON, with other spaces.
func (a *Admin) eventBody(c *gin.Context) (int, any, error) {
	id, err := pathID(c)
	if err != nil {
		return 0, nil, err
	}
	e, err := a.store.Event(c.Request.Context(), id)
	return http.StatusOK, verbatim(e.Body), err
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

// replay starts again all that a filter selects, or counts it. What is done in time is done: the answer says whether there is
// more.
func (a *Admin) replay(c *gin.Context) (int, any, error) {
	f, err := eventFilter(c, "limit", "rate", "dry_run")
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
	pace, dry, err := pace(c)
	if err != nil {
		return 0, nil, err
	}
	if dry {
		n, err := a.store.CountReplayable(c.Request.Context(), f, pace)
		return http.StatusOK, gin.H{"would_replay": n}, err
	}
	n, err := a.store.ReplayEvents(c.Request.Context(), f, pace, time.Now())
	answer := gin.H{"replayed": n}
	if err != nil {
		if n == 0 || !errors.Is(err, context.DeadlineExceeded) {
			return 0, nil, err
		}
		answer["more"] = true
	}
	a.wake()
	return http.StatusAccepted, answer, nil
}

// pace reads how many events to replay, and how fast.
func pace(c *gin.Context) (p models.Pace, dry bool, err error) {
	p.Limit, err = number(c, "limit", 1_000_000_000)
	if err != nil {
		return p, false, err
	}
	if p.Rate, err = number(c, "rate", 1_000_000); err != nil {
		return p, false, err
	}
	text := c.DefaultQuery("dry_run", "false")
	if err := oneOf("dry_run", text, []string{"true", "false"}); err != nil {
		return p, false, err
	}
	return p, text == "true", nil
}
