// Package jobs does the background work. It has the relay from the database to asynq, the worker, one file per provider that turns its
// payloads into facts, one file per kind of event that defines what it means for our records, and the follow-ups. It is the only package
// that imports asynq and Redis.
//
// If you fork this project, start in follow_ups.go.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"example.com/identity-webhooks/models"
)

const (
	// recordTimeout is how long an attempt may take to record its outcome in the database.
	recordTimeout = 5 * time.Second
	// shutdownTimeout is longer than an attempt should take, so that a shutdown finishes what is in flight.
	shutdownTimeout = 8 * time.Second
	// taskCheck is how often asynq polls an empty queue of events. It is the latency of an event when idle; 10 ms cost 3 % of a core.
	taskCheck = 10 * time.Millisecond
	// followUpCheck is the same for the queues of follow-ups and for that of events that need a read.
	followUpCheck = 100 * time.Millisecond
	// eventTasks is how many tasks of events run at once, and followUpTasks the same for each follow-up.
	eventTasks    = 8
	followUpTasks = 4
	// followUpTimeout is how long a follow-up may take. It is shorter than its claim.
	followUpTimeout = 10 * time.Second
)

// WorkerConfig is what a Worker needs. All fields but APIs and Tracer are required.
type WorkerConfig struct {
	Store    *models.Store
	Queue    *Queue
	Registry *Registry
	Drift    *Drift
	Clients  Clients
	APIs     map[string]APISettings // of the providers with events that need a read; nil means none
	// ApplySandbox reports whether the events of a provider's sandbox are applied like others. Otherwise they are only recorded.
	ApplySandbox func(provider string) bool
	Wake         func()  // wakes the relay
	Outage       *Outage // of the database
	Log          *slog.Logger
	Tracer       trace.Tracer // nil means none
}

// Worker processes the events and follow-ups of the tasks in the queue.
type Worker struct {
	WorkerConfig
	followUps []FollowUp
	byName    map[string]FollowUp
	servers   []*asynq.Server
	client    *http.Client // of the providers' APIs
	metrics   metrics
	unknown   sync.Map // event types that have been logged as unknown
	now       func() time.Time

	readTimeout time.Duration
}

// NewWorker returns a worker that is idle until Run.
func NewWorker(c WorkerConfig) *Worker {
	w := &Worker{WorkerConfig: c, followUps: followUps(c.Clients), now: time.Now}
	w.byName, w.metrics = byName(w.followUps), newMetrics(w.followUps, c.Registry.apis)
	w.client, w.readTimeout = newHTTPClient(newDialer()), readTimeout
	w.serve(map[string]int{c.Queue.name(models.CriticalQueue): 6, c.Queue.name(models.DefaultQueue): 4}, eventTasks, taskCheck)
	w.serve(map[string]int{c.Queue.name(readQueue): 1}, readTasks, followUpCheck)
	for _, f := range w.followUps {
		w.serve(map[string]int{c.Queue.name(followUpQueue(f.Name)): 1}, followUpTasks, followUpCheck)
	}
	return w
}

// serve adds an asynq server for some queues with their priorities.
func (w *Worker) serve(queues map[string]int, tasks int, check time.Duration) {
	w.servers = append(w.servers, asynq.NewServerFromRedisClient(w.Queue.worker, asynq.Config{
		Concurrency:              tasks,
		Queues:                   queues,
		TaskCheckInterval:        check,
		DelayedTaskCheckInterval: time.Minute, // we schedule nothing in asynq
		ShutdownTimeout:          shutdownTimeout,
		Logger:                   asynqLog{w.Log},
		LogLevel:                 asynq.WarnLevel,
	}))
}

// Run processes tasks until ctx is done, and then finishes those that have begun. If that takes too long, it returns an error, and the rest
// is due again in the database.
func (w *Worker) Run(ctx context.Context) error {
	for _, s := range w.servers {
		if err := s.Start(asynq.HandlerFunc(w.process)); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
	}
	<-ctx.Done()
	var stopping sync.WaitGroup
	for _, s := range w.servers {
		s.Stop()
		stopping.Go(s.Shutdown)
	}
	stopped := make(chan struct{})
	go func() { // bounded: if Redis hangs, asynq's Shutdown waits for many timeouts
		stopping.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-time.After(shutdownTimeout + 2*time.Second):
		return errors.New("stop worker: it did not stop in time; unfinished rows are due again in the database")
	}
}

