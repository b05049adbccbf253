package subscriptions

import (
	"context"
	"errors"
	"net/http"
)

// legalTalent sets the webhook of our tenant at Legal Talent: one URL, for all events. Its secret is always ours, since one
// that it makes is shown masked only.
//
// https://docs.compliance.legaltalent.ai/api-reference/webhooks/overview
type legalTalent struct{ api api }

// legalTalentID stands for the only subscription, which has no ID: its path says me.
const legalTalentID = "me"

func newLegalTalent(c Config) legalTalent {
	return legalTalent{newAPI("legaltalent", c.LegalTalentURL,
		"LEGALTALENT_API_KEY must be a key (sk_…) or a token of the tenant itself, allowed to change its notification channels", bearer(c.LegalTalentKey))}
}

func (legalTalent) Name() string { return "legaltalent" }

func (legalTalent) TakesSecret() bool { return true }

func (legalTalent) Instead(operation string) string {
	switch operation {
	case DeleteOperation:
		return "that an empty webhook_url ends it is not said; `update` it to another URL, or end it in the dashboard"
	case TestOperation:
		return "use its staging environment, https://stg.kyc.legaltalent.ai, or let `trigger` play Legal Talent"
	}
	return "see its dashboard"
}

// tenantAnswer is what both calls answer with. Of the tenant's own form only the channels are documented.
type tenantAnswer struct {
	Data struct {
		Config *struct {
			WebhookURL *string `json:"webhook_url"`
		} `json:"notification_config"`
	} `json:"data"`
}

func (a tenantAnswer) subscription() (Subscription, error) {
	if a.Data.Config == nil {
		return Subscription{}, errors.New("legaltalent: the answer has no data.notification_config")
	}
	s := Subscription{Provider: "legaltalent", ID: legalTalentID, Active: new(false)}
	if u := a.Data.Config.WebhookURL; u != nil {
		s.URL, s.Active = *u, new(*u != "")
	}
	return s, nil
}

// List returns the one subscription, or none if no URL is set.
func (p legalTalent) List(ctx context.Context) ([]Subscription, error) {
	var tenant tenantAnswer
	if err := p.api.call(ctx, "get tenant", http.MethodGet, "/kyc/tenants/me", nil, &tenant); err != nil {
		return nil, err
	}
	s, err := tenant.subscription()
	if err != nil || s.Inactive() {
		return nil, err
	}
	return []Subscription{s}, nil
}

// Create sets URL and secret, in place of what was set before.
func (p legalTalent) Create(ctx context.Context, w Wanted) (Subscription, error) {
	if w.Secret == "" {
		return Subscription{}, errors.New("legaltalent: a secret of ours is needed, since theirs is shown masked")
	}
	if len(w.Events) > 0 || w.Name != "" || w.Enabled != nil {
		return Subscription{}, errors.New("legaltalent: a tenant has one webhook URL for all events: no events, name or state can be set")
	}
	request := struct {
		URL    string `json:"webhook_url,omitempty"`
		Secret string `json:"webhook_secret"`
	}{w.URL, w.Secret}
	var tenant tenantAnswer
	err := p.api.call(ctx, "set notification channels", http.MethodPatch, "/kyc/tenants/me/notification-channels", request, &tenant)
	if err != nil {
		return Subscription{}, err
	}
	return tenant.subscription()
}

// Update is Create: an empty URL stays as it is.
func (p legalTalent) Update(ctx context.Context, _ string, w Wanted) (Subscription, error) {
	return p.Create(ctx, w)
}
