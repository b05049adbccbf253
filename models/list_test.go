package models_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// ids lists row IDs.
func ids[T any](rows []T, id func(T) int64) []int64 {
	found := []int64{}
	for _, r := range rows {
		found = append(found, id(r))
	}
	return found
}

func TestEventFilters(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		other := func(e models.Event, provider, eventType string) models.Event {
			e.Provider, e.Type = provider, eventType
			return e
		}
		process(t, s, at(1, "1"), verdict("p", models.StatusVerified), models.Applied)
		process(t, s, other(at(2, "2"), "umbrella", "x"), verdict("q", models.StatusFailed), models.Applied)
		process(t, s, at(0, "3"), verdict("p", models.StatusFailed), models.Stale)
		process(t, s, at(0, "4"), models.Facts{Ignored: "a test"}, models.Ignored)
		process(t, s, at(3, "5"), about("c", "", models.CaseFacts{Status: "open"}), models.Applied)
		process(t, s, at(4, "6"), about("c", "p", models.CaseFacts{}), models.Applied)
		add(t, s, at(0, "7"), models.Accepted)
		fail(t, s)
		add(t, s, event("8", "{}"), models.Accepted)
		add(t, s, event("8", "another"), models.Conflicting)
		add(t, s, other(event("9", "{}"), "umbrella", "x"), models.Accepted)
		claim(t, s, now)
		add(t, s, event("10", "{}"), models.Accepted)
		for _, test := range []struct {
			filter models.EventFilter
			want   string // external IDs
		}{
			{models.EventFilter{}, "10 9 8 8 7 6 5 4 3 2 1"},
			{models.EventFilter{Provider: "umbrella"}, "9 2"},
			{models.EventFilter{Type: "x"}, "9 2"},
			{models.EventFilter{Provider: "acme", Type: "x"}, ""},
			{models.EventFilter{ExternalID: "8"}, "8 8"},
			{models.EventFilter{ExternalID: "3"}, "3"},
			{models.EventFilter{Status: models.Queued}, "9 8"},
			{models.EventFilter{Status: models.Received}, "10"},
			{models.EventFilter{Status: models.Failed}, "7"},
			{models.EventFilter{Status: models.Quarantined}, "8"},
			{models.EventFilter{Status: models.Processed}, "6 5 4 3 2 1"},
			{models.EventFilter{Status: models.Processed, Provider: "umbrella"}, "2"},
			{models.EventFilter{Outcome: models.Stale}, "3"},
			{models.EventFilter{Outcome: models.Ignored}, "4"},
			{models.EventFilter{CustomerID: 1}, "6 5 3 1"}, // with those of their case
			{models.EventFilter{CustomerID: 1, Outcome: models.Applied}, "6 5 1"},
			{models.EventFilter{CustomerID: 1, Status: models.Failed}, ""},
		} {
			var paged []string
			for before := int64(0); ; {
				page, err := s.Events(ctx, test.filter, models.Page{Limit: 2, Before: before})
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				for _, e := range page {
					paged, before = append(paged, e.ExternalID), e.ID
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(paged, " ")); diff != "" {
				t.Errorf("%+v, two a page (-want +got)\n%s", test.filter, diff)
			}
		}
		if _, err := s.Event(ctx, 99); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("an unknown event: %v, want ErrNotFound", err)
		}
		if at, err := s.LastEvent(ctx, "umbrella"); err != nil || !at.Equal(now) {
			t.Errorf("last event at %s %v, want %s", at, err, now)
		}
	})
}

