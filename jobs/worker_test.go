package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// attempted is a plant that has received one event of type "known" and attempted it.
func attempted(t *testing.T, f translation) *plant {
	t.Helper()
	p := newPlant(t, sqliteURL(t), "", map[string]translation{"acme/v1/known": f})
	p.receive("known", 1)
	p.attempt(models.EventWork, models.DefaultQueue)
	return p
}

// A translation that panics fails alone, with an error that says why, and is tried again.
func TestTranslationPanics(t *testing.T) {
	t.Parallel()
	p := attempted(t, func(models.Event) (models.Facts, error) {
		var nothing []string
		return models.Facts{SubjectID: nothing[0]}, nil
	})
	if e := p.only(); e.Status != models.Queued || !strings.Contains(e.Error, "index out of range [0] with length 0") {
		t.Errorf("status %s error %q; want it due again, with the panic", e.Status, e.Error)
	}
	if log := p.log.String(); !strings.Contains(log, "worker_test.go:") {
		t.Errorf("the log does not say where it was: %s", log)
	}
}

func TestPermanentErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	e := attempted(t, func(models.Event) (models.Facts, error) {
		return models.Facts{}, fmt.Errorf("%w: no person", ErrPermanent)
	}).only()
	if e.Status != models.Failed || !strings.Contains(e.Error, "no person") || e.Attempts != 1 {
		t.Errorf("status %s error %q attempts %d, want failed at once", e.Status, e.Error, e.Attempts)
	}
}

// A payload that was removed does not come back, so the event fails at once.
func TestRemovedPayloadIsNotRetried(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sqliteURL(t), "", nil)
	p.receive("known", 1)
	if _, err := p.store.DB().ExecContext(t.Context(), "UPDATE events SET body = ''"); err != nil {
		t.Fatal(err)
	}
	p.attempt(models.EventWork, models.DefaultQueue)
	if e := p.only(); e.Status != models.Failed || !strings.Contains(e.Error, "the payload was removed") || e.Attempts != 1 {
		t.Errorf("status %s error %q attempts %d, want failed at once", e.Status, e.Error, e.Attempts)
	}
}

// An error that looks like one of the database's is recorded as it is.
func TestErrorIsKept(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{models.ErrNotFound, errors.New("\xff\x00not UTF-8")} {
		e := attempted(t, func(models.Event) (models.Facts, error) { return models.Facts{}, fmt.Errorf("ask: %w", cause) }).only()
		if e.Status != models.Queued || !strings.HasPrefix(e.Error, "ask: ") {
			t.Errorf("status %s error %q, want it due again with the cause", e.Status, e.Error)
		}
	}
}

func TestLastAttemptFails(t *testing.T) {
	t.Parallel()
	p := attempted(t, func(models.Event) (models.Facts, error) { return models.Facts{}, errors.New("not today") })
	for range models.MaxAttempts - 1 {
		if e := p.only(); e.Status != models.Queued {
			t.Fatalf("status %s in attempt %d, want queued", e.Status, e.Attempts)
		}
		p.ahead.Add(int64(20 * time.Minute))
		p.attempt(models.EventWork, models.DefaultQueue)
	}
	if e := p.only(); e.Status != models.Failed || e.Error != "not today" || e.Attempts != models.MaxAttempts {
		t.Errorf("status %s error %q attempts %d, want failed after %d", e.Status, e.Error, e.Attempts, models.MaxAttempts)
	}
}

// An unknown type is recorded as ignored, with the reason.
func TestUnknownType(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sqliteURL(t), "", nil)
	p.receive("surprise", 2)
	p.attempt(models.EventWork, models.DefaultQueue)
	for _, e := range p.events(models.EventFilter{}) {
		if e.Outcome != models.Ignored || e.Reason == "" {
			t.Errorf("outcome %s reason %q, want it ignored with a reason", e.Outcome, e.Reason)
		}
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

// flapping is a plant with one follow-up, of a person whose status goes from verified to failed as often as its events are attempted.
func flapping(t *testing.T, f FollowUp) *plant {
	t.Helper()
	n := 0
	p := newPlant(t, sqliteURL(t), "", map[string]translation{"acme/v1/known": func(models.Event) (models.Facts, error) {
		n++
		status := map[bool]models.Status{true: models.StatusVerified, false: models.StatusFailed}[n%2 == 1]
		return models.Facts{SubjectID: "p", Decisions: []models.Decision{{Source: models.FromSession, Authority: models.ByAutomatic, Status: status}}}, nil
	}})
	f.Name, f.When = "test", anyChange
	p.worker.followUps = []FollowUp{f}
	p.worker.byName = byName(p.worker.followUps)
	return p
}

// flap makes the status change n times.
func (p *plant) flap(n int) {
	for range n {
		p.ahead.Add(int64(time.Second))
		p.receive("known", 1)
		p.attempt(models.EventWork, models.DefaultQueue)
	}
}

func (p *plant) followUps() []models.FollowUp {
	p.t.Helper()
	ups, err := p.store.FollowUps(p.t.Context(), models.FollowUpFilter{}, models.Page{Limit: 500})
	if err != nil {
		p.t.Fatal(err)
	}
	return ups
}

// A follow-up that is to happen once does, however often its condition is met.
func TestFollowUpOnce(t *testing.T) {
	t.Parallel()
	for once, want := range map[bool]int{true: 1, false: 4} {
		p := flapping(t, FollowUp{Once: once, Do: func(context.Context, models.Change) error { return nil }})
		p.flap(4)
		if n := len(p.followUps()); n != want {
			t.Errorf("once %t: %d follow-ups of four changes, want %d", once, n, want)
		}
	}
}

// A follow-up is not done for a status that was overtaken while it waited, unless it asks for that.
func TestFollowUpEvenIfOvertaken(t *testing.T) {
	t.Parallel()
	for even, want := range map[bool]int{true: 2, false: 1} {
		done := 0
		p := flapping(t, FollowUp{EvenIfOvertaken: even, Do: func(ctx context.Context, c models.Change) error {
			done++
			if _, bounded := ctx.Deadline(); !bounded || c.Key == "" || c.After.SubjectID != "p" || c.Event.Provider != "acme" {
				t.Errorf("called with %+v, want a deadline, a key, the customer and the event", c)
			}
			return nil
		}})
		p.flap(2)
		p.attempt(models.FollowUpWork, followUpQueue("test"))
		if done != want {
			t.Errorf("even if overtaken %t: done %d times, want %d", even, done, want)
		}
	}
}

// A follow-up that panics costs an attempt of its own.
func TestFollowUpPanics(t *testing.T) {
	t.Parallel()
	p := flapping(t, FollowUp{Do: func(context.Context, models.Change) error { panic("no") }})
	p.flap(1)
	p.attempt(models.FollowUpWork, followUpQueue("test"))
	if up := p.followUps()[0]; up.Status != models.FollowUpWaiting || !strings.Contains(up.Error, "no") || up.Attempts != 1 {
		t.Errorf("status %s error %q attempts %d, want it tried again", up.Status, up.Error, up.Attempts)
	}
}
