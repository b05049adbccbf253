package models_test

import (
	"errors"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// A failed event starts anew, and so does one that had no meaning then. An applied one stays as it is.
func TestReplay(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		replay := func(id int64, want bool) {
			t.Helper()
			if got, err := s.ReplayEvent(ctx, id, now); err != nil || got != want {
				t.Fatalf("replay: %v %v, want %v", got, err, want)
			}
		}
		add(t, s, event("a", "1"), models.Accepted)
		replay(1, false) // it is waiting anyway
		fail(t, s)
		replay(1, true)
		for _, nothing := range []struct {
			facts models.Facts
			want  models.Outcome
		}{
			{models.Facts{Ignored: "unknown event type"}, models.Ignored},
			{models.Facts{Sandbox: true, SubjectID: "p"}, models.Sandbox},
			{models.Facts{Ignored: "a test"}, models.Ignored},
		} {
			apply(t, s, only(t, claim(t, s, now)), nothing.facts, nothing.want)
			if e := only(t, list(t, s)); e.Status != models.Processed || e.Outcome != nothing.want || e.Reason != nothing.facts.Ignored {
				t.Errorf("%s %s %q, want %s %q", e.Status, e.Outcome, e.Reason, nothing.want, nothing.facts.Ignored)
			}
			replay(1, true)
			replay(1, false)
			if e := only(t, list(t, s)); e.Status != models.Received || e.Outcome != "" || e.Reason != "" {
				t.Errorf("replayed: %s %q %q, want it received", e.Status, e.Outcome, e.Reason)
			}
		}
		apply(t, s, only(t, claim(t, s, now)), verdict("p", models.StatusVerified), models.Applied)
		replay(1, false)
		if c := customer(t, s, "p"); c.Status != models.StatusVerified || c.Revision != 1 {
			t.Errorf("customer is %s by %d events, want verified by one", c.Status, c.Revision)
		}
		if _, err := s.ReplayEvent(ctx, 99, now); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("replay of an unknown event: %v, want ErrNotFound", err)
		}
	})
}

// A replay takes the oldest, so many a second, and no more than asked for.
func TestReplayAtAPace(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			e := event(id, id)
			e.Problem = "no meaning yet"
			add(t, s, e, models.Accepted)
		}
		failed, later := models.EventFilter{Status: models.Failed}, now.Add(time.Hour)
		count := func(f models.EventFilter, p models.Pace, want int64) {
			t.Helper()
			if n, err := s.CountReplayable(ctx, f, p); err != nil || n != want {
				t.Fatalf("%d %v are replayable, want %d", n, err, want)
			}
		}
		count(models.EventFilter{}, models.Pace{}, 5)
		count(failed, models.Pace{}, 5)
		count(failed, models.Pace{Limit: 3}, 3)
		for _, other := range []models.EventStatus{models.Received, models.Queued, models.Processed, models.Quarantined} {
			count(models.EventFilter{Status: other}, models.Pace{}, 0)
		}
		if n, err := s.ReplayEvents(ctx, failed, models.Pace{Limit: 3, Rate: 2}, later); err != nil || n != 3 {
			t.Fatalf("replayed %d %v, want 3", n, err)
		}
		count(failed, models.Pace{}, 2)
		for i, want := range []int{2, 1, 0} { // two each second
			at := later.Add(time.Duration(i) * time.Second)
			early, _ := offer(t, s, at.Add(-time.Millisecond))
			if o, _ := offer(t, s, at); len(early.IDs) != 0 || len(o.IDs) != want {
				t.Errorf("second %d: offered %v early and %v in time, want %d in time", i, early.IDs, o.IDs, want)
			}
		}
		if left := list(t, s)[0]; left.Status != models.Failed || left.ExternalID != "e" {
			t.Errorf("the newest is %s, %s; want it left alone", left.ExternalID, left.Status)
		}
	})
}
