package subscriptions

import (
	"context"
	"errors"
	"net/http"

	"github.com/tidwall/gjson"
)

// LegalTalentConfig is how we reach Legal Talent's API.
type LegalTalentConfig struct {
	URL string `env:"LEGALTALENT_API_URL" envDefault:"https://kyc.legaltalent.ai"`
	Key string `env:"LEGALTALENT_API_KEY"`
}

// newLegalTalent manages the webhook of our tenant at Legal Talent: one URL for all events. We choose the secret, since
// Legal Talent shows a secret that it chose only in masked form.
//
// https://docs.compliance.legaltalent.ai/api-reference/webhooks/overview
func newLegalTalent(c LegalTalentConfig) Provider {
	a := newAPI("legaltalent", c.URL,
		"LEGALTALENT_API_KEY must be a key (sk_…) or a token of the tenant itself, allowed to change its notification channels",
		" (there are also stg.kyc.legaltalent.ai and dev.kyc.legaltalent.ai)", bearer(c.Key))
	channels := func(v gjson.Result) bool { return v.Get("data.notification_config").IsObject() }
	decode := func(v gjson.Result) Subscription {
		u := v.Get("data.notification_config.webhook_url").String()
		return Subscription{Provider: "legaltalent", ID: "me", URL: u, Target: u, Active: new(u != "")}
	}
	set := func(ctx context.Context, w Wanted) (Subscription, error) {
		if w.Secret == "" || len(w.Events) > 0 || w.Enabled != nil {
			return Subscription{}, errors.New("legaltalent: a tenant has one webhook for all events: only its URL and secret can be set")
		}
		answer, err := a.call(ctx, http.MethodPatch, "/kyc/tenants/me/notification-channels", struct {
			URL    string `json:"webhook_url,omitempty"`
			Secret string `json:"webhook_secret"`
		}{w.URL, w.Secret}, channels)
		return decode(answer), err
	}
	return Provider{
		Name: "legaltalent", TakesSecret: true, Single: true, api: a,
		Advice: "remove the webhook in its dashboard, or update it to another URL; " +
			"to test it, use go run . trigger or its staging environment",
		credentials: []credential{{"LEGALTALENT_API_KEY", c.Key}},
		List: func(ctx context.Context) ([]Subscription, error) {
			answer, err := a.call(ctx, http.MethodGet, "/kyc/tenants/me", nil, channels)
			if s := decode(answer); err == nil && s.URL != "" {
				return []Subscription{s}, nil
			}
			return nil, err
		},
		Create: set,
		Update: func(ctx context.Context, _ string, w Wanted) (Subscription, error) { return set(ctx, w) },
	}
}
