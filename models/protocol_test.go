package models_test

import (
	"errors"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// Only the newest offer can be claimed, and only once.
func TestOfferAndClaim(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		first, _ := offer(t, s, now)
		if again, _ := offer(t, s, now); len(first) != 1 || len(again) != 0 {
			t.Fatalf("offered %v, then %v; want it once", first, again)
		}
		late := now.Add(11 * time.Second)
		second, _ := offer(t, s, late) // nobody has claimed it: the task is taken for lost
		if len(second) != 1 || second[0].Offers != 2 {
			t.Fatalf("offered again %v, want offer 2", second)
		}
		if _, err := s.ClaimEvent(ctx, first[0], late); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("the superseded offer was claimed: %v", err)
		}
		e, err := s.ClaimEvent(ctx, second[0], late)
		if err != nil || e.Attempts != 1 || string(e.Body) != "1" {
			t.Fatalf("claimed %+v %v, want attempt 1 with the body", e, err)
		}
		if _, err := s.ClaimEvent(ctx, second[0], late); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("the same offer was claimed twice: %v", err)
		}
	})
}

// While nobody claims it, an event is offered at growing distances, five minutes at most.
func TestOffersThinOut(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		at := now
		for _, wait := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
			offer(t, s, at)
			at = at.Add(wait*time.Second - time.Second)
			if offered, _ := offer(t, s, at); len(offered) != 0 {
				t.Fatalf("offered again within %s s", wait)
			}
			at = at.Add(time.Second)
		}
		if offered, _ := offer(t, s, at); len(offered) != 1 {
			t.Fatal("not offered any more")
		}
	})
}

// The event of a worker that was killed is due again after the claim's time.
func TestClaimRunsOut(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		lost := claim(t, s, now)
		if offered, _ := offer(t, s, now.Add(models.ClaimTimeout-time.Second)); len(offered) != 0 {
			t.Fatal("offered while it is claimed")
		}
		e := claim(t, s, now.Add(models.ClaimTimeout))
		if e.Attempts != 2 {
			t.Fatalf("attempt %d, want 2", e.Attempts)
		}
		// The first worker was not dead after all: it must overwrite nothing.
		if err := s.RetryEvent(ctx, lost, errors.New("late"), now); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a late loser gave the event back: %v", err)
		}
		if _, err := s.ApplyEvent(ctx, lost, models.Change{SubjectID: "p"}, models.At(now)); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a late loser applied the event: %v", err)
		}
		if outcome, err := s.ApplyEvent(ctx, e, models.Change{Outcome: models.Ignored}, models.At(now)); err != nil || outcome != models.Ignored {
			t.Errorf("apply: %v %v, want ignored", outcome, err)
		}
	})
}

// An event that kills its worker each time ends among the failed ones, instead of going round for ever.
func TestAttemptsUsedUpByCrashes(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		at := now
		for range models.MaxAttempts {
			claim(t, s, at)
			at = at.Add(models.ClaimTimeout)
		}
		offered, dead := offer(t, s, at)
		if len(offered) != 0 || len(dead) != 1 {
			t.Fatalf("offered %v, dead %v; want it dead", offered, dead)
		}
		if e := list(t, s)[0]; e.Status != models.Failed || e.LastError == "" {
			t.Fatalf("status %s error %q, want failed with a reason", e.Status, e.LastError)
		}
	})
}

func TestReplay(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		verdict := models.Change{SubjectID: "p", Decisions: []models.Decision{{
			Source: models.FromApplicant, Authority: models.Manual, Status: models.Verified,
		}}}
		process := func(c models.Change) models.Event {
			e := claim(t, s, now)
			if _, err := s.ApplyEvent(ctx, e, c, models.At(now)); err != nil {
				t.Fatal(err)
			}
			return e
		}
		replay := func(id int64, want bool) {
			t.Helper()
			if got, err := s.ReplayEvent(ctx, id, now); err != nil || got != want {
				t.Fatalf("replay: %v %v, want %v", got, err, want)
			}
		}
		add(t, s, event("a", "1"), models.Accepted)
		failed := claim(t, s, now)
		if err := s.RetryEvent(ctx, failed, errors.New("no"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		replay(failed.ID, true)
		// Ignored first, and given a meaning later.
		process(models.Change{Outcome: models.Ignored})
		replay(failed.ID, true)
		process(verdict)
		replay(failed.ID, false) // its effect stands
		if c, _, err := s.Customer(ctx, 1); err != nil || c.Status != models.Verified || c.Revision != 1 {
			t.Fatalf("customer %+v %v, want verified by one event", c, err)
		}
		if _, err := s.ReplayEvent(ctx, 99, now); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("replay of an unknown event: %v, want ErrNotFound", err)
		}
	})
}

