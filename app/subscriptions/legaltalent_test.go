package subscriptions

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The answer of https://docs.compliance.legaltalent.ai/api-reference/webhooks/sessions.
const legalTalentSet = `{"status":"success","data":{"notification_config":{"webhook_url":"https://a.example/webhooks/legaltalent",
	"webhook_secret":"****************************a1b2","notification_emails":[],"slack_webhook_url":null,"batch_notifications_enabled":false}}}`

func TestLegalTalent(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	p := newLegalTalent(LegalTalentConfig{d.URL, apiKey})
	const target = "https://a.example/webhooks/legaltalent"
	const patch, get = "PATCH /kyc/tenants/me/notification-channels", "GET /kyc/tenants/me"
	d.on(patch, answer{body: legalTalentSet})
	d.on(get, answer{body: legalTalentSet}, answer{body: `{"data":{"notification_config":{"webhook_url":null}}}`}, answer{body: `{"data":{}}`})

	want := Subscription{Provider: "legaltalent", ID: "me", URL: target, Target: target, Active: new(true)}
	got, err := p.Create(t.Context(), Wanted{URL: want.URL, Secret: "ours"})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("create: %v (-want +got):\n%s", err, diff)
	}
	if _, err := p.Update(t.Context(), "me", Wanted{Secret: "newer"}); err != nil {
		t.Error(err)
	}
	list, err := p.List(t.Context())
	if diff := cmp.Diff([]Subscription{want}, list); err != nil || diff != "" {
		t.Errorf("list: %v (-want +got):\n%s", err, diff)
	}
	if list, err := p.List(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("list of none: %v, %v", list, err)
	}
	if _, err := p.List(t.Context()); err == nil {
		t.Error("an answer without notification_config is taken for none")
	}
	const auth = "Bearer " + apiKey
	requests := []asked{
		{patch, auth, "", `{"webhook_secret":"ours","webhook_url":"https://a.example/webhooks/legaltalent"}`},
		{patch, auth, "", `{"webhook_secret":"newer"}`},
		{get, auth, "", ""}, {get, auth, "", ""}, {get, auth, "", ""},
	}
	if diff := cmp.Diff(requests, d.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	for _, w := range []Wanted{{URL: "https://a.example"}, {Secret: "s", Events: []string{"*"}}} {
		if _, err := p.Create(t.Context(), w); err == nil || len(d.requests()) > 0 {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
