package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// plant is a relay and a worker at work, with a clock and translations of a test's own.
type plant struct {
	t      *testing.T
	store  *models.Store
	relay  *Relay
	worker *Worker
	ahead  atomic.Int64 // how far the clock is ahead, in nanoseconds
}

// onBothQueues runs a test on SQLite with the embedded queue, and on Postgres with Redis. The test makes its plant there.
func onBothQueues(t *testing.T, test func(t *testing.T, plantWith func(translations map[string]translation) *plant)) {
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

func newPlant(t *testing.T, databaseURL, redisURL string, translations map[string]translation) *plant {
	t.Helper()
	p := &plant{t: t, store: newWorld(t, databaseURL).store}
	queue, err := OpenQueue(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p.relay = NewRelay(p.store, queue, log)
	p.worker = NewWorker(p.store, queue, &Registry{translations: translations}, &Drift{}, false, log)
	p.relay.now, p.worker.now = p.now, p.now
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{p.relay.Run, p.worker.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
		if err := queue.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *plant) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

// receive stores n events of a type, by the plant's clock.
func (p *plant) receive(eventType string, n int) {
	p.t.Helper()
	for i := range n {
		if _, err := p.store.AddEvent(context.Background(), models.Event{
			Provider: "acme", Generation: "v1", ExternalID: fmt.Sprintf("%s-%d-%d", eventType, p.ahead.Load(), i), Type: eventType,
			Queue: models.DefaultQueue, Body: []byte("{}"), Status: models.Received, ReceivedAt: models.At(p.now()),
		}); err != nil {
			p.t.Fatal(err)
		}
	}
	p.relay.Wake()
}

// count returns how many events a filter selects, 500 at most.
func (p *plant) count(f models.EventFilter) int {
	p.t.Helper()
	events, err := p.store.Events(context.Background(), f, models.Page{Limit: 500})
	if err != nil {
		p.t.Fatal(err)
	}
	return len(events)
}

// eventually waits for a condition, a minute at most.
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