func TestCustomerFilters(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for i, status := range []models.Status{models.StatusVerified, models.StatusFailed, models.StatusVerified} {
			f := verdict(fmt.Sprint("p", i+1), status)
			f.Profile = models.Profile{models.ExternalID: fmt.Sprint("user-", i/2)}
			if i == 1 {
				f.Hits = []models.Hit{{HitID: "a", Kind: models.AlertKind}}
			}
			process(t, s, event(fmt.Sprint(i), "{}"), f, models.Applied)
		}
		yes, no := true, false
		for _, test := range []struct {
			filter models.CustomerFilter
			page   models.Page
			want   []int64
		}{
			{models.CustomerFilter{}, models.Page{Limit: 2}, []int64{3, 2}},
			{models.CustomerFilter{}, models.Page{Limit: 2, Before: 2}, []int64{1}},
			{models.CustomerFilter{Provider: "acme", SubjectID: "p2"}, models.Page{Limit: 9}, []int64{2}},
			{models.CustomerFilter{Provider: "umbrella"}, models.Page{Limit: 9}, []int64{}},
			{models.CustomerFilter{ExternalID: "user-0"}, models.Page{Limit: 9}, []int64{2, 1}},
			{models.CustomerFilter{Status: models.StatusVerified}, models.Page{Limit: 9}, []int64{3, 1}},
			{models.CustomerFilter{AMLHold: &yes}, models.Page{Limit: 9}, []int64{2}},
			{models.CustomerFilter{AMLHold: &no, Status: models.StatusFailed}, models.Page{Limit: 9}, []int64{}},
		} {
			got, err := s.Customers(ctx, test.filter, test.page)
			if diff := cmp.Diff(test.want, ids(got, func(c models.Customer) int64 { return c.ID })); diff != "" || err != nil {
				t.Errorf("%+v: %v (-want +got)\n%s", test.filter, err, diff)
			}
		}
		if _, _, err := s.Customer(ctx, 99); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("an unknown customer: %v, want ErrNotFound", err)
		}
	})
}

func TestFollowUpFiltersAndStats(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for i, result := range models.FollowUpStatuses { // one follow-up of each: their IDs are in that order
			id := fmt.Sprint(i)
			react(t, s, event(id, "{}"), verdict(id, models.StatusVerified), models.Applied, always("mail-"+id))
			if result == models.FollowUpWaiting {
				continue
			}
			o, _, err := s.Offer(ctx, models.FollowUpWork, models.DefaultQueue, 9, now.Add(models.ClaimTimeout*time.Duration(i)))
			if err != nil {
				t.Fatal(err)
			}
			ups, err := s.ClaimFollowUps(ctx, o, now)
			if err != nil {
				t.Fatal(err)
			}
			f := ups[len(ups)-1]
			if result == models.FollowUpFailed {
				err = s.Retry(ctx, models.FollowUpWork, f.ID, f.Attempts, errors.New("no answer"), time.Time{})
			} else {
				err = s.FinishFollowUp(ctx, f, result, "why", models.At(now))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		filters := map[models.FollowUpFilter][]int64{
			{}: {5, 4, 3, 2, 1}, {Name: "mail-2"}: {3}, {CustomerID: 4}: {4}, {EventID: 2}: {2}, {Name: "mail-2", Status: models.FollowUpDone}: {},
		}
		for i, status := range models.FollowUpStatuses {
			filters[models.FollowUpFilter{Status: status}] = []int64{int64(i + 1)}
		}
		for filter, want := range filters {
			got, err := s.FollowUps(ctx, filter, models.Page{Limit: 9})
			if diff := cmp.Diff(want, ids(got, func(f models.FollowUp) int64 { return f.ID })); diff != "" || err != nil {
				t.Errorf("%+v: %v (-want +got)\n%s", filter, err, diff)
			}
		}
		if page, err := s.FollowUps(ctx, models.FollowUpFilter{}, models.Page{Limit: 2, Before: 4}); err != nil || len(page) != 2 || page[0].ID != 3 {
			t.Errorf("a page %+v %v, want follow-ups 3 and 2", page, err)
		}

		add(t, s, event("waits", "{}"), models.Accepted)
		for n := range 2 {
			drift := models.Drift{Provider: "acme", Generation: "v1", Type: "x", What: "new field", Count: 3, FirstAt: models.At(now), LastAt: models.At(now.Add(time.Duration(n)))}
			if err := s.AddDrift(ctx, []models.Drift{drift}); err != nil {
				t.Fatal(err)
			}
		}
		want := models.Stats{
			Events:    map[models.EventStatus]int64{models.Received: 1, models.Queued: 0, models.Processed: 5, models.Failed: 0, models.Quarantined: 0},
			Customers: map[models.Status]int64{models.StatusVerified: 5},
			FollowUps: map[models.FollowUpStatus]int64{}, OldestWaiting: models.At(now),
			Drift: []models.Drift{{Provider: "acme", Generation: "v1", Type: "x", What: "new field", Count: 6, FirstAt: models.At(now), LastAt: models.At(now)}},
		}
		for _, status := range models.Statuses {
			want.Customers[status] += 0
		}
		for _, status := range models.FollowUpStatuses {
			want.FollowUps[status] = 1
		}
		got, err := s.Stats(ctx)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("stats: %v (-want +got)\n%s", err, diff)
		}
	})
}
