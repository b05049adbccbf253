package models_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// An event that comes again after its row is gone is recognised by its idempotency record.
func TestProcessedRecordOutlivesEvent(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		process(t, s, event("a", "1"), verdict("p", models.StatusVerified), models.Applied)
		other := event("b", "1")
		other.Problem = "it keeps its row"
		add(t, s, other, models.Accepted)
		execute(t, s, "DELETE FROM events WHERE external_id = 'a'")
		process(t, s, event("a", "1"), verdict("p", models.StatusVerified), models.Duplicate)
		if c := customer(t, s, "p"); c.Revision != 1 {
			t.Errorf("revision %d, want 1", c.Revision)
		}
		if e := list(t, s)[0]; e.Status != models.Processed || e.Outcome != models.Duplicate {
			t.Errorf("the event is %s %s, want processed, duplicate", e.Status, e.Outcome)
		}
	})
}

// A late event that says nothing newer is stale, and counts for the revision all the same.
func TestLateEventIsStale(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		process(t, s, at(5, "new"), verdict("p", models.StatusVerified), models.Applied)
		process(t, s, at(4, "old"), verdict("p", models.StatusFailed), models.Stale)
		process(t, s, at(6, "empty"), models.Facts{SubjectID: "p"}, models.Stale)
		process(t, s, at(5, "severe"), verdict("p", models.StatusFailed), models.Applied) // the same instant: the more severe one counts
		process(t, s, at(5, "later ID"), verdict("p", models.StatusFailed), models.Stale) // and then the greater ID, bytewise
		if c := customer(t, s, "p"); c.Status != models.StatusFailed || c.Revision != 5 {
			t.Errorf("customer is %s by %d events, want failed by 5", c.Status, c.Revision)
		}
	})
}

func about(caseID, subject string, c models.CaseFacts) models.Facts {
	c.CaseID = caseID
	return models.Facts{SubjectID: subject, Case: &c}
}

// A case may be known before its person. When it turns out to be another person's, both records follow.
func TestCaseMovesBetweenPeople(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		type state struct {
			Status   models.Status
			Revision int
		}
		check := func(want map[string]state) {
			t.Helper()
			got := map[string]state{}
			people, err := s.Customers(ctx, models.CustomerFilter{}, models.Page{Limit: 9})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range people {
				got[c.SubjectID] = state{c.Status, c.Revision}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
		process(t, s, at(1, "a"), about("c", "", models.CaseFacts{Status: "open"}), models.Applied)
		check(map[string]state{})
		process(t, s, at(2, "b"), about("c", "first", models.CaseFacts{}), models.Applied)
		check(map[string]state{"first": {models.StatusInReview, 2}})
		process(t, s, at(4, "c"), about("c", "second", models.CaseFacts{}), models.Applied)
		check(map[string]state{"first": {models.StatusPending, 1}, "second": {models.StatusInReview, 2}})
		process(t, s, at(3, "d"), about("c", "first", models.CaseFacts{}), models.Stale)
		check(map[string]state{"first": {models.StatusPending, 2}, "second": {models.StatusInReview, 2}})
		process(t, s, at(5, "e"), about("c", "", models.CaseFacts{Resolved: &models.CaseResolution{Action: models.StatusRejected}}), models.Applied)
		check(map[string]state{"first": {models.StatusPending, 2}, "second": {models.StatusRejected, 3}})
	})
}

// What cannot be applied as a whole leaves nothing behind: the event is as it was, and another attempt may come.
func TestApplyAllOrNothing(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("a", "1"), models.Accepted)
		e := only(t, claim(t, s, now))
		impossible := decided("p", models.ByManual, "no such status") // the schema refuses it
		impossible.Case = &models.CaseFacts{CaseID: "c", Opened: &models.Opening{}}
		if outcome, _, err := s.ApplyEvent(ctx, e, impossible, nothing, models.At(now)); err == nil {
			t.Fatalf("an impossible decision was %s, want an error", outcome)
		}
		panics := func(models.Change) []models.FollowUp { panic("a follow-up's condition") }
		if outcome, _, err := s.ApplyEvent(ctx, e, verdict("p", models.StatusVerified), panics, models.At(now)); err == nil {
			t.Fatalf("a panic was %s, want an error", outcome)
		}
		for _, table := range []string{"customers", "cases", "facts", "processed_events", "follow_ups"} {
			var n int
			if err := s.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows of %s %v, want none", n, table, err)
			}
		}
		apply(t, s, e, verdict("p", models.StatusVerified), models.Applied)
	})
}

// Transactions share commits on SQLite. One that fails fails alone, and takes no delivery with it.
func TestEventFailsAlone(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		const events = 80
		for i := range events {
			add(t, s, event(fmt.Sprint("old-", i), "{}"), models.Accepted)
		}
		var all sync.WaitGroup
		for _, e := range claim(t, s, now) {
			all.Go(func() {
				if bad := e.ID%5 == 0; bad {
					if outcome, _, err := s.ApplyEvent(ctx, e, verdict("p", "no such status"), nothing, models.At(now)); err == nil {
						t.Errorf("event %d was %s, want an error", e.ID, outcome)
					}
					return
				}
				apply(t, s, e, verdict(e.ExternalID, models.StatusVerified), models.Applied)
			})
			all.Go(func() { add(t, s, event("new-"+e.ExternalID, "{}"), models.Accepted) })
		}
		all.Wait()
		if st, err := s.Stats(ctx); err != nil || st.Events[models.Processed] != events*4/5 || st.Customers[models.StatusVerified] != events*4/5 {
			t.Errorf("%v %v, want %d processed", st, err, events*4/5)
		}
	})
}

