package subscriptions

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// trst manages webhooks at TRST, whose API is documented whole but for the forms of most answers: lists are read with and
// without a wrapper.
//
// https://docs.trstinc.ca/webhooks
type trst struct {
	api  api
	path string
}

// trstMost is how many webhooks a project may have.
const trstMost = 25

func newTRST(c Config) trst {
	return trst{newAPI("trst", c.TRSTURL,
		"TRST_API_KEY_ID and TRST_API_KEY must be those of a key of the project TRST_PROJECT_ID, or of its organization",
		bearer(c.TRSTKeyID+"."+c.TRSTKey)), "/project/" + url.PathEscape(c.TRSTProject) + "/webhooks"}
}

// bearer signs with a token.
func bearer(token string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token) }
}

func (trst) Name() string { return "trst" }

func (trst) TakesSecret() bool { return false }

func (trst) Instead(string) string { return "see https://docs.trstinc.ca/restful-api" }

// trstEvents are the events that can be subscribed to. webhook.test comes on demand.
var trstEvents = []string{"enrollment.completed", "demo.scan.success"}

type trstWebhook struct {
	ID         string   `json:"id"`
	URL        string   `json:"url"`
	Secret     string   `json:"secret"`
	EventTypes []string `json:"event_types"`
	Enabled    *bool    `json:"enabled"`
	CreatedAt  string   `json:"created_at"`
}

func (w trstWebhook) subscription() Subscription {
	return Subscription{Provider: "trst", ID: w.ID, URL: w.URL, Events: w.EventTypes, Active: w.Enabled, Created: w.CreatedAt, Secret: w.Secret}
}

// trstRequest creates, with all fields, or changes, with some.
type trstRequest struct {
	URL        string   `json:"url,omitempty"`
	EventTypes []string `json:"event_types,omitempty"`
	Enabled    *bool    `json:"enabled,omitempty"`
}

func (p trst) List(ctx context.Context) ([]Subscription, error) {
	var answer json.RawMessage
	if err := p.api.call(ctx, "list webhooks", http.MethodGet, p.path, nil, &answer); err != nil {
		return nil, err
	}
	webhooks, err := elements[trstWebhook](answer, "webhooks")
	if err != nil {
		return nil, fmt.Errorf("trst list webhooks: %w", err)
	}
	list := []Subscription{}
	for _, w := range webhooks {
		list = append(list, w.subscription())
	}
	return list, nil
}

// Create refuses a 26th webhook before TRST does.
func (p trst) Create(ctx context.Context, w Wanted) (Subscription, error) {
	have, err := p.List(ctx)
	if err != nil {
		return Subscription{}, err
	}
	if len(have) >= trstMost {
		return Subscription{}, fmt.Errorf("trst create webhook: the project has %d webhooks, and TRST allows %d: delete one first", len(have), trstMost)
	}
	request := trstRequest{w.URL, w.Events, w.Enabled}
	if len(request.EventTypes) == 0 {
		request.EventTypes = trstEvents
	}
	if request.Enabled == nil {
		request.Enabled = new(true)
	}
	var made trstWebhook
	if err := p.api.call(ctx, "create webhook", http.MethodPost, p.path, request, &made); err != nil {
		return Subscription{}, err
	}
	return made.subscription(), nil
}

func (p trst) Update(ctx context.Context, id string, w Wanted) (Subscription, error) {
	var changed trstWebhook
	request := trstRequest{w.URL, w.Events, w.Enabled}
	err := p.api.call(ctx, "update webhook "+id, http.MethodPatch, p.webhook(id), request, &changed)
	return changed.subscription(), err
}

func (p trst) Delete(ctx context.Context, id string) error {
	return p.api.call(ctx, "delete webhook "+id, http.MethodDelete, p.webhook(id), nil, nil)
}

// Test has TRST send a webhook.test.
func (p trst) Test(ctx context.Context, id string) error {
	return p.api.call(ctx, "test webhook "+id, http.MethodPost, p.webhook(id)+"/test", nil, nil)
}

func (p trst) Deliveries(ctx context.Context, id string) ([]Delivery, error) {
	var answer json.RawMessage
	if err := p.api.call(ctx, "list deliveries of "+id, http.MethodGet, p.webhook(id)+"/deliveries", nil, &answer); err != nil {
		return nil, err
	}
	list, err := elements[Delivery](answer, "deliveries")
	if err != nil {
		return nil, fmt.Errorf("trst list deliveries of %s: %w", id, err)
	}
	return list, nil
}

func (p trst) Attempts(ctx context.Context, id, delivery string) ([]Attempt, error) {
	var answer json.RawMessage
	path := p.webhook(id) + "/deliveries/" + url.PathEscape(delivery) + "/attempts"
	if err := p.api.call(ctx, "list attempts of "+delivery, http.MethodGet, path, nil, &answer); err != nil {
		return nil, err
	}
	list, err := elements[Attempt](answer, "attempts")
	if err != nil {
		return nil, fmt.Errorf("trst list attempts of %s: %w", delivery, err)
	}
	return list, nil
}

func (p trst) webhook(id string) string { return p.path + "/" + url.PathEscape(id) }

func (p trst) mend(s Subscription) string {
	return "go run . subscriptions update trst " + s.ID + " --enabled"
}
