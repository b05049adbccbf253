package handlers

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"example.com/identity-webhooks/models"
)

// Receiver verifies deliveries, stores them and answers. Package jobs processes them later.
type Receiver struct {
	store      *models.Store
	queueOf    func(provider, generation, eventType string) string
	wake       func()
	rejections *Rejections
	memory     *bodyMemory
	limits     *limits
	metrics    metrics
	log        *slog.Logger
	now        func() time.Time
	tracer     trace.Tracer // nil means none
	askForKey  func(ctx context.Context, provider, id string) bool
}

// NewReceiver returns a Receiver. It asks queueOf for the queue of each event, and calls wake, which must not block, when a new event is
// stored.
func NewReceiver(store *models.Store, queueOf func(provider, generation, eventType string) string, wake func(), rejections *Rejections, log *slog.Logger) *Receiver {
	return &Receiver{store, queueOf, wake, rejections, newBodyMemory(), newLimits(), newMetrics(), log, time.Now, nil, noKey}
}

func noKey(context.Context, string, string) bool { return false }

// Trace makes the receiver record the verified deliveries. Call it before the first one.
func (r *Receiver) Trace(t trace.Tracer) { r.tracer = t }

// AskForKeys makes the receiver call ask when a delivery names a key of the provider that is not known, and verify the delivery again if ask
// returns true. Strangers choose the ID, so ask must limit its work. The provider waits for ask. Call AskForKeys before the first delivery.
func (r *Receiver) AskForKeys(ask func(ctx context.Context, provider, id string) bool) {
	r.askForKey = ask
}

// receive returns the handler for the deliveries of one provider.
func (r *Receiver) receive(name string, p Provider) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, release, err := r.memory.read(c.Request, c.ClientIP())
		defer release()
		if err != nil {
			r.refuseBody(c, name, err)
			return
		}
		received := time.Now()
		d := Delivery{Header: c.Request.Header, Token: token(c), Body: body, ReceivedAt: r.now()}
		envelope, err := p.Verify(d)
		if unknown, is := errors.AsType[keyUnknown](err); is && r.askForKey(c.Request.Context(), name, unknown.id) {
			envelope, err = p.Verify(d)
		}
		if !isVerified(err) {
			r.reject(c, name, err)
			return
		}
		markVerified(c.Request.Context())
		e := r.event(name, d, envelope, err)
		if e.LimitTime() {
			envelope.Warnings = append(envelope.Warnings, "its time is more than 5 minutes ahead: replaced by the time of receipt")
		}
		r.storeAndAcknowledge(c, e, envelope.Warnings)
		r.metrics.acknowledgement.Observe(time.Since(received).Seconds())
	}
}

// VerifiedKey is the context key of a func() that the receiver calls when a delivery is verified, so that the server knows which
// connections come from a provider.
type VerifiedKey struct{}

func markVerified(ctx context.Context) {
	if mark, ok := ctx.Value(VerifiedKey{}).(func()); ok {
		mark()
	}
}

// token returns the last segment of the path, unescaped. gin's own unescaping turns a plus into a space.
func token(c *gin.Context) string {
	segment := c.Param("token")
	if c.Request.URL.RawPath != "" {
		segment, _ = url.PathUnescape(segment) // net/http refuses a path that cannot be unescaped
	}
	return segment
}

// event returns the row of the inbox. A verified body that cannot be read is stored as well: nothing is lost, and the provider does not
// retry what a retry cannot fix.
func (r *Receiver) event(name string, d Delivery, env Envelope, problem error) models.Event {
	e := models.Event{
		Provider: name, Generation: env.Generation, ExternalID: env.ExternalID, Derived: env.Derived, Type: env.Type,
		TenantID: env.TenantID, CorrelationID: env.CorrelationID, Body: d.Body,
		Queue: r.queueOf(name, env.Generation, env.Type), Secret: env.Fingerprint, Sandbox: env.Sandbox,
		OccurredAt: models.At(env.OccurredAt), ReceivedAt: models.At(d.ReceivedAt),
	}
	if problem != nil {
		e.Problem, e.Quarantined = problem.Error(), errors.Is(problem, ErrContradictory)
	}
	if e.ExternalID == "" {
		e.ExternalID, e.Derived = bodyID(d.Body), true
	}
	return e
}

// storeAndAcknowledge commits the event and then answers 200. Trustist treats any other status as a failure.
func (r *Receiver) storeAndAcknowledge(c *gin.Context, e models.Event, warnings []string) {
	receipt, err := r.store.AddEvent(c.Request.Context(), e)
	r.logDelivery(c.Request.Context(), e, warnings, receipt, err)
	switch {
	case err != nil:
		c.Header("Retry-After", "5")
		answer(c, http.StatusServiceUnavailable, unavailable)
	case receipt == models.Repeated:
		answer(c, http.StatusOK, duplicate)
	default:
		if receipt == models.Accepted && e.Problem == "" {
			r.wake()
		}
		answer(c, http.StatusOK, accepted)
	}
}

// logDelivery writes one line for a verified delivery, counts it and traces it. What a header of the request says about traces is ignored.
func (r *Receiver) logDelivery(ctx context.Context, e models.Event, warnings []string, receipt models.Receipt, err error) {
	level, message, result := slog.LevelInfo, "event accepted", resultAccepted
	attrs := []slog.Attr{slog.String("provider", e.Provider), slog.String("external_id", e.ExternalID), slog.String("type", e.Type),
		slog.String("trace_id", e.TraceID())}
	if len(warnings) > 0 {
		level, attrs = slog.LevelWarn, append(attrs, slog.Any("warnings", warnings))
	}
	switch {
	case err != nil:
		level, message, result = slog.LevelError, "delivery not stored", resultNotStored
		if errors.Is(err, context.Canceled) {
			level = slog.LevelWarn // the sender hung up, and will send it again
		}
		attrs = append(attrs, slog.Any("err", err))
	case receipt == models.Repeated:
		message, result = "event repeated", resultRepeated
	case receipt == models.Conflicting:
		level, message, result = slog.LevelWarn, "event quarantined", resultQuarantined
		attrs = append(attrs, slog.String("err", cmp.Or(e.Problem, "the same external ID came before with another body")))
	case e.Problem != "":
		level, message, result = slog.LevelWarn, "event unreadable", resultUnreadable
		attrs = append(attrs, slog.String("err", e.Problem))
	}
	r.metrics.count(e.Provider, result)
	r.log.LogAttrs(context.WithoutCancel(ctx), level, message, attrs...)
	isRoot := err == nil && receipt == models.Accepted // known only now, so the span starts in the past
	_, span := e.StartSpan(ctx, r.tracer, "receive "+e.Provider, isRoot, trace.WithTimestamp(e.ReceivedAt.Time), trace.WithSpanKind(trace.SpanKindServer))
	models.EndSpan(span, result, err)
}

// The answers. They contain nothing that would help a stranger.
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