// SQLite may end a whole transaction at an error, such as a full disk. Then nobody whose work was in it is told that it is stored.
func TestSharedCommitThatEndsEarly(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite:"+t.TempDir()+"/test.db")
	execute(t, s, "CREATE TRIGGER ends BEFORE INSERT ON events WHEN NEW.type = 'ends' BEGIN SELECT RAISE(ROLLBACK, 'refused'); END")
	for range 100 {
		add(t, s, event(fmt.Sprint(len(list(t, s))), "{}"), models.Accepted)
	}
	var all sync.WaitGroup
	for _, e := range claim(t, s, now) {
		all.Go(func() {
			outcome, _, err := s.ApplyEvent(ctx, e, verdict(e.ExternalID, models.StatusVerified), nothing, models.At(now))
			if got, getErr := s.Event(ctx, e.ID); getErr != nil || (got.Status == models.Processed) != (err == nil) {
				t.Errorf("event %d: told %q %v, stored as %s %v", e.ID, outcome, err, got.Status, getErr)
			}
		})
		all.Go(func() {
			bad := event("bad", "{}")
			bad.Type = "ends"
			if receipt, err := s.AddEvent(ctx, bad); err == nil {
				t.Errorf("a delivery that ends the transaction got %v", receipt)
			}
		})
	}
	all.Wait()
}

// Customers whom somebody else has locked delay their own events only.
func TestLockedCustomersDelayTheirOwnEvents(t *testing.T) {
	t.Parallel()
	s := open(t, testservers.DatabaseURL(t))
	const events, locked = 60, 6
	for i := range events {
		process(t, s, event(fmt.Sprint("old-", i), "{}"), verdict(fmt.Sprint(i), models.StatusPending), models.Applied)
	}
	for i := range events {
		add(t, s, at(1, fmt.Sprint(i)), models.Accepted)
	}
	other, err := s.DB().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(ctx, fmt.Sprintf("UPDATE customers SET updated_at = 1 WHERE id <= %d", locked)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	delayed := map[string]models.Event{}
	for _, e := range claim(t, s, now) {
		all.Go(func() {
			if _, _, err := s.ApplyEvent(ctx, e, verdict(e.ExternalID, models.StatusVerified), nothing, models.At(now)); err != nil {
				mu.Lock()
				delayed[e.ExternalID] = e
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	for i := range locked {
		e, ok := delayed[fmt.Sprint(i)]
		if !ok {
			t.Fatalf("delayed: %d events, want those of the %d who are locked", len(delayed), locked)
		}
		apply(t, s, e, verdict(e.ExternalID, models.StatusVerified), models.Applied)
	}
	if len(delayed) != locked {
		t.Errorf("%d events were delayed, want %d", len(delayed), locked)
	}
}

// A caller who does not wait any longer may find the event applied or not, but no half of it.
func TestCallerGivesUp(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for i := range 50 {
			add(t, s, event(fmt.Sprint(i), "{}"), models.Accepted)
		}
		impatient, cancel := context.WithCancel(ctx)
		defer cancel()
		var all sync.WaitGroup
		for i, e := range claim(t, s, now) {
			all.Go(func() {
				if i == 20 {
					cancel()
				}
				outcome, _, err := s.ApplyEvent(impatient, e, verdict(e.ExternalID, models.StatusVerified), always("mail"), models.At(now))
				if err == nil && outcome != models.Applied {
					t.Errorf("event %d: %q without an error", e.ID, outcome)
				}
			})
			all.Go(func() { _, _ = s.AddEvent(impatient, event("new-"+e.ExternalID, "{}")) })
			all.Go(func() { _, _ = s.ReplayFollowUp(impatient, e.ID, now) })
			all.Go(func() { _, _ = s.ReplayEvent(impatient, e.ID, now) })
		}
		all.Wait()
		st, err := s.Stats(ctx)
		if err != nil || st.Events[models.Processed] != st.Customers[models.StatusVerified] || st.FollowUps[models.FollowUpWaiting] != st.Customers[models.StatusVerified] {
			t.Errorf("%v %v, want as many customers and follow-ups as processed events", st, err)
		}
	})
}

func TestManyFactsInOneEvent(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		facts := models.Facts{SubjectID: "p", Checks: []models.Check{{Kind: models.ScreeningCheck, CheckID: "c", Status: models.CheckHit}}}
		for i := range 4096 {
			facts.Hits = append(facts.Hits, models.Hit{HitID: fmt.Sprint(i), Kind: models.HitKind, CheckIDs: []string{"c"}, Name: strings.Repeat("n", 50)})
		}
		process(t, s, event("a", "1"), facts, models.Applied)
		c := customer(t, s, "p")
		_, known, err := s.Customer(ctx, c.ID)
		if err != nil || !c.AMLHold || len(known.Hits) != 4096 {
			t.Errorf("hold %v with %d hits %v, want one with 4,096", c.AMLHold, len(known.Hits), err)
		}
	})
}

// Of two facts of one event that are the same except for the verdict, the more severe one counts.
func TestSameFactTwiceInOneEvent(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		both := verdict("p", models.StatusVerified)
		both.Decisions = append(both.Decisions, verdict("p", models.StatusFailed).Decisions[0], verdict("p", models.StatusInProgress).Decisions[0])
		process(t, s, event("a", "1"), both, models.Applied)
		if c := customer(t, s, "p"); c.Status != models.StatusFailed {
			t.Errorf("customer is %s, want failed", c.Status)
		}
	})
}
