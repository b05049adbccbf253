package subscriptions

import (
	"context"
	"net/http"
	"net/url"
)

// trustist manages webhooks at Trustist. Its secret is the token at the end of the URL, which we choose. A webhook that it
// disabled, after five failures in a row, can only be deleted and created again; deleting leaves it in the list, inactive.
//
// https://api.trustistecommerce.com/docs/webhooks
type trustist struct {
	api  api
	path string // the pages name /v1/onboard/webhooks and, later, /v1/webhooks
}

// The paths of the two generations of Trustist's pages.
const (
	trustistOlder = "/v1/onboard/webhooks"
	trustistNewer = "/v1/webhooks"
)

func newTrustist(c Config) trustist {
	return trustist{newAPI("trustist", c.TrustistURL,
		"TRUSTIST_API_KEY_ID and TRUSTIST_API_KEY must be those of a tenant-scoped key with the permission manage_webhooks; a merchant's key gets 403",
		newHawk(c.TrustistKeyID, c.TrustistKey).sign), c.TrustistPath}
}

func (trustist) Name() string { return "trustist" }

func (trustist) TakesSecret() bool { return true }

func (trustist) Instead(operation string) string {
	switch operation {
	case UpdateOperation:
		return "delete it and create it again, which also mends one that was disabled"
	case TestOperation:
		return "complete a session in its sandbox, or let `trigger` play Trustist"
	}
	return "`list` shows its consecutive failures, if Trustist says them"
}

// trustistEvents are all events about identities. They are always named: without, the newer generation sends only the first,
// and it rejects an empty list.
var trustistEvents = []string{"onboard.session.completed", "onboard.session.failed"}

// trustistWebhook is what both generations answer with: isActive is the older one's, active the newer one's.
type trustistWebhook struct {
	ID                  string   `json:"id"`
	URL                 string   `json:"url"`
	Name                string   `json:"name"`
	Events              []string `json:"events"`
	IsActive            *bool    `json:"isActive"`
	Active              *bool    `json:"active"`
	Created             string   `json:"created"`
	ConsecutiveFailures *int     `json:"consecutiveFailures"`
}

func (w trustistWebhook) subscription() Subscription {
	s := Subscription{
		Provider: "trustist", ID: w.ID, URL: w.URL, Name: w.Name, Events: w.Events, Active: w.IsActive, Created: w.Created,
		ConsecutiveFailures: w.ConsecutiveFailures,
	}
	if s.Active == nil || w.Active != nil && !*w.Active {
		s.Active = w.Active
	}
	return s
}

func (p trustist) List(ctx context.Context) ([]Subscription, error) {
	var webhooks []trustistWebhook
	if err := p.api.call(ctx, "list webhooks", http.MethodGet, p.path, nil, &webhooks); err != nil {
		return nil, err
	}
	list := []Subscription{}
	for _, w := range webhooks {
		list = append(list, w.subscription())
	}
	return list, nil
}

func (p trustist) Create(ctx context.Context, w Wanted) (Subscription, error) {
	request := struct {
		URL    string   `json:"url"`
		Name   string   `json:"name,omitempty"`
		Events []string `json:"events"`
	}{w.URL, w.Name, w.Events}
	if len(request.Events) == 0 {
		request.Events = trustistEvents
	}
	var made trustistWebhook
	if err := p.api.call(ctx, "create webhook", http.MethodPost, p.path, request, &made); err != nil {
		return Subscription{}, err
	}
	return made.subscription(), nil
}

func (p trustist) Delete(ctx context.Context, id string) error {
	return p.api.call(ctx, "delete webhook "+id, http.MethodDelete, p.path+"/"+url.PathEscape(id), nil, nil)
}

// mend deletes and creates, which is the only way that the page names to reactivate a webhook.
func (p trustist) mend(s Subscription) string {
	return "go run . subscriptions delete trustist " + s.ID + " && " + createCommand("trustist", s.URL)
}