// process handles one task. It returns an error only for a task that is not ours, which must not be marked as done. The outcome of our own
// tasks is recorded in their rows.
func (w *Worker) process(ctx context.Context, t *asynq.Task) error {
	var o models.Offer
	err := json.Unmarshal(t.Payload(), &o)
	if err != nil || t.Type() != taskType {
		w.Log.Error("task of another program in our queue: set QUEUE_PREFIX to a name of your own", "task_type", t.Type())
		return fmt.Errorf("task type %q is not ours", t.Type())
	}
	if o.Work == models.FollowUpWork {
		var ups []models.FollowUp
		ups, err = w.Store.ClaimFollowUps(ctx, o, w.now())
		inParallel(ups, func(f models.FollowUp) { w.attemptFollowUp(ctx, f) })
	} else {
		var events []models.Event
		events, err = w.Store.ClaimEvents(ctx, o, w.now())
		inParallel(events, func(e models.Event) { w.attemptEvent(ctx, e) })
	}
	switch {
	case err != nil && ctx.Err() == nil:
		w.Outage.Note(err) // the relay notes when it is over
	case err != nil:
		w.Log.Warn("claim cut off; the rows are due again soon", "err", err)
	}
	w.Wake() // there may be follow-ups, and there is room in the window
	return nil
}

// inParallel calls do for all items in parallel, and waits for them.
func inParallel[T any](items []T, do func(T)) {
	var all sync.WaitGroup
	for _, item := range items {
		all.Go(func() { do(item) })
	}
	all.Wait()
}

// attemptEvent processes a claimed event and records the outcome.
func (w *Worker) attemptEvent(ctx context.Context, e models.Event) {
	started := time.Now()
	log := w.Log.With("event_id", e.ID, "provider", e.Provider, "external_id", e.ExternalID, "type", e.Type, "attempt", e.Attempts, "trace_id", e.TraceID())
	ctx, span := e.StartSpan(ctx, w.Tracer, "process "+e.Provider, false, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.Int64("event.id", e.ID), attribute.Int("attempt", e.Attempts), attribute.Int64("waited_ms", started.Sub(e.ReceivedAt.Time).Milliseconds())))
	facts, err := w.readAndTranslate(ctx, log, e)
	// The outcome is recorded even if the task was cancelled meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var outcome models.Outcome
	var caused []models.FollowUp
	if err == nil {
		outcome, caused, err = w.Store.ApplyEvent(ctx, e, facts, w.causedBy, models.At(w.now()))
	}
	models.EndSpan(span, string(outcome), err)
	result := resultProcessed
	switch {
	case err == nil:
		w.metrics.done(e, outcome, w.now())
		log.Info("event processed", "status", string(models.Processed), "outcome", string(outcome), "ms", time.Since(started).Milliseconds())
		for _, up := range caused {
			if up.Result == models.FollowUpLogged {
				w.metrics.followUps.WithLabelValues(up.Name, string(up.Result)).Inc()
				log.Info("follow-up logged", "name", up.Name, "note", up.Note)
			}
		}
	case errors.Is(err, models.ErrClaimLost):
		result = resultClaimLost
		log.Warn("claim lost: a later attempt has the event")
	default:
		result = w.retry(ctx, log, models.EventWork, e.ID, e.Attempts, err)
	}
	w.metrics.attempt(result, started)
}

// translate returns the facts of an event, and what to read about it.
func (w *Worker) translate(e models.Event) (facts models.Facts, req request, err error) {
	switch err := e.BodyError(); {
	case errors.Is(err, models.ErrBodyRemoved):
		return facts, req, fmt.Errorf("%w: %w", ErrPermanent, err)
	case err != nil: // another process may have the key
		return facts, req, err
	}
	facts, err = w.Registry.Translate(e)
	if err != nil {
		return facts, req, err
	}
	w.Drift.observe(e, facts.Drift)
	if facts.Ignored == unknownType {
		if _, logged := w.unknown.LoadOrStore(e.Provider+"/"+e.Generation+"/"+e.Type, true); !logged {
			w.Log.Warn("unknown event type: such events are stored and ignored", "provider", e.Provider, "generation", e.Generation, "type", e.Type)
		}
	}
	if req, err = w.Registry.request(e); req.path != "" && e.Sandbox && !w.ApplySandbox(e.Provider) {
		return models.Facts{Sandbox: true}, request{}, nil
	}
	return w.sandboxed(e, facts), req, err
}

// sandboxed returns the facts of a sandbox event: nothing but the mark, or, if the sandbox is applied, all of them with the mark in the
// person's profile.
func (w *Worker) sandboxed(e models.Event, facts models.Facts) models.Facts {
	switch {
	case !e.Sandbox && !facts.Sandbox, facts.Ignored != "":
		return facts
	case !w.ApplySandbox(e.Provider):
		return models.Facts{Sandbox: true}
	}
	facts.Sandbox = false
	if facts.SubjectID != "" {
		if facts.Profile == nil {
			facts.Profile = models.Profile{}
		}
		facts.Profile[models.InSandbox] = true
	}
	return facts
}

// causedBy lists the follow-ups that a change causes.
func (w *Worker) causedBy(c models.Change) (ups []models.FollowUp) {
	for _, f := range w.followUps {
		if f.When(c) {
			up := models.FollowUp{Name: f.Name, Once: f.Once, Queue: followUpQueue(f.Name)}
			if f.Off != "" {
				up.Result, up.Note = models.FollowUpLogged, "skipped: "+f.Off
			}
			ups = append(ups, up)
		}
	}
	return ups
}

// followUpQueue returns the name of a follow-up's queue.
func followUpQueue(name string) string { return "follow-up:" + name }

