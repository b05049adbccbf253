package models_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// TestEventsByTime finds the events of a time by their IDs: there is no index on the time.
func TestEventsByTime(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		minute := func(n int) models.Time { return models.At(now.Add(time.Duration(n) * time.Minute)) }
		for n := range 9 {
			e := event(fmt.Sprint(n), "{}")
			e.ReceivedAt = minute(n / 2 * 2) // two in each second minute
			add(t, s, e, models.Accepted)
		}
		for _, test := range []struct {
			since, until models.Time
			want         string
		}{
			{models.Time{}, models.Time{}, "876543210"}, {minute(4), models.Time{}, "87654"}, {minute(3), models.Time{}, "87654"}, {minute(9), models.Time{}, ""},
			{models.Time{}, minute(4), "3210"}, {minute(2), minute(6), "5432"}, {minute(6), minute(2), ""}, {minute(-9), minute(0), ""},
		} {
			for _, f := range []models.EventFilter{{}, {Provider: "acme"}} {
				f.Since, f.Until = test.since, test.until
				events, err := s.Events(ctx, f, models.Page{Limit: 100})
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				for _, e := range events {
					got += e.ExternalID
				}
				if got != test.want {
					t.Errorf("%+v: events %q, want %q", f, got, test.want)
				}
			}
		}
		claimed := claim(t, s, now.Add(time.Hour))
		for _, e := range claimed {
			if err := s.Retry(ctx, models.EventWork, e.ID, e.Attempts, errors.New("no"), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		f := models.EventFilter{Status: models.Failed, Since: minute(4), Until: minute(7)}
		would, err1 := s.CountReplayable(ctx, f, models.Pace{})
		did, err2 := s.ReplayEvents(ctx, f, models.Pace{}, now)
		if err := errors.Join(err1, err2); err != nil || would != 4 || did != 4 {
			t.Errorf("replay of a time: %d, announced %d, %v; want 4", did, would, err)
		}
	})
}

// TestFailedAttempts: an attempt that failed is kept with its time and error, one whose claim was lost is not.
func TestFailedAttempts(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		add(t, s, event("e", "{}"), models.Accepted)
		e := only(t, claim(t, s, now))
		if err := s.Retry(ctx, models.EventWork, e.ID, e.Attempts+1, errors.New("late"), now); !errors.Is(err, models.ErrClaimLost) {
			t.Errorf("retry without a claim: %v", err)
		}
		if err := s.Retry(ctx, models.EventWork, e.ID, e.Attempts, errors.New("no"), now); err != nil {
			t.Fatal(err)
		}
		list, err := s.FailedAttempts(ctx, e.ID)
		if err != nil || len(list) != 1 || list[0].Attempt != 1 || list[0].Error != "no" || !list[0].BeganAt.Equal(models.At(now).Time) {
			t.Errorf("failed attempts %+v, %v", list, err)
		}
	})
}

// TestChangesBy finds what an event did to a customer, and the customer's other events.
func TestChangesBy(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		first := react(t, s, at(0, "1"), verdict("p", models.StatusVerified), models.Applied, always("mail"))
		second := react(t, s, at(1, "2"), verdict("p", models.StatusVerified), models.Applied, always("mail"))
		third := react(t, s, at(2, "3"), verdict("p", models.StatusFailed), models.Applied, always("mail"))
		fourth := process(t, s, at(3, "4"), about("c", "p", models.CaseFacts{Status: "open"}), models.Applied)
		fifth := process(t, s, at(4, "5"), about("c", "", models.CaseFacts{Status: "closed"}), models.Applied) // names only the case
		var got []string
		for _, e := range []models.Event{first, second, third, fourth, fifth} {
			changes, err1 := s.ChangesBy(ctx, e.ID)
			previous, next, err2 := s.Neighbours(ctx, 1, e.ID)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%d %d", previous, next)
			for _, c := range changes {
				line += fmt.Sprintf(" %s to %s", c.Before.Status, c.After.Status)
			}
			got = append(got, line)
		}
		if diff := cmp.Diff([]string{"0 2 pending to verified", "1 3", "2 4 verified to failed", "3 5", "4 0"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestLoad(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		if l, err := s.Load(ctx, now); err != nil || l.Events != 0 || len(l.Minutes) != 0 {
			t.Errorf("load of an empty database: %+v %v", l, err)
		}
		old := event("old", "{}")
		old.ReceivedAt = models.At(now.Add(-2 * time.Hour))
		add(t, s, old, models.Accepted)
		fail(t, s)
		hit := verdict("p", models.StatusVerified)
		hit.Hits = []models.Hit{{HitID: "a", Kind: models.AlertKind}}
		react(t, s, at(0, "1"), hit, models.Applied, always("mail"))
		process(t, s, at(0, "2"), models.Facts{Ignored: "a test"}, models.Ignored)
		add(t, s, event("3", "{}"), models.Accepted)
		l, err := s.Load(ctx, now.Add(30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		l.Latency = nil
		want := models.Load{
			Minutes: []models.Minute{{At: models.At(now), Counts: map[string]int64{"applied": 1, "ignored": 1, "queued": 1}}},
			Since:   models.At(now.Add(30*time.Second - time.Hour)), Customers: l.Customers, OnHold: 1, Events: 4,
			Unfinished: models.Unfinished{Waiting: 1, Oldest: models.At(now), Failed: 1, WaitingFollowUps: 1},
		}
		if diff := cmp.Diff(want, l); diff != "" || l.Customers[models.StatusVerified] != 1 {
			t.Errorf("(-want +got)\n%s\ncustomers %v", diff, l.Customers)
		}
		backlogs, err := s.Backlogs(ctx)
		if err != nil || len(backlogs) != 2 || backlogs[0].Waiting != 1 || backlogs[1].Waiting != 1 {
			t.Errorf("backlogs %+v %v, want one event and one follow-up", backlogs, err)
		}
	})
}
