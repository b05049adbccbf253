package models_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// TestExpiry: old payloads are removed, except those that are still needed. These are found again later, and so is what became old since.
func TestExpiry(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		mail := func(models.Change) []models.FollowUp {
			return []models.FollowUp{{Name: "mail", Queue: models.DefaultQueue}}
		}
		applied := react(t, s, event("applied", "canary"), verdict("p", models.StatusVerified), models.Applied, mail)
		ignored := process(t, s, event("ignored", "canary"), models.Facts{Ignored: "a test"}, models.Ignored)
		add(t, s, event("applied", "another canary"), models.Conflicting)
		add(t, s, event("failed", "canary"), models.Accepted)
		fail(t, s)
		add(t, s, event("pending", "canary"), models.Accepted)
		young := event("young", "canary")
		young.ReceivedAt = models.At(now.Add(time.Hour))
		add(t, s, young, models.Accepted)
		x := s.NewExpiry()
		remove := func(want int, before time.Time, left ...string) {
			t.Helper()
			if n, err := x.Remove(ctx, models.At(before)); err != nil || n != want {
				t.Errorf("removed %d payloads %v, want %d", n, err, want)
			}
			var full []string
			for _, e := range list(t, s) {
				if one, err := s.Event(ctx, e.ID); err != nil || one.BodyRemoved != e.BodyRemoved || one.BodyRemoved != (len(one.Body) == 0) {
					t.Errorf("event %s: %q, %v, %v in the list, %v", e.ExternalID, one.Body, one.BodyRemoved, e.BodyRemoved, err)
				} else if !one.BodyRemoved {
					full = append(full, e.ExternalID)
				}
			}
			if diff := cmp.Diff(left, full); diff != "" {
				t.Errorf("events with a payload (-want +got):\n%s", diff)
			}
		}
		remove(0, now, "young", "pending", "failed", "applied", "ignored", "applied")
		remove(3, now.Add(time.Minute), "young", "pending", "failed") // the follow-up is not done
		if _, err := s.ReplayEvent(ctx, ignored.ID, now); !errors.Is(err, models.ErrBodyRemoved) {
			t.Errorf("replay of an event without its body: %v, want ErrBodyRemoved", err)
		}
		if n, err := s.CountReplayable(ctx, models.EventFilter{}, models.Pace{}); err != nil || n != 1 {
			t.Errorf("%d events can be replayed %v, want the failed one", n, err)
		}
		add(t, s, event("applied", "canary"), models.Repeated)
		young.ExternalID, young.Body = "applied", []byte("a third body")
		add(t, s, young, models.Conflicting)

		o, _, err := s.Offer(ctx, models.FollowUpWork, models.DefaultQueue, 10, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ups, err := s.ClaimFollowUps(ctx, o, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.FinishFollowUp(ctx, only(t, ups), models.FollowUpDone, "", models.At(now)); err != nil {
			t.Fatal(err)
		}
		if changes, err := s.ChangesBy(ctx, applied.ID); err != nil || len(changes) != 1 {
			t.Errorf("%d changes %v, want 1", len(changes), err)
		}
		replayed, err := s.ReplayEvents(ctx, models.EventFilter{Status: models.Failed}, models.Pace{}, now)
		if err != nil || replayed != 1 {
			t.Errorf("replayed %d %v, want the failed event", replayed, err)
		}
		for _, e := range claim(t, s, now.Add(time.Minute)) {
			if e.ExternalID != "pending" {
				apply(t, s, e, models.Facts{Ignored: "a test"}, models.Ignored)
			}
		}
		remove(2, now.Add(time.Minute), "applied", "young", "pending") // of the failed event and the follow-up
		if changes, err := s.ChangesBy(ctx, applied.ID); err != nil || len(changes) != 0 {
			t.Errorf("%d changes %v, want none", len(changes), err)
		}
		failed := list(t, s)[3]
		if attempts, err := s.FailedAttempts(ctx, failed.ID); failed.ExternalID != "failed" || err != nil || len(attempts) != 0 {
			t.Errorf("%d failed attempts at %s, %v; want none", len(attempts), failed.ExternalID, err)
		}
		remove(2, now.Add(2*time.Hour), "pending")
	})
}
