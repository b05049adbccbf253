package models_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

func TestAddEvent(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		add(t, s, event("a", "1"), models.Repeated)
		add(t, s, event("a", "2"), models.Conflicting)
		add(t, s, event("a", "2"), models.Conflicting)
		other := event("a", "1")
		other.Provider = "trst"
		add(t, s, other, models.Accepted)

		derived := event("key:1", "1")
		derived.Derived = true
		add(t, s, derived, models.Accepted)
		derived.Body = []byte("2")
		add(t, s, derived, models.Repeated)

		unreadable := event("sha256:1", "{")
		unreadable.Status, unreadable.LastError = models.Failed, "unreadable body"
		add(t, s, unreadable, models.Accepted)

		got := map[string]string{}
		for _, e := range list(t, s) {
			got[fmt.Sprint(e.Provider, " ", e.ExternalID, " ", e.Status)] = fmt.Sprint(e.Deliveries, " ", e.LastError)
		}
		want := map[string]string{
			"trustgate a received":      "2 ",
			"trustgate a quarantined":   "2 the same external ID came before with another body",
			"trst a received":           "1 ",
			"trustgate key:1 received":  "2 ",
			"trustgate sha256:1 failed": "1 unreadable body",
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %q, want %q", key, got[key], value)
			}
		}
		if len(got) != len(want) {
			t.Errorf("rows %v, want %v", got, want)
		}
	})
}

// Deliveries share commits; each caller still gets the answer to its own, whatever else is in the batch.
func TestAddEventShared(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		const callers, each = 64, 20
		var mu sync.Mutex
		receipts := map[models.Receipt]int{}
		bad := 0
		var group sync.WaitGroup
		for c := range callers {
			group.Go(func() {
				for i := range each {
					// Each event comes twice, from two callers; each caller has one that the schema refuses.
					e := event(fmt.Sprintf("%d-%d", c/2, i), "{}")
					if i == c%each {
						e.Queue = "no such queue"
						e.ExternalID += fmt.Sprintf("-bad-%d", c)
					}
					receipt, err := s.AddEvent(ctx, e)
					mu.Lock()
					if err != nil {
						bad++
					} else {
						receipts[receipt]++
					}
					mu.Unlock()
				}
			})
		}
		group.Wait()
		// The two callers of a pair skip different events, so two events of each pair come only once.
		accepted, repeated := callers/2*each, callers*each-callers-callers/2*each
		if bad != callers || receipts[models.Accepted] != accepted || receipts[models.Repeated] != repeated {
			t.Fatalf("%d refused, receipts %v; want %d refused, %d accepted, %d repeated", bad, receipts, callers, accepted, repeated)
		}
	})
}

// One batch may hold two bodies under one ID, and that of the stored row in either place.
func TestAddEventTwoBodiesInOneBatch(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for round := range 50 {
			id := fmt.Sprint(round)
			add(t, s, event(id, "stored"), models.Accepted)
			var group sync.WaitGroup
			for body, want := range map[string]models.Receipt{"stored": models.Repeated, "other": models.Conflicting, "third": models.Conflicting} {
				group.Go(func() {
					if got, err := s.AddEvent(ctx, event(id, body)); err != nil || got != want {
						t.Errorf("%s: %v %v, want %v", body, got, err, want)
					}
				})
			}
			group.Wait()
			events, err := s.Events(ctx, models.EventFilter{ExternalID: id, Status: models.Received}, models.Page{Limit: 9})
			if err != nil || len(events) != 1 || events[0].Deliveries != 2 {
				t.Fatalf("rows %v %v, want one of 2 deliveries", events, err)
			}
		}
	})
}

func TestAddEventGivesUp(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		// Which of the two the select takes is chance: what matters is that it returns, and says so if it did not store.
		if _, err := s.AddEvent(cancelled, event("a", "1")); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want context.Canceled", err)
		}
	})
}

// A 200 must mean that the commit is on disk, so both databases are told to sync each one.
func TestCommitsAreSynced(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		query, want := "PRAGMA synchronous", "2" // FULL
		if s.Dialect() == "postgres" {
			query, want = "SHOW synchronous_commit", "on"
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		var got string
		if err := s.DB().QueryRowContext(short, query).Scan(&got); err != nil || got != want {
			t.Fatalf("%s is %s %v, want %s", query, got, err, want)
		}
	})
}
