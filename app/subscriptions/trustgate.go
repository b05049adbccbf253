package subscriptions

import (
	"context"
	"errors"
	"net/http"
)

// trustGate creates webhooks at TrustGate. Nothing else is documented. Its pages disagree on the header that carries the key.
//
// https://docs.bytrustgate.com/integrations/webhooks
type trustGate struct{ api api }

func newTrustGate(c Config) trustGate {
	sign := bearer(c.TrustGateKey)
	if c.TrustGateAuth == "x-api-key" {
		sign = func(req *http.Request) { req.Header.Set("X-API-Key", c.TrustGateKey) }
	}
	return trustGate{newAPI("trustgate", c.TrustGateURL,
		"TRUSTGATE_API_KEY is wrong or must not manage integrations, or TrustGate wants it in the other header: see TRUSTGATE_API_AUTH", sign)}
}

func (trustGate) Name() string { return "trustgate" }

func (trustGate) TakesSecret() bool { return false }

func (trustGate) Instead(operation string) string {
	switch operation {
	case TestOperation:
		return `its dashboard has a button "Test Webhook", and ` + "`trigger trustgate/test.ping` plays it"
	case UpdateOperation:
		return "change it in its dashboard, or create another one and delete this one there"
	}
	return "see the webhooks in its dashboard"
}

func (p trustGate) Create(ctx context.Context, w Wanted) (Subscription, error) {
	request := struct {
		Name   string   `json:"name"`
		URL    string   `json:"url"`
		Events []string `json:"events"`
		Active bool     `json:"active"`
	}{w.Name, w.URL, w.Events, w.Enabled == nil || *w.Enabled}
	if request.Name == "" {
		request.Name = "identity-webhooks"
	}
	if len(request.Name) > 255 {
		return Subscription{}, errors.New("trustgate create webhook: a name has at most 255 characters")
	}
	if len(request.Events) == 0 { // some events are sent that its list of names lacks
		request.Events = []string{"*"}
	}
	var made struct {
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		URL       string   `json:"url"`
		Secret    string   `json:"secret"`
		Events    []string `json:"events"`
		Active    *bool    `json:"active"`
		CreatedAt string   `json:"created_at"`
	}
	if err := p.api.call(ctx, "create webhook", http.MethodPost, "/api/v1/integrations/webhooks", request, &made); err != nil {
		return Subscription{}, err
	}
	return Subscription{
		Provider: "trustgate", ID: made.ID, URL: made.URL, Name: made.Name, Events: made.Events, Active: made.Active,
		Created: made.CreatedAt, Secret: made.Secret,
	}, nil
}
