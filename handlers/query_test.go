package handlers

import (
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// TestBadParameters: a typo is an error, and never means "everything".
func TestBadParameters(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		for _, c := range []struct{ method, path, names string }{
			{"GET", "/api/events?limit=0", "limit"},
			{"GET", "/api/events?limit=501", "limit"},
			{"GET", "/api/events?limit=-1", "limit"},
			{"GET", "/api/events?limit=ten", "limit"},
			{"GET", "/api/events?cursor=17", "cursor"},
			{"GET", "/api/events?cursor=!!", "cursor"},
			{"GET", "/api/events?cursor=LTE", "cursor"}, // -1
			{"GET", "/api/events?status=done", "status"},
			{"GET", "/api/events?status=FAILED", "status"},
			{"GET", "/api/events?outcome=good", "outcome"},
			{"GET", "/api/events?customer_id=bob", "customer_id"},
			{"GET", "/api/events?customer_id=-1", "customer_id"},
			{"GET", "/api/events?state=failed", "state"},
			{"GET", "/api/events?Status=failed", "Status"},
			{"GET", "/api/events/x", "id"},
			{"GET", "/api/events/0", "id"},
			{"GET", "/api/events/-1", "id"},
			{"GET", "/api/events/99999999999999999999", "id"},
			{"POST", "/api/events/x/replay", "id"},
			{"POST", "/api/replay", "status=failed"},
			{"POST", "/api/replay?stat=failed", "stat"},
			{"POST", "/api/replay?status=bad", "status"},
			{"GET", "/api/customers?status=approved", "status"},
			{"GET", "/api/customers?aml_hold=maybe", "aml_hold"},
			{"GET", "/api/customers?name=x", "name"},
			{"GET", "/api/customers?limit=x", "limit"},
			{"GET", "/api/customers/x", "id"},
			{"GET", "/api/cases?status=open", "status"},
			{"GET", "/api/cases?limit=0", "limit"},
			{"GET", "/api/companies?status=verified", "status"},
			{"GET", "/api/companies?cursor=x", "cursor"},
			{"GET", "/api/follow_ups?status=sent", "status"},
			{"GET", "/api/follow_ups?event_id=0", "event_id"},
			{"GET", "/api/follow_ups?state=failed", "state"},
			{"POST", "/api/follow_ups/x/replay", "id"},
			{"POST", "/api/replay?status=failed&limit=0", "limit must be a number from 1 to 1000000000"},
			{"POST", "/api/replay?status=failed&rate=fast", "rate must be a number from 1 to 1000000"},
			{"POST", "/api/replay?status=failed&dry_run=yes", "dry_run"},
			{"POST", "/api/replay?status=", "status"},
		} {
			got := call[map[string]string](o, c.method, c.path, 400)
			if !strings.Contains(got["error"], c.names) {
				t.Errorf("%s %s: %v does not name %s", c.method, c.path, got, c.names)
			}
		}
		if n := o.wakes.Load(); n != 0 {
			t.Errorf("woke the relay %d times", n)
		}
	})
}

// TestFiltersAreNotDropped: a part of the query that is not understood must not widen what is selected.
func TestFiltersAreNotDropped(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		for _, path := range []string{
			"/api/replay?status=failed&cursor=1",                        // limit has no effect here
			"/api/replay?status=failed&cursor=MTA",                      // nor has cursor
			"/api/replay?provider=other&status=failed;outcome=applied",  // net/url drops a pair with a semicolon
			"/api/replay?provider=other&type=%zz",                       // and one with a bad escape
			"/api/replay?provider=other&status=failed&status=processed", // the second would be ignored
		} {
			call[map[string]any](o, "POST", path, 400)
		}
	})
}

// TestStrangeFilters: text that Postgres cannot hold is nobody's ID, and no failure of the database.
func TestStrangeFilters(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		for _, path := range []string{"/api/events?type=%00", "/api/events?external_id=%ff", "/api/customers?subject_id=a%00b", "/api/customers?external_id=%c3%28"} {
			if got := send(t, "GET", o.url+path, nil, nil); got.status != 200 && got.status != 400 {
				t.Errorf("%s: answered %d %s", path, got.status, got.body)
			}
		}
	})
}

func TestUnknownIDs(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		for path, method := range map[string]string{
			"/api/events/4711": "GET", "/api/events/9223372036854775807": "GET", "/api/customers/4711": "GET",
			"/api/events/4711/replay": "POST", "/api/follow_ups/4711/replay": "POST",
		} {
			send(t, method, o.url+path, nil, nil).want(t, 404, `{"error":"not found"}`)
		}
		if n := o.wakes.Load(); n != 0 {
			t.Errorf("woke the relay %d times", n)
		}
	})
}
