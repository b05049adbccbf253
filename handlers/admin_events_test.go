package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

func TestListEvents(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		if got := send(t, "GET", o.url+"/api/events", nil, nil); got.body != `{"events":[],"next_cursor":""}` {
			t.Errorf("nothing: %s", got.body)
		}
		o.fill()
		bob := call[customerList](o, "GET", "/api/customers?subject_id=bob", 200).Customers[0].ID
		for query, want := range map[string][]string{
			"":                                 {"waiting", "approved", "failed", "ignored", "case", "hit", "approved"},
			"provider=trst":                    {"waiting", "failed", "ignored"},
			"provider=acme":                    nil,
			"type=applicant.reviewed":          {"approved", "approved"},
			"external_id=hit":                  {"hit"},
			"status=received":                  {"waiting"},
			"status=failed":                    {"failed"},
			"status=quarantined":               {"approved"},
			"outcome=applied":                  {"case", "hit", "approved"},
			"outcome=ignored":                  {"ignored"},
			"outcome=sandbox":                  nil,
			"provider=trst&status=processed":   {"ignored"},
			"limit=2":                          {"waiting", "approved"},
			"limit=500":                        {"waiting", "approved", "failed", "ignored", "case", "hit", "approved"},
			fmt.Sprintf("customer_id=%d", bob): {"case", "hit"}, // with the events of the person's cases
			"customer_id=9223372036854775807":  nil,
			"provider=trustgate&type=x%27+OR+1%3D1--": nil,
		} {
			if got := call[eventList](o, "GET", "/api/events?"+query, 200).ids(); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
	})
}

func TestEventPaging(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		all := call[eventList](o, "GET", "/api/events?provider=trustgate", 200)
		for limit := 1; limit <= len(all.Events)+1; limit++ {
			var got []string
			next, pages := "", 0
			for ; pages == 0 || next != "" && pages < 10; pages++ {
				page := call[eventList](o, "GET", fmt.Sprintf("/api/events?provider=trustgate&limit=%d&cursor=%s", limit, next), 200)
				got, next = append(got, page.ids()...), page.Next
				if pages == 0 { // what comes in meanwhile is newer, and moves nothing
					o.add(models.Event{Provider: "trustgate", ExternalID: fmt.Sprint("new", limit), Status: models.Failed})
				}
			}
			if !slices.Equal(got[len(got)-len(all.Events):], all.ids()) || next != "" {
				t.Errorf("limit %d: %v in %d pages, want %v at the end", limit, got, pages, all.ids())
			}
		}
	})
}

func TestEventDocument(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		ids := o.fill()
		var event map[string]json.RawMessage
		event = call[map[string]json.RawMessage](o, "GET", fmt.Sprint("/api/events/", ids["approved"]), 200)
		for name, want := range map[string]string{
			"id": fmt.Sprint(ids["approved"]), "provider": `"trustgate"`, "generation": `"v1"`, "external_id": `"approved"`,
			"type": `"applicant.reviewed"`, "status": `"processed"`, "outcome": `"applied"`, "attempts": "1", "deliveries": "1",
			"error": `""`, "occurred_at": `"2026-02-04T12:00:00Z"`, "received_at": `"2026-02-04T12:00:01Z"`,
			"processed_at": `"2026-02-04T12:01:00Z"`, "payload": `{"id":"approved"}`,
		} {
			if got := string(event[name]); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		event = call[map[string]json.RawMessage](o, "GET", fmt.Sprint("/api/events/", ids["waiting"]), 200)
		for _, name := range []string{"processed_at", "customer_id"} {
			if got := string(event[name]); got != "null" {
				t.Errorf("%s is %s, want null", name, got)
			}
		}
	})
}