// attemptFollowUp runs a claimed follow-up and records the outcome.
func (w *Worker) attemptFollowUp(ctx context.Context, up models.FollowUp) {
	started := time.Now()
	c := models.Change{Key: up.Key}
	err := json.Unmarshal(up.Change, &c)
	log := w.Log.With("follow_up_id", up.ID, "name", up.Name, "customer_id", up.CustomerID, "event_id", up.EventID, "attempt", up.Attempts,
		"trace_id", c.Event.TraceID())
	ctx, span := c.Event.StartSpan(ctx, w.Tracer, "follow-up "+up.Name, false, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.Int64("follow_up.id", up.ID), attribute.Int("attempt", up.Attempts)))
	var status models.FollowUpStatus
	var note string
	if err != nil {
		err = fmt.Errorf("%w: decode change: %w", ErrPermanent, err)
	} else {
		status, note, err = w.do(ctx, up, c)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err == nil && status != models.FollowUpOvertaken { // FinishOvertaken has recorded that
		err = w.Store.FinishFollowUp(ctx, up, status, note, models.At(w.now()))
	}
	models.EndSpan(span, string(status), err)
	result := string(status)
	switch {
	case err == nil:
		log.Info("follow-up "+result, "note", note)
	case errors.Is(err, models.ErrClaimLost):
		result = resultClaimLost
		log.Warn("claim lost: a later attempt has the follow-up")
	default:
		result = w.retry(ctx, log, models.FollowUpWork, up.ID, up.Attempts, err)
	}
	w.metrics.attemptFollowUp(up.Name, result, started)
}

// do runs a follow-up, and returns its result and the reason.
func (w *Worker) do(ctx context.Context, up models.FollowUp, c models.Change) (result models.FollowUpStatus, note string, err error) {
	f := w.byName[up.Name] // it exists, since its queue is served
	ctx, cancel := context.WithTimeout(ctx, followUpTimeout)
	defer cancel()
	if f.Off != "" {
		return models.FollowUpLogged, "skipped: " + f.Off, nil
	}
	if !f.EvenIfOvertaken {
		overtaken, err := w.Store.FinishOvertaken(ctx, up, func(current models.Customer) string { return overtakenBy(c, current) }, models.At(w.now()))
		if err != nil || overtaken {
			return models.FollowUpOvertaken, "", err
		}
	}
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("panic in follow-up", "follow_up_id", up.ID, "err", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in follow-up: %v", p)
		}
	}()
	switch err := f.Do(ctx, c); {
	case errors.Is(err, ErrSkipped):
		return models.FollowUpLogged, err.Error(), nil
	case err != nil:
		return "", "", shortURL(err)
	}
	return models.FollowUpDone, "", nil
}

// shortURL leaves only the host of the URL in an error of net/http. The rest may hold a token or personal data.
func shortURL(err error) error {
	if failed, isHTTP := errors.AsType[*url.Error](err); isHTTP {
		u, parseErr := url.Parse(failed.URL)
		if parseErr != nil {
			u = &url.URL{}
		}
		failed.URL = u.Host
	}
	return err
}

// overtakenBy returns how the customer has changed again since c; empty if the change by c still holds.
func overtakenBy(c models.Change, current models.Customer) string {
	switch {
	case c.Before.Status != c.After.Status && current.Status != c.After.Status:
		return "the customer is " + string(current.Status) + " now"
	case c.Before.Status == c.After.Status && current.AMLHold != c.After.AMLHold:
		return "the hold has changed again"
	}
	return ""
}

// retry schedules the next attempt, or marks the row as failed if another attempt cannot help or all are used up. It returns the result
// for the metrics.
func (w *Worker) retry(ctx context.Context, log *slog.Logger, work models.Work, id int64, attempts int, cause error) string {
	var next time.Time
	if !errors.Is(cause, ErrPermanent) && attempts < models.MaxAttempts {
		next = w.now().Add(backoff(attempts))
	}
	err := w.Store.Retry(ctx, work, id, attempts, cause, next)
	switch {
	case errors.Is(err, models.ErrClaimLost):
		log.Warn("attempt failed, and a later attempt has the claim", "err", cause)
		return resultClaimLost
	case err != nil:
		log.Warn("attempt failed and could not be recorded; it is due again soon", "err", errors.Join(cause, err))
		return resultNotRecorded
	case next.IsZero():
		log.Error("attempt failed; it will not be retried", "status", string(models.Failed), "err", cause)
		return resultFailed
	}
	log.Warn("attempt failed", "err", cause, "retry_in", next.Sub(w.now()).Round(time.Millisecond).String())
	return resultRetried
}

// backoff is how long to wait after an attempt: 2 s, doubling to at most 10 min, give or take a quarter. Ten attempts
// span about half an hour.
func backoff(attempt int) time.Duration {
	d := min(2*time.Second<<min(attempt-1, 20), 10*time.Minute)
	return d*3/4 + rand.N(d/2) //nolint:gosec // spreads load; nothing secret
}
