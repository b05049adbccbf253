package subscriptions

import (
	"cmp"
	"context"
	"errors"
	"net/http"
)

// TrustGateConfig is how we reach TrustGate's API.
type TrustGateConfig struct {
	URL  string `env:"TRUSTGATE_API_URL" envDefault:"https://api.bytrustgate.com"`
	Key  string `env:"TRUSTGATE_API_KEY"`
	Auth string `env:"TRUSTGATE_API_AUTH" envDefault:"bearer"` // its pages disagree on the header that carries the key
}

// newTrustGate creates webhooks at TrustGate. It documents nothing else.
//
// https://docs.bytrustgate.com/integrations/webhooks
func newTrustGate(c TrustGateConfig) Provider {
	authorize := bearer(c.Key)
	if c.Auth == "x-api-key" {
		authorize = func(req *http.Request) { req.Header.Set("X-Api-Key", c.Key) }
	}
	a := newAPI("trustgate", c.URL, "TRUSTGATE_API_KEY is wrong or may not manage integrations, or the key belongs in the other header: see TRUSTGATE_API_AUTH",
		"", authorize)
	return Provider{
		Name: "trustgate", api: a,
		credentials: []credential{{"TRUSTGATE_API_KEY", c.Key}},
		problems:    oneOf("TRUSTGATE_API_AUTH", c.Auth, "bearer", "x-api-key"),
		advice: map[string]string{
			"":       "see the webhooks in its dashboard",
			OpTest:   `its dashboard has a button "Test Webhook", and go run . trigger trustgate/test.ping sends the same`,
			OpUpdate: "change it in its dashboard, or create another one and delete this one there",
		},
		Create: func(ctx context.Context, w Wanted) (Subscription, error) {
			if len(w.Name) > 255 {
				return Subscription{}, errors.New("trustgate create webhook: a name has at most 255 characters")
			}
			if len(w.Events) == 0 { // some events are sent that its list of names lacks
				w.Events = []string{"*"}
			}
			return a.change(ctx, "create webhook", http.MethodPost, "/api/v1/integrations/webhooks", struct {
				Name   string   `json:"name"`
				URL    string   `json:"url"`
				Events []string `json:"events"`
				Active bool     `json:"active"`
			}{cmp.Or(w.Name, "webhooks"), w.URL, w.Events, w.Enabled == nil || *w.Enabled})
		},
	}
}
