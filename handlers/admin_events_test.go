package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestListEvents(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		send(t, "GET", o.url+"/api/events", nil, nil).want(t, 200, `{"events":[],"next_cursor":""}`)
		o.fill()
		bob := call[customerList](o, "GET", "/api/customers?subject_id=bob", 200).Customers[0].ID
		for query, want := range map[string][]string{
			"":                                   {"waiting", "approved", "failed", "ignored", "case", "hit", "approved"},
			"provider=other":                     {"waiting", "failed", "ignored"},
			"provider=nobody":                    nil,
			"provider=acme&type=person.reviewed": {"approved", "approved"},
			"external_id=hit":                    {"hit"},
			"status=received":                    {"waiting"},
			"status=failed":                      {"failed"},
			"status=quarantined":                 {"approved"},
			"outcome=applied":                    {"case", "hit", "approved"},
			"outcome=ignored":                    {"ignored"},
			"outcome=sandbox":                    nil,
			"provider=other&status=processed":    {"ignored"},
			"limit=2":                            {"waiting", "approved"},
			"limit=500":                          {"waiting", "approved", "failed", "ignored", "case", "hit", "approved"},
			fmt.Sprintf("customer_id=%d", bob):   {"case", "hit"}, // with the events of the person's cases
			"customer_id=9223372036854775807":    nil,
			"provider=acme&type=x%27+OR+1%3D1--": nil,
		} {
			if diff := cmp.Diff(want, call[eventList](o, "GET", "/api/events?"+query, 200).ids()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	})
}

// TestPaging: whatever the limit, the pages together list every row once, even if new rows arrive meanwhile.
func TestPaging(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		all := call[eventList](o, "GET", "/api/events", 200)
		for limit := 1; limit <= len(all.Events)+1; limit++ {
			var got []string
			next, pages := "", 0
			for ; pages == 0 || next != "" && pages < 20; pages++ {
				page := call[eventList](o, "GET", fmt.Sprintf("/api/events?limit=%d&cursor=%s", limit, next), 200)
				got, next = append(got, page.ids()...), page.Next
				if pages == 0 {
					o.add(models.Event{Provider: "other", ExternalID: fmt.Sprint("new", limit), Problem: "x"})
				}
			}
			if diff := cmp.Diff(all.ids(), got[max(0, len(got)-len(all.Events)):]); diff != "" || next != "" {
				t.Errorf("limit %d, %d pages (-want +got):\n%s", limit, pages, diff)
			}
		}
	})
}

func TestEventDocument(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		ids := o.fill()
		for event, members := range map[string]map[string]string{
			"approved": {
				"id": fmt.Sprint(ids["approved"]), "provider": `"acme"`, "generation": `"v1"`, "external_id": `"approved"`, "type": `"person.reviewed"`,
				"status": `"processed"`, "outcome": `"applied"`, "attempts": "1", "deliveries": "2", "error": `""`, "occurred_at": `"2026-02-04T12:00:00Z"`,
				"received_at": `"2026-02-04T12:00:01Z"`, "processed_at": `"2026-02-04T12:01:00Z"`, "payload": `{"id":"approved"}`,
			},
			"waiting": {"processed_at": "null", "customer_id": "null"},
			"failed":  {"error": `"unreadable body"`},
			"ignored": {"reason": `"a test of the connection"`},
		} {
			document := call[map[string]json.RawMessage](o, "GET", fmt.Sprint("/api/events/", ids[event]), 200)
			for name, want := range members {
				if got := string(document[name]); got != want {
					t.Errorf("%s: %s is %s, want %s", event, name, got, want)
				}
			}
		}
	})
}

