package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// TestConvergence: any order, duplication, interleaving, failure and replay of the same deliveries ends in the same rows as
// handling each once in the order of time. A failure with one sender prints the history shrunk to what it takes; with several
// at once it cannot be repeated, and is printed as it was.
func TestConvergence(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   sqliteURL,
		"postgres": func(t *testing.T) string { return testservers.DatabaseURL(t) },
	} {
		for mode, senders := range map[string]int{"one sender": 1, "three senders": 3} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				converge(t, newWorld(t, sqliteURL(t)), newWorld(t, url(t)), senders)
			})
		}
	}
}

// converge compares a quiet world with a disturbed one.
func converge(t *testing.T, quiet, disturbed *world, senders int) {
	t.Helper()
	generator := histories(t)
	rapid.Check(t, func(t *rapid.T) {
		h := generator.Draw(t, "history")
		chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		quiet.clear(t)
		disturbed.clear(t)

		ordered := slices.Clone(h)
		slices.SortStableFunc(ordered, func(a, b models.Event) int { return a.OccurredAt.Compare(b.OccurredAt.Time) })
		for _, e := range ordered {
			quiet.deliver(t, e)
			quiet.work(t, nil)
		}
		delivered := disturbed.disturb(t, h, senders, chance)
		if diff := cmp.Diff(quiet.rows(t), disturbed.rows(t)); diff != "" {
			t.Fatalf("in the order of time:\n%sas delivered:\n%srows (-in order of time +as delivered):\n%s", ordered, delivered, diff)
		}
	})
}

func sqliteURL(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }

// world is a database with a worker that has no queue: the test hands out the offers itself, by a clock that it moves when nothing
// is due.
type world struct {
	store  *models.Store
	worker *Worker
	clock  atomic.Int64 // Unix microseconds
}

func newWorld(t testing.TB, url string) *world {
	t.Helper()
	store, err := models.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(context.Background(), store.DB(), store.Dialect()); err != nil {
		t.Fatal(err)
	}
	w := &world{store: store}
	log := slog.New(slog.DiscardHandler)
	drift, err := NewDrift(store, testdata, log)
	if err != nil {
		t.Fatal(err)
	}
	w.worker = &Worker{
		WorkerConfig: WorkerConfig{
			Store: store, Registry: NewRegistry(), Drift: drift, ApplySandbox: func(string) bool { return false }, Wake: func() {}, Log: log,
		},
		metrics: newMetrics(nil, nil), now: w.now,
	}
	return w
}

func (w *world) now() time.Time { return time.UnixMicro(w.clock.Load()) }

