package handlers

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

// maxBody is the largest body that is read. The largest documented one is below 2 KiB.
const maxBody = 1 << 20

// Receiver takes deliveries in: it verifies them, stores them and answers, and leaves the work for later.
type Receiver struct {
	store      *models.Store
	queueOf    func(provider, generation, eventType string) string
	wake       func()
	rejections *Rejections
	log        *slog.Logger
	now        func() time.Time
}

// NewReceiver returns a Receiver. It asks queueOf which queue an event belongs to, and calls wake, which must not block,
// when there is a new one.
func NewReceiver(store *models.Store, queueOf func(provider, generation, eventType string) string, wake func(), rejections *Rejections, log *slog.Logger) *Receiver {
	return &Receiver{store, queueOf, wake, rejections, log, time.Now}
}

// receive answers a delivery for one provider.
func (r *Receiver) receive(name string, p Provider) gin.HandlerFunc {
	return func(c *gin.Context) {
		log := r.log.With("provider", name)
		body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
		if err != nil {
			r.refuseBody(c, log, err)
			return
		}
		d := Delivery{Header: c.Request.Header, Token: token(c), Body: body, ReceivedAt: r.now()}
		env, err := p.Verify(d)
		var reason Reason
		if errors.As(err, &reason) {
			r.reject(c, log, name, reason)
			return
		}
		r.store200(c, log, r.event(name, d, env, err), env.Warning)
	}
}

// token is the path's last segment, unescaped. (Gin's own way of doing so makes a space of a plus.)
func token(c *gin.Context) string {
	segment := c.Param("token")
	if c.Request.URL.RawPath == "" {
		return segment
	}
	text, err := url.PathUnescape(segment)
	if err != nil {
		return "" // no token; net/http lets no such path through
	}
	return text
}

// event makes the inbox row. A verified body that cannot be read is kept as well: nothing is lost, and the provider is not
// made to retry what a retry cannot mend.
func (r *Receiver) event(name string, d Delivery, env Envelope, unread error) models.Event {
	e := models.Event{
		Provider: name, Generation: env.Generation, ExternalID: env.ExternalID, Derived: env.Derived, Type: env.Type,
		TenantID: env.TenantID, CorrelationID: env.CorrelationID, Body: d.Body, Status: models.Received,
		Queue:      r.queueOf(name, env.Generation, env.Type),
		OccurredAt: models.At(env.OccurredAt), ReceivedAt: models.At(d.ReceivedAt),
	}
	if unread == nil {
		return e
	}
	e.Status, e.LastError = models.Failed, unread.Error()
	if errors.Is(unread, ErrContradictory) {
		e.Status = models.Quarantined
		return e
	}
	// What was read of the envelope is not to be relied on: it must not take the ID of another event, and without its type a
	// replay cannot apply it.
	e.ExternalID, e.Derived, e.Generation, e.Type, e.Queue = bodyID(d.Body), true, "", "", models.DefaultQueue
	return e
}

// store200 commits the event and answers: 200 and nothing else, since Trustist counts any other status as a failure.
func (r *Receiver) store200(c *gin.Context, log *slog.Logger, e models.Event, warning string) {
	receipt, err := r.store.AddEvent(c.Request.Context(), e)
	if err != nil {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelWarn // the sender has hung up, and will send it again
		}
		log.Log(context.WithoutCancel(c.Request.Context()), level, "delivery not stored", "external_id", e.ExternalID, "type", e.Type, "err", err)
		c.Header("Retry-After", "5")
		answer(c, http.StatusServiceUnavailable, unavailable)
		return
	}
	log = log.With("external_id", e.ExternalID, "type", e.Type)
	if warning != "" {
		log.Warn("delivery is odd", "warning", warning)
	}
	switch {
	case receipt == models.Repeated:
		log.Info("event repeated")
		answer(c, http.StatusOK, duplicate)
		return
	case receipt == models.Conflicting:
		log.Warn("event quarantined", "err", cmp.Or(e.LastError, "the same external ID came before with another body"))
	case e.Status == models.Failed:
		log.Warn("event unreadable", "err", e.LastError)
	default:
		log.Info("event accepted")
		r.wake()
	}
	answer(c, http.StatusOK, accepted)
}

// refuseBody answers a body that could not be read to its end.
func (r *Receiver) refuseBody(c *gin.Context, log *slog.Logger, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		log.Warn("delivery refused", "err", "body is larger than 1 MiB", "remote", c.ClientIP())
		answer(c, http.StatusRequestEntityTooLarge, bodyTooLarge)
		return
	}
	log.Warn("delivery refused", "err", err, "remote", c.ClientIP())
	c.Header("Connection", "close")
	answer(c, http.StatusBadRequest, bodyUnread)
}

// reject answers a delivery that is not verified. The reason stays with us.
func (r *Receiver) reject(c *gin.Context, log *slog.Logger, name string, reason Reason) {
	log.Warn("delivery rejected", "reason", string(reason), "remote", c.ClientIP())
	r.rejections.add(Rejection{models.At(r.now()), name, c.ClientIP(), reason})
	if reason == WrongToken {
		answer(c, http.StatusNotFound, notFound) // as for any other unknown path
		return
	}
	answer(c, http.StatusUnauthorized, notVerified)
}

// The answers. They say nothing that would help a stranger.
var (
	accepted     = []byte(`{"status":"accepted"}`)
	duplicate    = []byte(`{"status":"duplicate"}`)
	notVerified  = []byte(`{"error":"unverified"}`)
	notFound     = []byte(`{"error":"not_found"}`)
	notAllowed   = []byte(`{"error":"method_not_allowed"}`)
	bodyTooLarge = []byte(`{"error":"body_too_large"}`)
	bodyUnread   = []byte(`{"error":"body_unreadable"}`)
	unavailable  = []byte(`{"error":"unavailable"}`)
)

func answer(c *gin.Context, status int, body []byte) {
	c.Data(status, "application/json", body)
}
