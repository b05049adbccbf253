package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

// Receiver takes deliveries in: it verifies them, stores them and answers, and leaves the work for later.
type Receiver struct {
	store      *models.Store
	queueOf    func(provider, generation, eventType string) string
	wake       func()
	rejections *Rejections
	uses       *SecretUses
	memory     *bodyMemory
	limits     *limits
	log        *slog.Logger
	now        func() time.Time
}

// NewReceiver returns a Receiver. It asks queueOf which queue an event belongs to, and calls wake, which must not block,
// when there is a new one.
func NewReceiver(store *models.Store, queueOf func(provider, generation, eventType string) string, wake func(), rejections *Rejections, uses *SecretUses, log *slog.Logger) *Receiver {
	return &Receiver{store, queueOf, wake, rejections, uses, newBodyMemory(), newLimits(), log, time.Now}
}

// receive answers a delivery for one provider.
func (r *Receiver) receive(name string, p Provider) gin.HandlerFunc {
	uses := r.uses.all()[name] // of the secrets that p has, even when others take their place
	return func(c *gin.Context) {
		log := r.log.With("provider", name)
		body, release, err := r.memory.read(c.Writer, c.Request)
		defer release()
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
		verified(uses, env.Secret, d.ReceivedAt)
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
	switch receipt, err := r.add(c.Request.Context(), log, e, warning); {
	case err != nil:
		c.Header("Retry-After", "5")
		answer(c, http.StatusServiceUnavailable, unavailable)
	case receipt == models.Repeated:
		answer(c, http.StatusOK, duplicate)
	default:
		answer(c, http.StatusOK, accepted)
	}
}

// add puts the event into the inbox, logs what became of it and wakes the relay.
func (r *Receiver) add(ctx context.Context, log *slog.Logger, e models.Event, warning string) (models.Receipt, error) {
	receipt, err := r.store.AddEvent(ctx, e)
	log = log.With("external_id", e.ExternalID, "type", e.Type)
	if err == nil && warning != "" {
		log.Warn("delivery is odd", "warning", warning)
	}
	switch {
	case err != nil:
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelWarn // the sender has hung up, and will send it again
		}
		log.Log(context.WithoutCancel(ctx), level, "delivery not stored", "err", err)
	case receipt == models.Repeated:
		log.Info("event repeated")
	case receipt == models.Conflicting:
		log.Warn("event quarantined", "err", cmp.Or(e.LastError, "the same external ID came before with another body"))
	case e.Status == models.Failed:
		log.Warn("event unreadable", "err", e.LastError)
	default:
		log.Info("event accepted")
		r.wake()
	}
	return receipt, err
}

// Take puts an event into the inbox that was not delivered but asked for at a provider's API, with the body that its delivery would
// have had. What was delivered as well is one event.
func (r *Receiver) Take(ctx context.Context, name string, p Provider, body []byte) (models.Receipt, error) {
	now := r.now()
	signed := p.Sign(body, now) // by us, for the provider: the one way to an envelope is through a signature
	d := Delivery{Header: signed.Header, Body: body, ReceivedAt: now}
	var err error
	if _, token, found := strings.Cut(signed.Path, "/"); found {
		if d.Token, err = url.PathUnescape(token); err != nil {
			return 0, fmt.Errorf("take event: %w", err)
		}
	}
	env, err := p.Verify(d)
	if errors.Is(err, ErrUnverified) {
		return 0, fmt.Errorf("take event: %w", err)
	}
	return r.add(ctx, r.log.With("provider", name), r.event(name, d, env, err), env.Warning)
}

// refuseBody answers a body that was not read to its end. The connection ends with it, and what is left of the body.
func (r *Receiver) refuseBody(c *gin.Context, log *slog.Logger, err error) {
	status, text := http.StatusBadRequest, bodyUnread
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		status, text, err = http.StatusRequestEntityTooLarge, bodyTooLarge, errors.New("body is larger than 1 MiB")
	case errors.Is(err, errBusy):
		status, text = http.StatusServiceUnavailable, unavailable
		c.Header("Retry-After", "5")
	}
	if r.charge(c).line {
		log.Warn("delivery refused", "err", err, "remote", c.ClientIP())
	}
	c.Header("Connection", "close")
	answer(c, status, text)
}

// reject answers a delivery that is not verified. The reason stays with us.
func (r *Receiver) reject(c *gin.Context, log *slog.Logger, name string, reason Reason) {
	charged := r.charge(c)
	if charged.over {
		r.rejections.count()
		c.Header("Retry-After", "1")
		answer(c, http.StatusTooManyRequests, tooMany)
		return
	}
	if charged.line {
		log.Warn("delivery rejected", "reason", string(reason), "remote", c.ClientIP())
	}
	r.rejections.add(Rejection{Time: models.At(r.now()), Provider: name, RemoteAddress: c.ClientIP(), Reason: reason})
	if reason == WrongToken {
		answer(c, http.StatusNotFound, notFound) // as for any other unknown path
		return
	}
	answer(c, http.StatusUnauthorized, notVerified)
}

// charge counts a refused delivery against its sender's address, and tells now and then of those without a line.
func (r *Receiver) charge(c *gin.Context) charged {
	charged := r.limits.charge(c.ClientIP(), r.now())
	if charged.unlogged > 0 {
		r.log.Warn("deliveries refused that were not logged", "deliveries", charged.unlogged, "remote", c.ClientIP())
	}
	return charged
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
	tooMany      = []byte(`{"error":"too_many_unverified"}`)
	unavailable  = []byte(`{"error":"unavailable"}`)
)

func answer(c *gin.Context, status int, body []byte) {
	c.Data(status, "application/json", body)
}
