package subscriptions

import (
	"cmp"
	"context"
	"net/http"
)

// TrustGateConfig is how we reach TrustGate's API.
type TrustGateConfig struct {
	URL  string `env:"TRUSTGATE_API_URL" envDefault:"https://api.bytrustgate.com"`
	Key  string `env:"TRUSTGATE_API_KEY"`
	Auth string `env:"TRUSTGATE_API_AUTH" envDefault:"bearer"` // bearer or x-api-key: its pages disagree on the header for the key
}

// newTrustGate creates webhooks at TrustGate. TrustGate documents no other operation.
//
// https://docs.bytrustgate.com/integrations/webhooks
func newTrustGate(c TrustGateConfig) Provider {
	authorize := bearer(c.Key)
	if c.Auth == "x-api-key" {
		authorize = func(req *http.Request) { req.Header.Set("X-Api-Key", c.Key) }
	}
	a := newAPI("trustgate", c.URL,
		"TRUSTGATE_API_KEY is wrong or may not manage integrations, or TRUSTGATE_API_AUTH must name the other header", "", authorize)
	return Provider{
		Name: "trustgate", api: a,
		Advice:      "use its dashboard",
		credentials: []credential{{"TRUSTGATE_API_KEY", c.Key}},
		problems:    oneOf("TRUSTGATE_API_AUTH", c.Auth, "bearer", "x-api-key"),
		Create: func(ctx context.Context, w Wanted) (Subscription, error) {
			if len(w.Events) == 0 { // TrustGate also sends events that are not in its list of names
				w.Events = []string{"*"}
			}
			return a.change(ctx, http.MethodPost, "/api/v1/integrations/webhooks", struct {
				Name   string   `json:"name"`
				URL    string   `json:"url"`
				Events []string `json:"events"`
				Active bool     `json:"active"`
			}{cmp.Or(w.Name, "webhooks"), w.URL, w.Events, true})
		},
	}
}
