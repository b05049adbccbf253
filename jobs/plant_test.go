package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// plant is a relay and a worker with a clock and translations of a test's own. Its only provider is "acme".
type plant struct {
	t      *testing.T
	store  *models.Store
	queue  *Queue
	relay  *Relay
	worker *Worker
	log    strings.Builder
	ahead  atomic.Int64 // how far the clock is ahead, in nanoseconds
}

// onBothQueues runs a test on SQLite with the embedded queue, and on Postgres with Redis. The test makes its plant there.
func onBothQueues(t *testing.T, test func(t *testing.T, newPlant func(translations map[string]translation) *plant)) {
	t.Parallel()
	for name, urls := range map[string]func(t *testing.T) (database, redis string){
		"sqlite":   func(t *testing.T) (string, string) { return sqliteURL(t), "" },
		"postgres": func(t *testing.T) (string, string) { return testservers.DatabaseURL(t), testservers.RedisURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(translations map[string]translation) *plant {
				database, redis := urls(t)
				return newPlant(t, database, redis, translations)
			})
		})
	}
}

// newPlant returns a plant that does nothing by itself until run.
func newPlant(t *testing.T, databaseURL, redisURL string, translations map[string]translation) *plant {
	t.Helper()
	p := &plant{t: t, store: newWorld(t, databaseURL).store}
	var err error
	if p.queue, err = OpenQueue(redisURL, "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.queue.Close(); err != nil {
			t.Error(err)
		}
	})
	log := slog.New(slog.NewTextHandler(&p.log, nil)) // which locks
	outage := NewOutage("the database does not work", log)
	p.relay = NewRelay(p.store, p.queue, outage, log)
	p.worker = NewWorker(WorkerConfig{
		Store: p.store, Queue: p.queue, Registry: &Registry{translations: translations}, Drift: &Drift{},
		ApplySandbox: func(string) bool { return false }, Wake: p.relay.Wake, Outage: outage, Log: log,
	})
	p.relay.now, p.worker.now = p.now, p.now
	return p
}

// run lets relay and worker work until the end of the test.
func (p *plant) run() {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{p.relay.Run, p.worker.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				p.t.Error(err)
			}
		})
	}
	p.t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

func (p *plant) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

// receive stores n events of a type, by the plant's clock.
func (p *plant) receive(eventType string, n int) {
	p.t.Helper()
	for i := range n {
		if _, err := p.store.AddEvent(context.Background(), models.Event{
			Provider: "acme", Generation: "v1", ExternalID: fmt.Sprintf("%s-%d-%d", eventType, p.ahead.Load(), i), Type: eventType,
			Queue: models.DefaultQueue, Body: []byte("{}"), OccurredAt: models.At(p.now()), ReceivedAt: models.At(p.now()),
		}); err != nil {
			p.t.Fatal(err)
		}
	}
	p.relay.Wake()
}

// attempt claims what is due in a queue of events, or else of follow-ups, and works on it.
func (p *plant) attempt(w models.Work, queue string) {
	p.t.Helper()
	ctx := context.Background()
	o, _, err := p.store.Offer(ctx, w, queue, 100, p.now())
	if err != nil {
		p.t.Fatal(err)
	}
	if w == models.EventWork {
		events, err := p.store.ClaimEvents(ctx, o, p.now())
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range events {
			p.worker.attemptEvent(ctx, e)
		}
		return
	}
	ups, err := p.store.ClaimFollowUps(ctx, o, p.now())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, up := range ups {
		p.worker.attemptFollowUp(ctx, up)
	}
}

// events lists the events that a filter selects, 500 at most.
func (p *plant) events(f models.EventFilter) []models.Event {
	p.t.Helper()
	events, err := p.store.Events(context.Background(), f, models.Page{Limit: 500})
	if err != nil {
		p.t.Fatal(err)
	}
	return events
}

// only returns the only event.
func (p *plant) only() models.Event {
	p.t.Helper()
	events := p.events(models.EventFilter{})
	if len(events) != 1 {
		p.t.Fatalf("%d events, want 1", len(events))
	}
	return events[0]
}

// eventually waits for a condition for up to a minute.
func (p *plant) eventually(what string, condition func() bool) {
	p.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("after a minute it is still not true that %s", what)
		}
	}
}
