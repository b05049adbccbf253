package subscriptions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The answer of https://docs.trstinc.ca/webhooks.
const trstCreated = `{"id":"webhook_abc123","url":"https://your-app.com/webhooks/trst","secret":"whsec_a1b2c3d4e5f6",
	"event_types":["enrollment.completed","demo.scan.success"],"enabled":true,"created_at":"2024-11-02T15:00:00Z"}`

var trstSubscription = Subscription{
	Provider: "trst", ID: "webhook_abc123", URL: "https://your-app.com/webhooks/trst", Target: "https://your-app.com/webhooks/trst", Secret: "whsec_a1b2c3d4e5f6",
	Events: []string{"enrollment.completed", "demo.scan.success"}, Active: new(true), Created: "2024-11-02T15:00:00Z",
}

func trstAt(d *double) Provider {
	return newTRST(TRSTConfig{d.URL + "/v1", keyID, apiKey, "proj_7k2m"})
}

const (
	trstBase = "/v1/project/proj_7k2m/webhooks"
	trstAbc  = trstBase + "/webhook_abc123"
)

func TestTRST(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	p := trstAt(d)
	d.on("GET "+trstBase, answer{body: "[]"})
	d.on("POST "+trstBase, answer{status: 201, body: trstCreated})
	d.on("PATCH "+trstAbc, answer{body: strings.Replace(trstCreated, `"enabled":true`, `"enabled":false`, 1)})
	d.on("DELETE "+trstAbc, answer{status: 204})
	d.on("POST "+trstAbc+"/test", answer{status: 202, body: "sent"})
	d.on("GET "+trstAbc+"/deliveries", answer{body: `{"deliveries":[{"id":"d1","event_id":"e1","status":"failed","payload":{"name":"x"}},{"id":7,"status":200},{}]}`})

	made, err := p.Create(t.Context(), Wanted{URL: "https://your-app.com/webhooks/trst"})
	if diff := cmp.Diff(trstSubscription, made); err != nil || diff != "" {
		t.Errorf("create: %v (-want +got):\n%s", err, diff)
	}
	changed, err := p.Update(t.Context(), "webhook_abc123", Wanted{Enabled: new(false)})
	if err != nil || !changed.Inactive() {
		t.Errorf("update: %+v, %v", changed, err)
	}
	if err := p.Delete(t.Context(), "webhook_abc123"); err != nil {
		t.Error(err)
	}
	if err := p.Test(t.Context(), "webhook_abc123"); err != nil {
		t.Error(err)
	}
	deliveries, err := p.Deliveries(t.Context(), "webhook_abc123")
	want := []Delivery{{ID: "d1", EventID: "e1", Status: "failed"}, {ID: "7", Status: "200"}, {}}
	if diff := cmp.Diff(want, deliveries); err != nil || diff != "" {
		t.Errorf("deliveries: %v (-want +got):\n%s", err, diff)
	}
	const auth = "Bearer " + keyID + "." + apiKey
	requests := []asked{
		{"GET " + trstBase, auth, "", ""},
		{"POST " + trstBase, auth, "", `{"enabled":true,"event_types":["enrollment.completed","demo.scan.success"],"url":"https://your-app.com/webhooks/trst"}`},
		{"PATCH " + trstAbc, auth, "", `{"enabled":false}`},
		{"DELETE " + trstAbc, auth, "", ""},
		{"POST " + trstAbc + "/test", auth, "", ""},
		{"GET " + trstAbc + "/deliveries", auth, "", ""},
	}
	if diff := cmp.Diff(requests, d.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestTRSTList: the form of the list is not documented.
func TestTRSTList(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	for _, body := range []string{"[" + trstCreated + "]", `{"webhooks":[` + trstCreated + `]}`, `{"data":[` + trstCreated + `]}`} {
		d.on("GET "+trstBase, answer{body: body})
		got, err := trstAt(d).List(t.Context())
		if diff := cmp.Diff([]Subscription{trstSubscription}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", body, err, diff)
		}
	}
}

func TestTRSTAllows25(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	d.on("GET "+trstBase, answer{body: "[" + strings.Repeat(trstCreated+",", 24) + trstCreated + "]"})
	_, err := trstAt(d).Create(t.Context(), Wanted{URL: "https://your-app.com/webhooks/trst"})
	if err == nil || len(d.requests()) != 1 {
		t.Errorf("a 26th webhook is asked for: %v", err)
	}
}
