package jobs

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// trial is a worker with translations of a test's own, and one event to try them on.
type trial struct {
	*Worker
	log strings.Builder
}

func newTrial(t *testing.T, f translation) *trial {
	t.Helper()
	store, err := models.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
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
	w := &trial{}
	w.Worker = &Worker{
		store: store, drift: &Drift{}, now: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(&w.log, nil)),
		registry: &Registry{translations: map[string]translation{"acme/v1/known": f}},
	}
	return w
}

// try stores an event, works on it once, and returns its row.
func (w *trial) try(t *testing.T, eventType, body string) models.Event {
	t.Helper()
	ctx := context.Background()
	if _, err := w.store.AddEvent(ctx, models.Event{
		Provider: "acme", Generation: "v1", ExternalID: eventType + body, Type: eventType, Body: []byte(body),
		Queue: models.DefaultQueue, Status: models.Received, ReceivedAt: models.At(now),
	}); err != nil {
		t.Fatal(err)
	}
	offers, _, err := w.store.OfferEvents(ctx, models.DefaultQueue, 1, now)
	if err != nil || len(offers) != 1 {
		t.Fatalf("offers %v %v, want one", offers, err)
	}
	e, err := w.store.ClaimEvent(ctx, offers[0], now)
	if err != nil {
		t.Fatal(err)
	}
	w.attempt(ctx, e)
	if e, err = w.store.Event(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	return e
}

// A translation that panics fails alone, with an error that says what and where, and is tried again.
func TestTranslationPanics(t *testing.T) {
	t.Parallel()
	w := newTrial(t, func(models.Event) (models.Change, error) {
		var nothing []string
		return models.Change{SubjectID: nothing[0]}, nil
	})
	e := w.try(t, "known", "{}")
	want := regexp.MustCompile(`^panic: runtime error: index out of range \[0\] with length 0 in jobs\.TestTranslationPanics\.func1, worker_test\.go:\d+$`)
	if e.Status != models.Queued || !want.MatchString(e.LastError) {
		t.Errorf("status %s error %q; want it due again, with the panic and where it was", e.Status, e.LastError)
	}
	if wait := e.NextAt.Sub(now); wait < time.Second || wait > 3*time.Second {
		t.Errorf("due again in %s, want about 2 s", wait)
	}
}

// A translation that hangs costs its own deadline, and no more.
func TestTranslationHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	w := newTrial(t, func(models.Event) (models.Change, error) { <-hang; return models.Change{}, nil })
	if e := w.try(t, "known", "{}"); e.Status != models.Queued || e.LastError != "translation took longer than 5s" {
		t.Errorf("status %s error %q; want it due again, with the deadline", e.Status, e.LastError)
	}
}

// Two hundred events whose translation hangs, and as many whose translation panics, fail alone: events of another type that come
// after them do not wait for them.
func TestHangingTypeFailsAlone(t *testing.T) {
	onBothQueues(t, func(t *testing.T, plantWith func(map[string]translation) *plant) {
		hang := make(chan struct{})
		t.Cleanup(func() { close(hang) })
		p := plantWith(map[string]translation{
			"acme/v1/hangs":  func(models.Event) (models.Change, error) { <-hang; return models.Change{}, nil },
			"acme/v1/panics": func(models.Event) (models.Change, error) { panic("no") },
			"acme/v1/fine":   func(models.Event) (models.Change, error) { return models.Change{SubjectID: "p"}, nil },
		})
		p.receive("hangs", 200)
		p.receive("panics", 200)
		p.receive("fine", 200)
		p.eventually("the good events are processed", func() bool {
			return p.count(models.EventFilter{Type: "fine", Status: models.Processed}) == 200
		})
		if n := p.count(models.EventFilter{Type: "hangs", Status: models.Queued}); n != 200 {
			t.Errorf("%d of the hanging events are to be tried again, want all 200", n)
		}
		var events []models.Event
		p.eventually("each hanging event has had its attempt", func() bool {
			var err error
			events, err = p.store.Events(t.Context(), models.EventFilter{Type: "hangs"}, models.Page{Limit: 500})
			return err == nil && !slices.ContainsFunc(events, func(e models.Event) bool { return e.LastError == "" })
		})
		patient := 0
		for _, e := range events {
			if e.LastError == "translation took longer than 5s" {
				patient++
			}
		}
		if patient > 50 { // 4 of them every 5 s; without a limit, all
			t.Errorf("workers have waited 5 s for %d of the hanging events, want it for a few", patient)
		}
	})
}

func TestPermanentErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	w := newTrial(t, func(models.Event) (models.Change, error) { return models.Change{}, missing("applicant_id") })
	if e := w.try(t, "known", "{}"); e.Status != models.Failed || e.LastError != "permanent: payload has no applicant_id" {
		t.Errorf("status %s error %q, want failed", e.Status, e.LastError)
	}
}

func TestLastAttemptFails(t *testing.T) {
	t.Parallel()
	w := newTrial(t, nil)
	w.registry.translations["acme/v1/known"] = func(models.Event) (models.Change, error) { return models.Change{}, errors.New("not today") }
	e := w.try(t, "known", "{}")
	for range models.MaxAttempts - 1 {
		if e.Status != models.Queued {
			t.Fatalf("status %s in attempt %d, want queued", e.Status, e.Attempts)
		}
		offers, _, err := w.store.OfferEvents(context.Background(), models.DefaultQueue, 1, now.Add(time.Hour))
		if err != nil || len(offers) != 1 {
			t.Fatalf("offers %v %v, want one", offers, err)
		}
		if e, err = w.store.ClaimEvent(context.Background(), offers[0], now); err != nil {
			t.Fatal(err)
		}
		w.attempt(context.Background(), e)
		if e, err = w.store.Event(context.Background(), e.ID); err != nil {
			t.Fatal(err)
		}
	}
	if e.Status != models.Failed || e.LastError != "not today" || e.Attempts != models.MaxAttempts {
		t.Errorf("status %s error %q attempts %d, want failed after %d", e.Status, e.LastError, e.Attempts, models.MaxAttempts)
	}
}

// An unknown type is recorded, and logged once however many come.
func TestUnknownType(t *testing.T) {
	t.Parallel()
	w := newTrial(t, nil)
	for _, body := range []string{`{"n":1}`, `{"n":2}`} {
		if e := w.try(t, "surprise", body); e.Status != models.Processed || e.Outcome != models.Ignored {
			t.Errorf("status %s outcome %s, want processed and ignored", e.Status, e.Outcome)
		}
	}
	if n := strings.Count(w.log.String(), "unknown event type"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
}

// Waiting times grow, with some chance in them, and end at ten minutes.
func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 5: 32 * time.Second, 10: 10 * time.Minute, 64: 10 * time.Minute} {
		if got := backoff(attempt); got < want*3/4 || got > want*5/4 {
			t.Errorf("after attempt %d wait %s, want about %s", attempt, got, want)
		}
	}
}
