// Package subscriptions manages our webhooks at the providers, as far as their APIs are documented, and watches whether the
// providers still send to us.
package subscriptions

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// Subscription is a webhook that is registered with a provider.
type Subscription struct {
	Provider            string   `json:"provider"`
	ID                  string   `json:"id"`
	URL                 string   `json:"url"` // may end in a secret token: print SafeURL
	Name                string   `json:"name,omitempty"`
	Events              []string `json:"events,omitempty"`
	Active              *bool    `json:"active"`                         // nil if the provider does not say
	ConsecutiveFailures *int     `json:"consecutive_failures,omitempty"` // nil if the provider does not say
	Created             string   `json:"created,omitempty"`              // as the provider writes it
	Secret              string   `json:"-"`                              // only in the answer to Create, and only if the provider chose it
}

// Inactive reports whether the provider says that it sends nothing.
func (s Subscription) Inactive() bool { return s.Active != nil && !*s.Active }

// SafeURL is the URL with its path token, if it has one, replaced by the token's fingerprint.
func (s Subscription) SafeURL() string {
	target, token := s.split()
	if token != "" {
		return target + "<" + handlers.Fingerprint(token) + ">"
	}
	return target
}

// Token is the secret at the end of the URL, for providers that are known by it.
func (s Subscription) Token() string {
	_, token := s.split()
	return token
}

// Target is the URL without its token. Subscriptions with the same target replace each other.
func (s Subscription) Target() string {
	target, _ := s.split()
	return target
}

func (s Subscription) split() (target, token string) {
	if !handlers.TokenInPath(s.Provider) {
		return s.URL, ""
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "(not a URL)", ""
	}
	path := u.EscapedPath()
	end := strings.LastIndex(path, "/") + 1
	if token, err = url.PathUnescape(path[end:]); err != nil {
		return "(not a URL)", ""
	}
	return u.Scheme + "://" + u.Host + path[:end], token
}

// Wanted is a subscription to create, or the changes to one. In a change, empty fields stay as they are.
type Wanted struct {
	URL     string
	Name    string
	Events  []string
	Enabled *bool
	Secret  string // if the provider lets us choose it
}

// Provider is what a provider's API can do. A function is nil if the provider does not document the operation.
type Provider struct {
	Name        string
	TakesSecret bool // we choose the secret; other providers choose it and show it once, in the answer to Create
	Single      bool // there is one webhook, without an ID of its own: Create replaces it

	List       func(ctx context.Context) ([]Subscription, error)
	Create     func(ctx context.Context, w Wanted) (Subscription, error)
	Update     func(ctx context.Context, id string, w Wanted) (Subscription, error)
	Delete     func(ctx context.Context, id string) error
	Test       func(ctx context.Context, id string) error // has the provider send a test event
	Deliveries func(ctx context.Context, id string) ([]Delivery, error)
	Attempts   func(ctx context.Context, id, delivery string) ([]Attempt, error)

	api         api
	credentials []credential
	problems    []error           // in the configuration
	advice      map[string]string // what to do instead of an operation; under "" for all others
}

// The operations, as advice and errors name them.
const (
	OpList       = "list"
	OpUpdate     = "update"
	OpDelete     = "delete"
	OpTest       = "test"
	OpDeliveries = "deliveries"
)

// Undocumented is the error of an operation that the provider does not document. It says what to do instead.
func (p Provider) Undocumented(operation string) error {
	verb := operation
	if operation == OpDeliveries {
		verb = "list the deliveries of"
	}
	return fmt.Errorf("%s does not document how to %s webhooks by its API: %s", p.Name, verb, p.Advice(operation))
}

// Advice says what to do instead of an operation.
func (p Provider) Advice(operation string) string {
	if advice, special := p.advice[operation]; special {
		return advice
	}
	return p.advice[""]
}

// Restart is the command that makes an inactive webhook send again.
func (p Provider) Restart(s Subscription) string {
	switch {
	case p.Update != nil && !p.Single:
		return fmt.Sprintf("go run . subscriptions update %s %s --enabled", p.Name, s.ID)
	case p.Delete != nil:
		return fmt.Sprintf("go run . subscriptions delete %s %s && %s", p.Name, s.ID, createCommand(p.Name, s.URL))
	}
	return createCommand(p.Name, s.URL)
}

// createCommand registers the host of a URL with a provider.
func createCommand(provider, raw string) string {
	command := "go run . subscriptions create " + provider
	if base, _, _ := strings.Cut(raw, "/webhooks"); base != "" {
		command += " --url " + base
	}
	return command
}
