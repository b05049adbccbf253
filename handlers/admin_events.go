package handlers

import (
	"cmp"
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

func (a admin) events(c *gin.Context) (int, any, error) {
	filter := func(c *gin.Context) (models.EventFilter, error) { return EventFilter(c, "limit", "cursor") }
	return list(c, "events", filter, a.Store.Events, func(e models.Event) int64 { return e.ID })
}

func (a admin) event(c *gin.Context, id int64) (int, any, error) {
	e, err := a.Store.Event(c.Request.Context(), id)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, struct {
		models.Event
		payload
	}{e, newPayload(e)}, nil
}

// payload is the body of an event in an answer: as JSON or, if it is not JSON, in base64.
type payload struct {
	Payload    json.RawMessage `json:"payload,omitempty"` // null if the body cannot be read
	BodyBase64 *string         `json:"body_base64,omitempty"`
}

func newPayload(e models.Event) payload {
	switch {
	case e.BodyError() != nil:
		return payload{Payload: json.RawMessage("null")}
	case json.Valid(e.Body) && utf8.Valid(e.Body):
		return payload{Payload: e.Body}
	}
	return payload{BodyBase64: new(base64.StdEncoding.EncodeToString(e.Body))}
}

// eventBody answers with exactly the bytes that were signed. The payload in the answer of event may differ in white
// space and escapes.
func (a admin) eventBody(c *gin.Context, id int64) (int, any, error) {
	e, err := a.Store.Event(c.Request.Context(), id)
	return http.StatusOK, verbatim(e.Body), cmp.Or(err, e.BodyError())
}

// replayOne returns a call that replays a single row. It answers 0 if the row cannot be replayed.
func (a admin) replayOne(replay func(context.Context, int64, time.Time) (bool, error)) func(*gin.Context, int64) (int, any, error) {
	return func(c *gin.Context, id int64) (int, any, error) {
		replayed, err := replay(c.Request.Context(), id, time.Now())
		if err == nil {
			a.Wake()
		}
		return http.StatusAccepted, gin.H{"replayed": map[bool]int{true: 1}[replayed]}, err
	}
}

// replay replays all events that a filter selects, or counts them for a dry run. If the time runs out before all are replayed, the
// answer says that there are more.
func (a admin) replay(c *gin.Context) (int, any, error) {
	f, err := EventFilter(c, "limit", "rate", "dry_run")
	if err != nil {
		return 0, nil, err
	}
	if f == (models.EventFilter{}) {
		return 0, nil, BadRequest("name the events to replay, for example with status=failed")
	}
	for name, values := range c.Request.URL.Query() {
		if values[0] == "" { // probably an unset variable in a script, which would select too much
			return 0, nil, BadRequest("parameter " + name + " is empty")
		}
	}
	pace, dry, err := pace(c)
	if err != nil {
		return 0, nil, err
	}
	if dry {
		n, err := a.Store.CountReplayable(c.Request.Context(), f, pace)
		return http.StatusOK, gin.H{"would_replay": n}, err
	}
	n, err := a.Store.ReplayEvents(c.Request.Context(), f, pace, time.Now())
	answer := gin.H{"replayed": n}
	if err != nil {
		if n == 0 || !errors.Is(err, context.DeadlineExceeded) {
			return 0, nil, err
		}
		answer["more"] = true
	}
	a.Wake()
	return http.StatusAccepted, answer, nil
}

// pace reads how many events to replay, how fast, and whether it is a dry run.
func pace(c *gin.Context) (p models.Pace, dry bool, err error) {
	var err1, err2 error
	p.Limit, err1 = number(c, "limit", 1_000_000_000)
	p.Rate, err2 = number(c, "rate", 1_000_000)
	text := c.Query("dry_run")
	return p, text == "true", errors.Join(err1, err2, oneOf("dry_run", text, []string{"true", "false"}))
}
