package subscriptions

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrustGate(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	const call = "POST /api/v1/integrations/webhooks"
	d.on(call, answer{status: 201, body: `{"id":"5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25","name":"webhooks","url":"https://a.example/webhooks/trustgate",
		"secret":"whsec_tg","events":["*"],"active":true,"created_at":"2026-02-04T15:00:00Z"}`})
	got, err := newTrustGate(TrustGateConfig{d.URL, apiKey, "bearer"}).Create(t.Context(), Wanted{URL: "https://a.example/webhooks/trustgate"})
	want := Subscription{
		Provider: "trustgate", ID: "5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25", Name: "webhooks", URL: "https://a.example/webhooks/trustgate",
		Target: "https://a.example/webhooks/trustgate", Secret: "whsec_tg", Events: []string{"*"}, Active: new(true), Created: "2026-02-04T15:00:00Z",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	p := newTrustGate(TrustGateConfig{d.URL, apiKey, "x-api-key"})
	if _, err = p.Create(t.Context(), Wanted{URL: "https://a.example", Name: "n", Events: []string{"case.created"}}); err != nil {
		t.Error(err)
	}
	requests := []asked{
		{call, "Bearer " + apiKey, "", `{"active":true,"events":["*"],"name":"webhooks","url":"https://a.example/webhooks/trustgate"}`},
		{call, "", apiKey, `{"active":true,"events":["case.created"],"name":"n","url":"https://a.example"}`},
	}
	if diff := cmp.Diff(requests, d.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if problems := newTrustGate(TrustGateConfig{Auth: "basic"}).problems; len(problems) != 1 {
		t.Errorf("a header that there is not: %v", problems)
	}
}