// TestEventBody: the payload as JSON or, where it is none, the bytes. Neither may spoil the answer.
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
		t.Run(c.name, func(t *testing.T) {
			o := &office{t, o.store, o.rejections, o.uses, o.wakes, o.url}
			o.add(models.Event{Provider: "trst", ExternalID: fmt.Sprint(i), Body: []byte(c.body), Status: models.Failed})
			id := call[eventList](o, "GET", "/api/events?limit=1", 200).Events[0].ID
			got := call[struct {
				Payload json.RawMessage
				Base64  *string `json:"body_base64"`
			}](o, "GET", fmt.Sprint("/api/events/", id), 200)
			raw := send(t, "GET", fmt.Sprintf("%s/api/events/%d/body", o.url, id), nil, nil)
			if raw.status != 200 || raw.body != c.body {
				t.Errorf("body %.40q, want the bytes as they came", raw.body)
			}
			if c.isJSON {
				var want, payload bytes.Buffer
				if err := json.Compact(&want, []byte(c.body)); err != nil {
					t.Fatal(err)
				}
				json.HTMLEscape(&payload, want.Bytes()) // gin escapes < > & so that no browser takes them for HTML
				if string(got.Payload) != payload.String() || got.Base64 != nil {
					t.Errorf("payload %s, want %s", got.Payload, &payload)
				}
				return
			}
			if got.Base64 == nil || *got.Base64 != base64.StdEncoding.EncodeToString([]byte(c.body)) || got.Payload != nil {
				t.Errorf("payload %.40q, want the bytes in body_base64", got.Payload)
			}
		})
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
			"failed":      {1, models.Received},
			"ignored":     {1, models.Received},
			"approved":    {0, models.Processed},
			"quarantined": {0, models.Quarantined},
			"waiting":     {0, models.Received},
		} {
			path := fmt.Sprint("/api/events/", ids[name])
			before := call[models.Event](o, "GET", path, 200)
			if got := call[map[string]int](o, "POST", path+"/replay", 202); got["replayed"] != want.replayed || len(got) != 1 {
				t.Errorf("%s: %v", name, got)
			}
			after := call[models.Event](o, "GET", path, 200)
			if after.Status != want.status || want.replayed == 0 && after.Outcome != before.Outcome || want.replayed == 1 && after.Attempts != 0 {
				t.Errorf("%s: %+v", name, after)
			}
		}
		if o.wakes.Load() == 0 {
			t.Error("the relay was not woken")
		}
		if events := call[eventList](o, "GET", "/api/events?outcome=applied", 200).Events; len(events) != 3 {
			t.Errorf("%d applied events are left", len(events))
		}
	})
}

func TestReplayByFilter(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		o.add(models.Event{Provider: "legaltalent", ExternalID: "failed, too", Status: models.Failed})
		for _, c := range []struct {
			query string
			want  int
		}{
			{"status=failed&provider=trst", 1},
			{"status=failed&provider=trst", 0}, // it is under way now
			{"status=failed", 1},
			{"outcome=applied", 0},
			{"provider=trst", 1}, // the ignored one
		} {
			if got := call[map[string]int](o, "POST", "/api/replay?"+c.query, 202); got["replayed"] != c.want {
				t.Errorf("%s: %v, want %d", c.query, got, c.want)
			}
		}
	})
}

// A replay may be tried out first, be given to few, and be slow.
func TestReplayPace(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	for i := range 5 {
		o.add(models.Event{Provider: "trst", ExternalID: fmt.Sprint(i), Status: models.Failed})
	}
	for _, c := range []struct {
		query, field string
		status, want int
	}{
		{"&dry_run=true", "would_replay", 200, 5},
		{"&dry_run=true&limit=2", "would_replay", 200, 2},
		{"&dry_run=false&limit=2&rate=1", "replayed", 202, 2},
		{"&dry_run=true", "would_replay", 200, 3},
	} {
		got := call[map[string]int](o, "POST", "/api/replay?status=failed"+c.query, c.status)
		if n, answered := got[c.field]; !answered || n != c.want || len(got) != 1 {
			t.Errorf("%s: %v, want %s %d", c.query, got, c.field, c.want)
		}
	}
	if events := call[eventList](o, "GET", "/api/events?status=received", 200).Events; len(events) != 2 {
		t.Errorf("%v are to be worked on, want the two oldest", events)
	}
	for query, want := range map[string]string{
		"&limit=0": "limit must be a number from 1 to 1000000000", "&rate=fast": "rate must be a number from 1 to 1000000",
		"&dry_run=yes": `dry_run is "yes"; it can be [true false]`,
	} {
		if got := call[map[string]string](o, "POST", "/api/replay?status=failed"+query, 400); got["error"] != want {
			t.Errorf("%s: %q, want %q", query, got["error"], want)
		}
	}
}