// A paced replay takes the oldest, so many a second, and no more than asked for.
func TestReplayPaced(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			e := event(id, id)
			e.Status = models.Failed
			add(t, s, e, models.Accepted)
		}
		failed, later := models.EventFilter{Status: models.Failed}, now.Add(time.Hour)
		count := func(p models.Pace, want int64) {
			t.Helper()
			if n, err := s.CountReplayable(ctx, failed, p); err != nil || n != want {
				t.Fatalf("%d %v are replayable, want %d", n, err, want)
			}
		}
		count(models.Pace{}, 5)
		count(models.Pace{Limit: 3}, 3)
		if n, err := s.ReplayEvents(ctx, failed, models.Pace{Limit: 4, Rate: 2}, later); err != nil || n != 4 {
			t.Fatalf("replayed %d %v, want 4", n, err)
		}
		count(models.Pace{}, 1)
		for i, want := range []int{1, 1, 1, 1} { // one each half second
			at := later.Add(time.Duration(i) * 500 * time.Millisecond)
			early, _ := offer(t, s, at.Add(-time.Millisecond))
			if offered, _ := offer(t, s, at); len(early) != 0 || len(offered) != want {
				t.Errorf("after %s: offered %v early and %v in time, want %d in time", at.Sub(later), early, offered, want)
			}
		}
		if left := list(t, s)[0]; left.Status != models.Failed || left.ExternalID != "e" {
			t.Errorf("left is %s, %s; want the newest, failed", left.ExternalID, left.Status)
		}
	})
}

// What a clock that was an hour ahead has put off is due once the clock is right. What is meant to be late stays so.
func TestRecallEvents(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		ahead := now.Add(time.Hour)
		received := event("received", "1")
		received.ReceivedAt = models.At(ahead)
		add(t, s, event("offered", "2"), models.Accepted)
		offer(t, s, ahead)
		add(t, s, event("claimed", "3"), models.Accepted)
		claim(t, s, ahead)
		add(t, s, event("retried", "4"), models.Accepted)
		if err := s.RetryEvent(ctx, claim(t, s, ahead), errors.New("no"), ahead.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		add(t, s, received, models.Accepted)
		paced := event("paced", "5")
		paced.Status = models.Failed
		add(t, s, paced, models.Accepted)
		if n, err := s.ReplayEvents(ctx, models.EventFilter{Status: models.Failed}, models.Pace{}, ahead); err != nil || n != 1 {
			t.Fatalf("replayed %d %v, want 1", n, err)
		}
		add(t, s, event("waits for its retry", "6"), models.Accepted)
		if err := s.RetryEvent(ctx, claim(t, s, now), errors.New("no"), now.Add(12*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := s.RecallEvents(ctx, models.DefaultQueue, now); err != nil || n != 4 {
			t.Fatalf("recalled %d %v, want 4", n, err)
		}
		if offered, _ := offer(t, s, now); len(offered) != 4 {
			t.Errorf("%d are due, want the 4 that were recalled", len(offered))
		}
		if n, err := s.RecallEvents(ctx, models.DefaultQueue, now); err != nil || n != 0 {
			t.Errorf("recalled %d %v again, want none", n, err)
		}
	})
}

// An event that comes again after its row is gone is recognised by its idempotency record.
func TestProcessedRecordOutlivesEvent(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		verdict := models.Change{SubjectID: "p"}
		add(t, s, event("a", "1"), models.Accepted)
		if _, err := s.ApplyEvent(ctx, claim(t, s, now), verdict, models.At(now)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB().ExecContext(ctx, "DELETE FROM events"); err != nil {
			t.Fatal(err)
		}
		add(t, s, event("a", "1"), models.Accepted)
		outcome, err := s.ApplyEvent(ctx, claim(t, s, now), verdict, models.At(now))
		if err != nil || outcome != models.Duplicate {
			t.Fatalf("outcome %s %v, want duplicate", outcome, err)
		}
		if c, _, err := s.Customer(ctx, 1); err != nil || c.Revision != 1 {
			t.Fatalf("revision %d %v, want 1", c.Revision, err)
		}
	})
}

// What cannot be applied as a whole leaves nothing behind: the event is as it was, and another attempt may come.
func TestApplyAllOrNothing(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		e := claim(t, s, now)
		impossible := models.Change{SubjectID: "p", Decisions: []models.Decision{{Source: "nowhere", Authority: models.Manual, Status: models.Verified}}}
		if outcome, err := s.ApplyEvent(ctx, e, impossible, models.At(now)); err == nil {
			t.Fatalf("a decision of no source led to %s, want an error", outcome)
		}
		if got := list(t, s)[0]; got.Status != models.Queued {
			t.Errorf("the event is %s, want it queued for another attempt", got.Status)
		}
		if people, err := s.Customers(ctx, models.CustomerFilter{}, models.Page{Limit: 10}); err != nil || len(people) != 0 {
			t.Errorf("%d customers and %v, want none", len(people), err)
		}
		possible := models.Change{SubjectID: "p", Decisions: []models.Decision{{Source: "session", Authority: models.Manual, Status: models.Verified}}}
		if outcome, err := s.ApplyEvent(ctx, e, possible, models.At(now)); err != nil || outcome != models.Applied {
			t.Errorf("applied later: %s %v, want %s", outcome, err, models.Applied)
		}
	})
}
