// Package jobs is the background work: the relay from the inbox to asynq, the worker, one file per provider that turns its
// payloads into facts, and one file per reaction. It is the only importer of asynq and Redis.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"example.com/identity-webhooks/models"
)

const (
	// recordTimeout is how long an attempt waits for the database to take its outcome.
	recordTimeout = 5 * time.Second
	// shutdownTimeout is longer than an attempt should take, so that a shutdown finishes what is in flight.
	shutdownTimeout = 8 * time.Second
	// taskCheck is how often asynq looks into an empty queue, and so the latency when idle: 10 ms cost 3 % of a core.
	taskCheck = 10 * time.Millisecond
	// concurrency is how many tasks a worker has in hand, and maxInHand how many of their events: so many that those which wait for a
	// commit fill it, and so few that none waits for long.
	concurrency = 32
	maxInHand   = 128
)

// Worker takes tasks from the queue and works on their events.
type Worker struct {
	store    *models.Store
	registry *Registry
	drift    *Drift
	sandbox  bool // apply sandbox events
	server   *asynq.Server
	log      *slog.Logger
	now      func() time.Time
	unknown  sync.Map // types that were logged as unknown
	patience patience
	inHand   chan struct{} // one for each event
}

// NewWorker returns a worker that is idle until Run. With sandbox, events of a provider's sandbox are applied like others;
// without, they are only recorded.
func NewWorker(store *models.Store, q *Queue, r *Registry, d *Drift, sandbox bool, log *slog.Logger) *Worker {
	w := &Worker{store: store, registry: r, drift: d, sandbox: sandbox, log: log, now: time.Now, inHand: make(chan struct{}, maxInHand)}
	w.server = asynq.NewServerFromRedisClient(q.worker, asynq.Config{
		Concurrency:              concurrency,
		Queues:                   map[string]int{models.CriticalQueue: 6, models.DefaultQueue: 4},
		TaskCheckInterval:        taskCheck,
		DelayedTaskCheckInterval: time.Minute, // we schedule nothing in asynq
		ShutdownTimeout:          shutdownTimeout,
		Logger:                   asynqLog{log},
		LogLevel:                 asynq.WarnLevel,
	})
	return w
}

// Run works until ctx is done and what was begun is finished, or until the shutdown takes too long: then the rest is due
// again in the inbox.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.server.Start(asynq.HandlerFunc(w.process)); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	<-ctx.Done()
	w.server.Stop()
	done := make(chan struct{})
	go func() { // bounded: with a Redis that hangs, asynq's Shutdown takes many of its timeouts
		w.server.Shutdown()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(shutdownTimeout + 2*time.Second):
		return errors.New("stop worker: it did not stop in time; what it was doing is due again in the inbox")
	}
}

// process works on one task, whose events are at work side by side. It returns nil whatever happens: the rows have the only
// say about retries.
func (w *Worker) process(ctx context.Context, t *asynq.Task) error {
	offers, err := parsePayload(t.Payload())
	if err != nil {
		w.log.Error("task dropped", "err", err)
		return nil
	}
	var events sync.WaitGroup
	for _, o := range offers {
		events.Go(func() { w.take(ctx, o) })
	}
	events.Wait()
	return nil
}

// take claims the event of an offer and works on it.
func (w *Worker) take(ctx context.Context, o models.Offer) {
	select {
	case w.inHand <- struct{}{}:
		defer func() { <-w.inHand }()
	case <-ctx.Done():
		return // it is due again soon
	}
	e, err := w.store.ClaimEvent(ctx, o, w.now())
	switch {
	case err == nil:
		w.attempt(ctx, e)
	case !errors.Is(err, models.ErrNotFound): // that one is done, or offered anew
		w.log.Warn("event not claimed; it is due again soon", "event_id", o.ID, "err", err)
	}
}

// attempt works on a claimed event and records how it went.
func (w *Worker) attempt(ctx context.Context, e models.Event) {
	started := time.Now()
	log := w.log.With("event_id", e.ID, "provider", e.Provider, "external_id", e.ExternalID, "type", e.Type, "attempt", e.Attempts)
	change, known, err := w.translate(e)
	if err == nil && !known {
		if _, again := w.unknown.LoadOrStore(e.Provider+"/"+e.Generation+"/"+e.Type, true); !again {
			log.Warn("unknown event type; such events are recorded and ignored", "generation", e.Generation)
		}
	}
	if err == nil {
		w.drift.observe(e, change.Drift)
	}
	if change.Sandbox && !w.sandbox {
		change = models.Change{Outcome: models.Sandbox}
	}
	// The outcome is recorded even if the task was cancelled meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var outcome models.Outcome
	if err == nil {
		outcome, err = w.store.ApplyEvent(ctx, e, change, models.At(w.now()))
	}
	switch {
	case err == nil:
		log.Info("event processed", "status", string(models.Processed), "outcome", string(outcome), "ms", time.Since(started).Milliseconds())
	case errors.Is(err, models.ErrNotFound):
		log.Warn("event taken over by a later attempt")
	default:
		w.giveBack(ctx, log, e, err)
	}
}

// giveBack plans the next attempt, or leaves the event as failed where none can help.
func (w *Worker) giveBack(ctx context.Context, log *slog.Logger, e models.Event, cause error) {
	var next time.Time
	if !errors.Is(cause, ErrPermanent) && e.Attempts < models.MaxAttempts {
		next = w.now().Add(backoff(e.Attempts))
	}
	if err := w.store.RetryEvent(ctx, e, cause, next); err != nil {
		log.Warn("attempt failed, and so did noting it; the event is due again soon", "err", errors.Join(cause, err))
		return
	}
	if next.IsZero() {
		log.Error("event failed", "status", string(models.Failed), "err", cause)
		return
	}
	log.Warn("attempt failed", "err", cause, "retry_in", time.Until(next).Round(time.Millisecond))
}

// backoff is how long to wait after an attempt: 2 s, doubling to at most 10 min, give or take a quarter. Ten attempts
// span about half an hour.
func backoff(attempt int) time.Duration {
	d := min(2*time.Second<<min(attempt-1, 20), 10*time.Minute)
	return d*3/4 + rand.N(d/2) //nolint:gosec // spreads load; nothing secret
}
