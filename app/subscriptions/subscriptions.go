// Package subscriptions manages our webhooks at the providers, as far as their APIs are documented, and watches whether the
// providers still send to us.
package subscriptions

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// Subscription is a webhook that is registered with a provider.
type Subscription struct {
	Provider            string   `json:"provider"`
	ID                  string   `json:"id"`
	URL                 string   `json:"url"` // for people: it has the fingerprint of the token instead of the token
	Target              string   `json:"-"`   // the URL without the token
	Token               string   `json:"-"`   // the secret at the end of the URL, for providers that do not sign
	Name                string   `json:"name,omitempty"`
	Events              []string `json:"events,omitempty"`
	Active              *bool    `json:"active"`                         // nil if the provider does not say
	ConsecutiveFailures *int     `json:"consecutive_failures,omitempty"` // nil if the provider does not say
	Created             string   `json:"created,omitempty"`              // as the provider writes it
	Secret              string   `json:"-"`                              // only in the answer to Create, if the provider chose it
}

// Inactive reports whether the provider says that it sends nothing.
func (s Subscription) Inactive() bool { return s.Active != nil && !*s.Active }

// State says in a word or two whether it is active.
func (s Subscription) State() string {
	state := "active"
	switch {
	case s.Active == nil:
		state = "unknown"
	case !*s.Active:
		state = "inactive"
	}
	if n := s.ConsecutiveFailures; n != nil && *n > 0 {
		state += fmt.Sprintf(", %d failed", *n)
	}
	return state
}

// setURL sets URL, Target and Token.
func (s *Subscription) setURL(raw string) {
	s.URL, s.Target = raw, raw
	if !handlers.TokenInPath(s.Provider) {
		return
	}
	path, _, _ := strings.Cut(raw, "?")
	slash := strings.LastIndex(path, "/") + 1
	s.Target, s.Token = path[:slash], path[slash:]
	if token, err := url.PathUnescape(s.Token); err == nil {
		s.Token = token
	}
	s.URL = s.Target + "<" + handlers.Fingerprint(s.Token) + ">"
}

// Delivery is an event that a provider has sent, or tried to send. Members are empty if the provider's answer lacks them.
type Delivery struct {
	ID      string `json:"id"`
	EventID string `json:"event_id"`
	Status  string `json:"status"`
}

// Wanted is a subscription to create, or the changes to one. In a change, empty fields stay as they are.
type Wanted struct {
	URL     string
	Name    string
	Events  []string
	Enabled *bool  // only for changes
	Secret  string // if TakesSecret
}

// Provider has the operations of a provider's API. A function is nil if the provider does not document the operation.
type Provider struct {
	Name        string
	TakesSecret bool   // we choose the secret; other providers choose it and show it once, in the answer to Create
	Single      bool   // there is one webhook, without an ID of its own: Create replaces it
	Advice      string // what to do instead of an operation that is not documented

	List       func(ctx context.Context) ([]Subscription, error)
	Create     func(ctx context.Context, w Wanted) (Subscription, error)
	Update     func(ctx context.Context, id string, w Wanted) (Subscription, error)
	Delete     func(ctx context.Context, id string) error
	Test       func(ctx context.Context, id string) error // has the provider send a test event
	Deliveries func(ctx context.Context, id string) ([]Delivery, error)

	api         api
	credentials []credential
	problems    []error // in the configuration
}

// Operations lists what can be done, in the words of the command line, sorted.
func (p Provider) Operations() []string {
	documented := map[string]bool{
		"list": p.List != nil, "create": p.Create != nil, "update": p.Update != nil, "delete": p.Delete != nil,
		"test": p.Test != nil, "deliveries": p.Deliveries != nil, "rotate": p.Create != nil,
	}
	maps.DeleteFunc(documented, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(documented))
}

// CheckOperation returns an error for an operation that the provider does not document. It says what to do instead.
func (p Provider) CheckOperation(name string) error {
	if slices.Contains(p.Operations(), name) {
		return nil
	}
	return fmt.Errorf("the API of %s does not document %q: %s", p.Name, name, p.Advice)
}

// CheckCredentials returns an error that names the missing credentials, or nil if there are none.
func (p Provider) CheckCredentials() error {
	if missing := p.missing(); len(missing) > 0 {
		return fmt.Errorf("no credentials for the API of %s: set %s", p.Name, strings.Join(missing, " and "))
	}
	return nil
}

// credential is a variable and its value.
type credential struct{ variable, value string }

func (p Provider) missing() (variables []string) {
	for _, c := range p.credentials {
		if c.value == "" {
			variables = append(variables, c.variable)
		}
	}
	return variables
}