func (w *world) clear(t *rapid.T) {
	w.clock.Store(noon.UnixMicro())
	for _, table := range []string{
		"pending_events", "processed_events", "follow_ups", "facts", "cases", "companies", "customers", "events",
	} {
		if _, err := w.store.DB().ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) deliver(t *rapid.T, e models.Event) {
	e.ReceivedAt = models.At(w.now())
	if _, err := w.store.AddEvent(context.Background(), e); err != nil {
		t.Errorf("add %s: %v", e.ExternalID, err)
	}
}

// work handles what is due until nothing is under way. With chance, some attempts die with their worker and some fail.
func (w *world) work(t *rapid.T, chance *rand.Rand) {
	ctx := context.Background()
	for {
		idle := true
		for _, queue := range []string{models.CriticalQueue, models.DefaultQueue, readQueue} {
			o, _, err := w.store.Offer(ctx, models.EventWork, queue, 5, w.now())
			if err != nil {
				t.Errorf("offer: %v", err)
				return
			}
			if len(o.IDs) > 0 {
				idle = false
				w.attempt(t, o, chance)
			}
		}
		if !idle {
			continue
		}
		stats, err := w.store.Stats(ctx)
		if err != nil {
			t.Errorf("stats: %v", err)
			return
		}
		if stats.Events[models.Received]+stats.Events[models.Queued] == 0 {
			return
		}
		w.clock.Add((20 * time.Second).Microseconds())
	}
}

func (w *world) attempt(t *rapid.T, o models.Offer, chance *rand.Rand) {
	ctx := context.Background()
	fate := func() int {
		if chance == nil {
			return 10
		}
		return chance.IntN(10)
	}
	if fate() == 0 {
		return // Redis lost the task
	}
	events, err := w.store.ClaimEvents(ctx, o, w.now())
	if err != nil {
		t.Errorf("claim: %v", err)
	}
	for _, e := range events {
		switch f := fate(); {
		case f == 1 && e.Attempts < 5: // the worker dies
		case f == 2 && e.Attempts < 5:
			err := w.store.Retry(ctx, models.EventWork, e.ID, e.Attempts, errors.New("bad luck"), w.now())
			if err != nil && !errors.Is(err, models.ErrClaimLost) {
				t.Errorf("retry: %v", err)
			}
		default:
			w.worker.attemptEvent(ctx, e)
		}
	}
}

// disturb delivers a history in any order, some of it several times, while workers handle it and have bad luck; and replays
// it all. One sender takes turns with one worker, so that a failure can be repeated and shrunk; several senders and as many
// workers run at once. It returns the order of the deliveries.
func (w *world) disturb(t *rapid.T, h history, n int, chance *rand.Rand) (delivered history) {
	for _, e := range h {
		for range 1 + chance.IntN(3)/2 {
			delivered = append(delivered, e)
		}
	}
	chance.Shuffle(len(delivered), func(i, j int) { delivered[i], delivered[j] = delivered[j], delivered[i] })
	if n == 1 {
		for _, e := range delivered {
			w.deliver(t, e)
			if chance.IntN(3) == 0 {
				w.work(t, chance)
			}
		}
	} else {
		w.crowd(t, delivered, n, chance)
	}
	w.work(t, chance)
	for _, f := range []models.EventFilter{{Status: models.Failed}, {Status: models.Processed}} {
		if _, err := w.store.ReplayEvents(context.Background(), f, models.Pace{}, w.now()); err != nil {
			t.Errorf("replay: %v", err)
		}
	}
	w.work(t, chance)
	return delivered
}

// crowd delivers and handles by n senders and n workers at once.
func (w *world) crowd(t *rapid.T, delivered history, n int, chance *rand.Rand) {
	var group sync.WaitGroup
	for i := range n {
		luck := rand.New(rand.NewPCG(chance.Uint64(), uint64(i)))
		group.Go(func() {
			for j := i; j < len(delivered); j += n {
				w.deliver(t, delivered[j])
			}
		})
		group.Go(func() { w.work(t, luck) })
	}
	group.Wait()
}

// rows are all facts and customers, but for row IDs and our own clock.
func (w *world) rows(t *rapid.T) any {
	ctx, all := context.Background(), models.Page{Limit: 1000}
	customers, err := w.store.Customers(ctx, models.CustomerFilter{}, all)
	rows := map[string]any{}
	for _, c := range customers {
		_, facts, factsErr := w.store.Customer(ctx, c.ID)
		err = errors.Join(err, factsErr)
		rows[c.Provider+" "+c.SubjectID] = []any{c, facts}
	}
	cases, casesErr := w.store.Cases(ctx, all)
	for _, k := range cases {
		rows[k.Provider+" "+k.CaseID] = k
	}
	companies, companiesErr := w.store.Companies(ctx, all)
	for _, k := range companies {
		rows[k.Provider+" "+k.CompanyID] = k
	}
	text, marshalErr := json.Marshal(rows)
	var plain any
	err = errors.Join(err, casesErr, companiesErr, marshalErr, json.Unmarshal(text, &plain))
	if err != nil {
		t.Fatal(err)
	}
	scrub(plain)
	return plain
}

// scrub removes row IDs and our own clock, and sorts cases, which come in the order of their row IDs.
func scrub(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			scrub(item)
		}
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(caseID(a), caseID(b)) })
	case map[string]any:
		for _, key := range []string{"id", "customer_id", "created_at", "updated_at"} {
			delete(v, key)
		}
		for _, item := range v {
			scrub(item)
		}
	}
}

func caseID(v any) string {
	m, _ := v.(map[string]any)
	id, _ := m["case_id"].(string)
	return id
}
