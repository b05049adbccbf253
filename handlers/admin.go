package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

// AdminConfig is what the admin handler needs. Only Pages, Metrics and Password may be empty.
type AdminConfig struct {
	Store         *models.Store
	Rejections    *Rejections
	Subscriptions func() []SubscriptionState // what is known about our subscriptions at the providers
	Wake          func()                     // wakes the relay; must not block
	Pages         func(gin.IRouter)          // adds the pages of the inspector; nil for none
	Metrics       http.Handler               // answers /metrics; nil for none
	Password      string
	Log           *slog.Logger
}

type admin struct{ AdminConfig }

// NewAdmin returns the handler of the admin API. With a password it requires basic authentication as user "admin". Without one it answers
// only requests to a loopback host, so that no website can reach it through a domain that points at this machine.
func NewAdmin(c AdminConfig) http.Handler {
	a := admin{c}
	g := newEngine(c.Log)
	g.NoRoute(func(c *gin.Context) { answer(c, http.StatusNotFound, notFound) })
	g.NoMethod(func(c *gin.Context) { answer(c, http.StatusMethodNotAllowed, notAllowed) })
	g.Use(private, sameOrigin)
	if c.Password != "" {
		g.Use(authenticated(c.Password, c.Log))
	} else {
		g.Use(local)
	}
	api := g.Group("/api")
	api.GET("/events", a.call(a.events))
	api.GET("/events/:id", a.call(withID(a.event)))
	api.GET("/events/:id/body", a.call(withID(a.eventBody)))
	api.POST("/events/:id/replay", a.call(withID(a.replayOne(a.Store.ReplayEvent))))
	api.POST("/replay", a.call(a.replay))
	api.GET("/customers", a.call(a.customers))
	api.GET("/customers/:id", a.call(withID(a.customer)))
	api.GET("/customers/:id/export", a.within(longTimeout, withID(a.export)))
	api.DELETE("/customers/:id", a.within(longTimeout, withID(a.erase)))
	api.GET("/erasures", a.call(a.erasures))
	api.GET("/cases", a.call(a.cases))
	api.GET("/companies", a.call(a.companies))
	api.GET("/follow_ups", a.call(a.followUps))
	api.POST("/follow_ups/:id/replay", a.call(withID(a.replayOne(a.Store.ReplayFollowUp))))
	api.GET("/stats", a.call(a.stats))
	api.GET("/rejections", a.call(a.rejected))
	g.GET("/debug/pprof/*name", profile)
	if c.Metrics != nil {
		g.GET("/metrics", gin.WrapH(c.Metrics))
	}
	if c.Pages != nil {
		c.Pages(g)
	}
	return g
}

// SubscriptionState is what is known about one of our subscriptions at a provider. Package app/subscriptions collects it.
type SubscriptionState struct {
	Provider            string      `json:"provider"`
	ID                  string      `json:"id"`
	URL                 string      `json:"url"` // without a token
	Active              *bool       `json:"active"`
	ConsecutiveFailures *int        `json:"consecutive_failures"`
	LastEventAt         models.Time `json:"last_event_at"` // of any of the provider's events
	CheckedAt           models.Time `json:"checked_at"`
	Problem             string      `json:"problem"`
	Fix                 string      `json:"fix"` // the command that fixes it
}

const (
	// callTimeout is how long a call may take.
	callTimeout = 10 * time.Second
	// longTimeout is the same for calls that read or write the whole database.
	longTimeout = 5 * time.Minute
)

const jsonType = gin.MIMEJSON + "; charset=utf-8"

// BadRequest is an error that the caller made. Its text is in the answer.
type BadRequest string

// Error implements error.
func (b BadRequest) Error() string { return string(b) }

// verbatim is an answer that is sent as it is, not as JSON.
type verbatim []byte

// streamed writes an answer in JSON that is too large to be held in memory.
type streamed func(w io.Writer) error

// call returns a handler that answers with what f returns, as JSON.
func (a admin) call(f func(c *gin.Context) (status int, answer any, err error)) gin.HandlerFunc {
	return a.within(callTimeout, f)
}

// within is like call, with another time limit.
func (a admin) within(limit time.Duration, f func(c *gin.Context) (status int, answer any, err error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), limit)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		if limit > callTimeout { // longer than the server's deadlines, of which the one for reading would cancel the request
			connection := http.NewResponseController(c.Writer)
			if err := errors.Join(connection.SetReadDeadline(time.Time{}), connection.SetWriteDeadline(time.Now().Add(limit+callTimeout))); err != nil {
				a.Log.Warn("deadline of a long admin call not set", "path", c.FullPath(), "err", err)
			}
		}
		status, answer, err := f(c)
		if err == nil {
			switch answer := answer.(type) {
			case verbatim:
				c.Data(status, "application/octet-stream", answer)
				return
			case streamed:
				c.Header("Content-Type", jsonType)
				c.Status(status)
				if err := answer(c.Writer); err != nil {
					a.Log.Error("admin call failed", "path", c.FullPath(), "err", err)
					panic(http.ErrAbortHandler) // cuts the connection: the client must not take it for the whole answer
				}
				return
			}
			var body []byte
			if body, err = json.Marshal(answer); err == nil {
				c.Data(status, jsonType, body)
				return
			}
		}
		status, text := Failure(err)
		if status == http.StatusServiceUnavailable && !errors.Is(err, context.Canceled) { // canceled: the client is gone
			a.Log.Error("admin call failed", "path", c.FullPath(), "err", err)
		}
		c.JSON(status, gin.H{"error": text})
	}
}

// Failure returns the status and the text that answer an error.
func Failure(err error) (status int, text string) {
	var bad BadRequest
	var problem models.BodyProblem
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest, string(bad)
	case errors.Is(err, models.ErrNotFound):
		return http.StatusNotFound, "not found"
	case errors.Is(err, models.ErrBodyRemoved):
		return http.StatusGone, "the payload of this event was removed, after PAYLOAD_RETENTION or because the person was erased, so it can be neither shown nor replayed"
	case errors.As(err, &problem):
		return http.StatusServiceUnavailable, problem.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "the database took too long; ask for less, or see the log"
	}
	return http.StatusServiceUnavailable, "the database call failed; the log says why"
}

// withID passes the row ID in the path to f.
func withID(f func(c *gin.Context, id int64) (int, any, error)) func(*gin.Context) (int, any, error) {
	return func(c *gin.Context) (int, any, error) {
		id, err := ID(c)
		if err != nil {
			return 0, nil, err
		}
		return f(c, id)
	}
}

// ID reads the ID of a row from the path.
func ID(c *gin.Context) (int64, error) {
	id := rowID(c.Param("id"))
	if id == 0 {
		return 0, BadRequest("the id in the path must be a positive number")
	}
	return id, nil
}

func (a admin) stats(c *gin.Context) (int, any, error) {
	st, err := a.Store.Stats(c.Request.Context())
	if err != nil {
		return 0, nil, err
	}
	waiting := 0.0
	if !st.OldestWaiting.IsZero() {
		waiting = time.Since(st.OldestWaiting.Time).Seconds()
	}
	return http.StatusOK, struct {
		models.Stats
		Rejected      int64               `json:"rejected_deliveries"`
		Waiting       float64             `json:"oldest_waiting_seconds"`
		Subscriptions []SubscriptionState `json:"subscriptions"`
	}{st, a.Rejections.Total(), waiting, a.Subscriptions()}, nil
}

func (a admin) rejected(*gin.Context) (int, any, error) {
	return http.StatusOK, gin.H{"rejections": a.Rejections.Newest()}, nil
}
