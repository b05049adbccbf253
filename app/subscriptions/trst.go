package subscriptions

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tidwall/gjson"
)

// TRSTConfig is how we reach TRST's API.
type TRSTConfig struct {
	URL     string `env:"TRST_API_URL" envDefault:"https://api.prod.trstinc.ca/v1"`
	KeyID   string `env:"TRST_API_KEY_ID"`
	Key     string `env:"TRST_API_KEY"`
	Project string `env:"TRST_PROJECT_ID"`
}

// maxTRST is how many webhooks a project may have.
const maxTRST = 25

// trstEvents are the events that can be subscribed to. webhook.test is sent on demand.
var trstEvents = []string{"enrollment.completed", "demo.scan.success"}

// trstRequest is the body of a request. To create a webhook it has all fields, to change one it has some.
type trstRequest struct {
	URL        string   `json:"url,omitempty"`
	EventTypes []string `json:"event_types,omitempty"`
	Enabled    *bool    `json:"enabled,omitempty"`
}

// newTRST manages webhooks at TRST. TRST does not document the form of most answers.
//
// https://docs.trstinc.ca/webhooks
func newTRST(c TRSTConfig) Provider {
	a := newAPI("trst", c.URL,
		"TRST_API_KEY_ID and TRST_API_KEY must be a key of the project TRST_PROJECT_ID, or of its organization",
		", or TRST_PROJECT_ID is wrong (TRST documents two URLs: https://api.prod.trstinc.ca/v1 and https://api.trstinc.ca/v1)",
		bearer(c.KeyID+"."+c.Key))
	all := "/project/" + url.PathEscape(c.Project) + "/webhooks"
	one := func(id string) string { return all + "/" + url.PathEscape(id) }
	p := Provider{
		Name: "trst", api: a,
		credentials: []credential{{"TRST_API_KEY_ID", c.KeyID}, {"TRST_API_KEY", c.Key}, {"TRST_PROJECT_ID", c.Project}},
	}
	p.List = func(ctx context.Context) ([]Subscription, error) { return list(ctx, a, all, a.webhook) }
	p.Create = func(ctx context.Context, w Wanted) (Subscription, error) {
		have, err := p.List(ctx)
		if err != nil {
			return Subscription{}, err
		}
		if len(have) >= maxTRST {
			return Subscription{}, fmt.Errorf("the project has %d webhooks, and TRST allows %d: delete one first", len(have), maxTRST)
		}
		if len(w.Events) == 0 {
			w.Events = trstEvents
		}
		return a.change(ctx, http.MethodPost, all, trstRequest{w.URL, w.Events, new(true)})
	}
	p.Update = func(ctx context.Context, id string, w Wanted) (Subscription, error) {
		return a.change(ctx, http.MethodPatch, one(id), trstRequest{w.URL, w.Events, w.Enabled})
	}
	p.Delete = func(ctx context.Context, id string) error { return a.do(ctx, http.MethodDelete, one(id)) }
	p.Test = func(ctx context.Context, id string) error { return a.do(ctx, http.MethodPost, one(id)+"/test") }
	p.Deliveries = func(ctx context.Context, id string) ([]Delivery, error) {
		return list(ctx, a, one(id)+"/deliveries", func(v gjson.Result) Delivery {
			return Delivery{ID: v.Get("id").String(), EventID: v.Get("event_id").String(), Status: v.Get("status").String()}
		})
	}
	return p
}
