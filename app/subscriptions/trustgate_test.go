package subscriptions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrustGate(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	const call = "POST /api/v1/integrations/webhooks"
	d.on(call, answer{status: 201, body: `{"id":"5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25","name":"identity-webhooks","url":"https://a.example/webhooks/trustgate",
		"secret":"whsec_tg","events":["*"],"active":true,"created_at":"2026-02-04T15:00:00Z"}`})
	got, err := newTrustGate(d.config()).Create(t.Context(), Wanted{URL: "https://a.example/webhooks/trustgate"})
	want := Subscription{
		Provider: "trustgate", ID: "5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25", Name: "identity-webhooks", URL: "https://a.example/webhooks/trustgate",
		Secret: "whsec_tg", Events: []string{"*"}, Active: new(true), Created: "2026-02-04T15:00:00Z",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	c := d.config()
	c.TrustGateAuth = "x-api-key"
	if _, err = newTrustGate(c).Create(t.Context(), Wanted{URL: "https://a.example/webhooks/trustgate", Name: "n", Events: []string{"case.created"}, Enabled: new(false)}); err != nil {
		t.Error(err)
	}
	requests := []asked{
		{call, "Bearer " + apiKey, "", "application/json", `{"active":true,"events":["*"],"name":"identity-webhooks","url":"https://a.example/webhooks/trustgate"}`},
		{call, "", apiKey, "application/json", `{"active":false,"events":["case.created"],"name":"n","url":"https://a.example/webhooks/trustgate"}`},
	}
	if diff := cmp.Diff(requests, d.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if _, err := newTrustGate(c).Create(t.Context(), Wanted{Name: strings.Repeat("n", 256)}); err == nil || len(d.requests()) != 0 {
		t.Errorf("a name of 256 characters: %v", err)
	}
}

// TestCapabilities: each provider does what its pages describe, and the errors say what to do instead of the rest.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	c := newDouble(t).config()
	want := map[string]string{
		"legaltalent": "list create update",
		"trst":        "list create update delete test deliveries",
		"trustgate":   "create",
		"trustist":    "list create delete",
	}
	got := map[string]string{}
	for _, name := range Names() {
		p, err := c.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		_, list := Can[Lister](p, ListOperation)
		_, create := Can[Creator](p, CreateOperation)
		_, update := Can[Updater](p, UpdateOperation)
		_, del := Can[Deleter](p, DeleteOperation)
		_, test := Can[Tester](p, TestOperation)
		_, deliveries := Can[DeliveryLister](p, DeliveriesOperation)
		for _, o := range []struct {
			name string
			err  error
		}{{"list", list}, {"create", create}, {"update", update}, {"delete", del}, {"test", test}, {"deliveries", deliveries}} {
			if o.err == nil {
				got[name] = strings.TrimSpace(got[name] + " " + o.name)
			} else if p.Instead(o.name) == "" || !strings.HasSuffix(o.err.Error(), p.Instead(o.name)) {
				t.Errorf("%s %s: %v", name, o.name, o.err)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