// TestEventBody: the answer has the payload as JSON or, if it is not JSON, as base64. In both cases the answer is valid JSON.
func TestEventBody(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	for i, c := range []struct {
		name, body string
		isJSON     bool
	}{
		{"JSON", `{"big":12345678901234567890.10,"a":"é<>&"}`, true},
		{"JSON with spaces", " {\n \"a\": 1\r\n} ", true},
		{"array", `[1]`, true},
		{"text", "hello", false},
		{"zeros", "\x00\x01\x02", false},
		{"invalid UTF-8 in JSON", "{\"name\":\"\xff\xfe\"}", false},
		{"too deep for JSON", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), false},
		{"empty", "", false},
	} {
		o.add(models.Event{Provider: "acme", ExternalID: fmt.Sprint(i), Body: []byte(c.body), Problem: "x"})
		id := call[eventList](o, "GET", "/api/events?limit=1", 200).Events[0].ID
		got := call[struct {
			Payload json.RawMessage
			Base64  *string `json:"body_base64"`
		}](o, "GET", fmt.Sprint("/api/events/", id), 200)
		send(t, "GET", fmt.Sprintf("%s/api/events/%d/body", o.url, id), nil, nil).want(t, 200, c.body)
		if c.isJSON {
			var want, payload bytes.Buffer
			if err := json.Compact(&want, []byte(c.body)); err != nil {
				t.Fatal(err)
			}
			json.HTMLEscape(&payload, want.Bytes()) // < > & are escaped, so that no browser takes them for HTML
			if string(got.Payload) != payload.String() || got.Base64 != nil {
				t.Errorf("%s: payload %s, want %s", c.name, got.Payload, &payload)
			}
		} else if got.Base64 == nil || *got.Base64 != base64.StdEncoding.EncodeToString([]byte(c.body)) || got.Payload != nil {
			t.Errorf("%s: payload %.40q, want the bytes in body_base64", c.name, got.Payload)
		}
	}
}

func TestReplayEvent(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		ids := o.fill()
		for name, want := range map[string]struct {
			replayed int
			status   models.EventStatus
		}{
			"ignored":     {1, models.Received},
			"approved":    {0, models.Processed},
			"quarantined": {0, models.Quarantined},
			"waiting":     {0, models.Received},
		} {
			path := fmt.Sprint("/api/events/", ids[name])
			if got := call[map[string]int](o, "POST", path+"/replay", 202); got["replayed"] != want.replayed || len(got) != 1 {
				t.Errorf("%s: %v", name, got)
			}
			if after := call[models.Event](o, "GET", path, 200); after.Status != want.status {
				t.Errorf("%s: %+v", name, after)
			}
		}
		if o.wakes.Load() == 0 {
			t.Error("the relay was not woken")
		}
	})
}

// TestReplayByFilter: a replay can be a dry run, and can have a limit and a rate.
func TestReplayByFilter(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		for i := range 4 {
			o.process(models.Event{Provider: "acme", ExternalID: fmt.Sprint(i)}, models.Facts{Ignored: "x"})
		}
		o.process(models.Event{Provider: "other", ExternalID: "applied"}, models.Facts{SubjectID: "ann", Profile: models.Profile{models.FirstName: "Ann"}})
		o.add(models.Event{Provider: "other", ExternalID: "waiting"})
		o.add(models.Event{Provider: "other", ExternalID: "failed", Problem: "x"})
		for _, c := range []struct {
			query, field string
			status, want int
		}{
			{"provider=acme&dry_run=true", "would_replay", 200, 4},
			{"provider=acme&dry_run=true&limit=2", "would_replay", 200, 2},
			{"provider=acme&dry_run=false&limit=3&rate=1", "replayed", 202, 3},
			{"provider=acme&outcome=ignored", "replayed", 202, 1},
			{"provider=acme&outcome=ignored", "replayed", 202, 0}, // they are waiting already
			{"outcome=applied", "replayed", 202, 0},
			{"provider=other&dry_run=true", "would_replay", 200, 1}, // the failed one
		} {
			got := call[map[string]int](o, "POST", "/api/replay?"+c.query, c.status)
			if n, answered := got[c.field]; !answered || n != c.want || len(got) != 1 {
				t.Errorf("%s: %v, want %s %d", c.query, got, c.field, c.want)
			}
		}
	})
}
