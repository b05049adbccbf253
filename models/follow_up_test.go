package models_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// A follow-up is recorded when the customer's status or hold has really changed, and for nothing else.
func TestFollowUpsFollowRealChanges(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		var changes []string
		note := func(c models.Change) []models.FollowUp {
			changes = append(changes, fmt.Sprintf("%s: %s %t, %s %t, revision %d",
				c.Event.ExternalID, c.Before.Status, c.Before.AMLHold, c.After.Status, c.After.AMLHold, c.After.Revision))
			return always("callback")(c)
		}
		screened := models.Facts{SubjectID: "p", Checks: []models.Check{{Kind: models.ScreeningCheck, CheckID: "c", Status: models.CheckHit}}}
		react(t, s, at(1, "created"), decided("p", models.ByProgress, models.StatusPending), models.Applied, note)
		react(t, s, at(2, "verified"), verdict("p", models.StatusVerified), models.Applied, note)
		react(t, s, at(3, "again"), verdict("p", models.StatusVerified), models.Applied, note)
		react(t, s, at(1, "late"), verdict("p", models.StatusFailed), models.Stale, note)
		react(t, s, at(4, "weaker"), decided("p", models.ByProgress, models.StatusInProgress), models.Applied, note)
		react(t, s, at(4, "ignored"), models.Facts{Ignored: "a test"}, models.Ignored, note)
		react(t, s, at(5, "hit"), screened, models.Applied, note)
		react(t, s, at(6, "case"), about("c", "p", models.CaseFacts{Status: "open"}), models.Applied, note)
		if diff := cmp.Diff([]string{
			"verified: pending false, verified false, revision 2", "hit: verified false, verified true, revision 6",
			"case: verified true, in_review true, revision 7",
		}, changes); diff != "" {
			t.Errorf("changes (-want +got)\n%s", diff)
		}
		var caused []int64
		for _, f := range followUps(t, s) {
			if f.Status != models.FollowUpWaiting || f.CustomerID != 1 {
				t.Errorf("follow-up %+v, want it waiting, for customer 1", f)
			}
			caused = append(caused, f.EventID)
		}
		if diff := cmp.Diff([]int64{8, 7, 2}, caused); diff != "" {
			t.Errorf("events with follow-ups (-want +got)\n%s", diff)
		}
	})
}

// Before a customer's first event there was none.
func TestFollowUpOfNewCustomer(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		var before []models.Customer
		note := func(c models.Change) []models.FollowUp {
			before = append(before, c.Before)
			return nil
		}
		react(t, s, at(1, "first"), verdict("p", models.StatusVerified), models.Applied, note)
		react(t, s, at(2, "second"), verdict("p", models.StatusFailed), models.Applied, note)
		if len(before) != 2 || before[0].ID != 0 || before[0].Status != models.StatusPending || before[1].ID != 1 {
			t.Errorf("before: %+v", before)
		}
	})
}

// Once means once for the customer, however often the status changes. One that was overtaken does not count.
func TestFollowUpOnce(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		minute := 0
		flap := func(subject string) {
			t.Helper()
			for _, status := range []models.Status{models.StatusVerified, models.StatusFailed} {
				minute++
				react(t, s, at(minute, fmt.Sprint(minute)), verdict(subject, status), models.Applied, func(c models.Change) []models.FollowUp {
					if c.After.Status != models.StatusVerified {
						return nil
					}
					return []models.FollowUp{{Name: "mail", Once: true, Queue: models.DefaultQueue}, {Name: "callback", Queue: models.DefaultQueue}}
				})
			}
		}
		recorded := func(want int) {
			t.Helper()
			mails, err := s.FollowUps(ctx, models.FollowUpFilter{Name: "mail", CustomerID: 1}, models.Page{Limit: 100})
			if err != nil || len(mails) != want {
				t.Fatalf("%d mails %v, want %d", len(mails), err, want)
			}
		}
		end := func(result models.FollowUpStatus) {
			t.Helper()
			o, _, err := s.Offer(ctx, models.FollowUpWork, models.DefaultQueue, 100, now)
			if err != nil {
				t.Fatal(err)
			}
			ups, err := s.ClaimFollowUps(ctx, o, now)
			for _, f := range ups {
				err = errors.Join(err, s.FinishFollowUp(ctx, f, result, "why", models.At(now)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		flap("p")
		flap("p")
		recorded(1)
		flap("another")
		end(models.FollowUpOvertaken)
		flap("p")
		recorded(2)
		end(models.FollowUpDone)
		flap("p")
		recorded(2)
		if got := len(followUps(t, s)); got != 3+5 { // the mails, and a callback each time
			t.Errorf("%d follow-ups, want 8", got)
		}
	})
}

// The key is the same when the same event is applied in a database that has lost it, whatever IDs that gives.
func TestFollowUpKey(t *testing.T) {
	var keys [][]string
	for _, before := range []int{0, 3} {
		t.Run(fmt.Sprint("after ", before, " others"), func(t *testing.T) {
			s := open(t, "sqlite:"+t.TempDir()+"/test.db")
			for i := range before {
				process(t, s, at(0, fmt.Sprint("other-", i)), verdict(fmt.Sprint("other-", i), models.StatusVerified), models.Applied)
			}
			both := func(c models.Change) []models.FollowUp { return append(always("mail")(c), always("callback")(c)...) }
			react(t, s, at(1, "a"), verdict("p", models.StatusVerified), models.Applied, both)
			react(t, s, at(2, "b"), verdict("p", models.StatusFailed), models.Applied, both)
			var got []string
			for _, f := range followUps(t, s) {
				got = append(got, f.Key)
			}
			keys = append(keys, got)
		})
	}
	if diff := cmp.Diff(keys[0], keys[1]); diff != "" {
		t.Errorf("keys (-first database +second)\n%s", diff)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(keys[0])))) != 4 {
		t.Errorf("keys %v, want four", keys[0])
	}
}

func TestReplayFollowUp(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		replay := func(want bool) {
			t.Helper()
			if got, err := s.ReplayFollowUp(ctx, 1, now); err != nil || got != want {
				t.Fatalf("replay: %v %v, want %v", got, err, want)
			}
		}
		c := chore{t, s, models.FollowUpWork}
		c.add("a")
		replay(false) // it is waiting anyway
		if err := c.retry(c.take(now), "no answer", time.Time{}); err != nil {
			t.Fatal(err)
		}
		replay(true)
		a := c.take(now)
		if a.number != 1 {
			t.Errorf("attempt %d, want the first", a.number)
		}
		if err := a.finish(); err != nil {
			t.Fatal(err)
		}
		if got := c.state(); got != "done" {
			t.Errorf("it is %q, want done", got)
		}
		replay(false)
		if _, err := s.ReplayFollowUp(ctx, 99, now); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("replay of an unknown follow-up: %v, want ErrNotFound", err)
		}
	})
}
