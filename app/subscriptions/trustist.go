package subscriptions

import (
	"context"
	"net/http"
	"net/url"
)

// TrustistConfig is how we reach Trustist's API.
type TrustistConfig struct {
	URL   string `env:"TRUSTIST_API_URL" envDefault:"https://api.trustistecommerce.com"`
	Path  string `env:"TRUSTIST_API_PATH" envDefault:"/v1/onboard/webhooks"` // later pages name the other one
	KeyID string `env:"TRUSTIST_API_KEY_ID"`
	Key   string `env:"TRUSTIST_API_KEY"`
}

// trustistEvents are all events about identities. They are always named: without them the newer API sends only the first kind, and
// it rejects an empty list.
var trustistEvents = []string{"onboard.session.completed", "onboard.session.failed"}

// newTrustist manages webhooks at Trustist. The secret is the token at the end of the URL, which we choose. Trustist disables a
// webhook after five failures in a row; then it must be deleted and created again. A deleted webhook stays in the list, inactive.
//
// https://api.trustistecommerce.com/docs/webhooks
func newTrustist(c TrustistConfig) Provider {
	a := newAPI("trustist", c.URL,
		"TRUSTIST_API_KEY_ID and TRUSTIST_API_KEY must be a tenant's key with the permission manage_webhooks; a merchant's key gets 403",
		" or TRUSTIST_API_PATH is, of which there are two", newHawk(c.KeyID, c.Key).authorize)
	return Provider{
		Name: "trustist", TakesSecret: true, api: a,
		credentials: []credential{{"TRUSTIST_API_KEY_ID", c.KeyID}, {"TRUSTIST_API_KEY", c.Key}},
		problems:    oneOf("TRUSTIST_API_PATH", c.Path, "/v1/onboard/webhooks", "/v1/webhooks"),
		advice: map[string]string{
			"":       "subscriptions list shows its consecutive failures, if Trustist counts them",
			OpUpdate: "delete it and create it again, which also fixes one that was disabled",
			OpTest:   "complete a session in its sandbox, or send a sample with go run . trigger",
		},
		List: func(ctx context.Context) ([]Subscription, error) {
			return list(ctx, a, "webhooks", "list webhooks", c.Path, a.webhook)
		},
		Create: func(ctx context.Context, w Wanted) (Subscription, error) {
			if len(w.Events) == 0 {
				w.Events = trustistEvents
			}
			return a.change(ctx, "create webhook", http.MethodPost, c.Path, struct {
				URL    string   `json:"url"`
				Name   string   `json:"name,omitempty"`
				Events []string `json:"events"`
			}{w.URL, w.Name, w.Events})
		},
		Delete: func(ctx context.Context, id string) error {
			return a.do(ctx, "delete webhook "+id, http.MethodDelete, c.Path+"/"+url.PathEscape(id))
		},
	}
}
