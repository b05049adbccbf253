// Package subscriptions manages our webhook subscription at each provider, as far as its API is documented. There is a type
// for each provider, which has only the methods that its pages describe; what they leave out is an ErrUndocumented with
// advice, never a guess.
package subscriptions

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// Subscription is a webhook registered with a provider.
type Subscription struct {
	Provider            string   `json:"provider"`
	ID                  string   `json:"id"`  // empty where the provider gives none
	URL                 string   `json:"url"` // with Trustist's path token: print SafeURL
	Name                string   `json:"name,omitempty"`
	Events              []string `json:"events,omitempty"`
	Active              *bool    `json:"active"`                         // nil if the provider does not say
	ConsecutiveFailures *int     `json:"consecutive_failures,omitempty"` // nil if the provider does not say
	Created             string   `json:"created,omitempty"`              // verbatim
	Secret              string   `json:"-"`                              // only after creation, and only where the provider made it
}

// SafeURL is the URL to be shown. A path token, which is a secret, is replaced by its fingerprint.
func (s Subscription) SafeURL() string {
	target, token := s.parts()
	if token == "" {
		return target
	}
	return target + "<" + handlers.Fingerprint(token) + ">"
}

// Token is the secret at the end of the URL's path, for providers that are known by it.
func (s Subscription) Token() string {
	_, token := s.parts()
	return token
}

// Target is the URL without its token: subscriptions with one target are alternatives of each other.
func (s Subscription) Target() string {
	target, _ := s.parts()
	return target
}

func (s Subscription) parts() (target, token string) {
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

// Inactive reports whether the provider says that it sends nothing.
func (s Subscription) Inactive() bool { return s.Active != nil && !*s.Active }

// Wanted is a subscription to be made, or what is to change of one: empty fields then stay as they are.
type Wanted struct {
	URL     string
	Name    string
	Events  []string
	Enabled *bool
	Secret  string // of our own making, where the provider takes one
}

// Provider is one of the types of this package. What it can do besides is said by the interfaces below.
type Provider interface {
	// Name is the provider's, as in package handlers.
	Name() string
	// TakesSecret reports whether we choose the secret. The others show theirs once, in the answer to Create.
	TakesSecret() bool
	// Instead says what to do where an operation is not documented.
	Instead(operation string) string
}

// The operations that a provider's pages may describe.
type (
	// Lister lists our subscriptions.
	Lister interface {
		List(ctx context.Context) ([]Subscription, error)
	}
	// Creator makes a subscription. Its Secret, if it has one, is shown this once.
	Creator interface {
		Create(ctx context.Context, w Wanted) (Subscription, error)
	}
	// Updater changes a subscription.
	Updater interface {
		Update(ctx context.Context, id string, w Wanted) (Subscription, error)
	}
	// Deleter ends a subscription.
	Deleter interface {
		Delete(ctx context.Context, id string) error
	}
	// Tester has a test event sent.
	Tester interface {
		Test(ctx context.Context, id string) error
	}
	// DeliveryLister lists what the provider sent, and how often it tried.
	DeliveryLister interface {
		Deliveries(ctx context.Context, id string) ([]Delivery, error)
		Attempts(ctx context.Context, id, delivery string) ([]Attempt, error)
	}
)

// The names of the operations.
const (
	ListOperation       = "list"
	CreateOperation     = "create"
	UpdateOperation     = "update"
	DeleteOperation     = "delete"
	TestOperation       = "test"
	DeliveriesOperation = "deliveries"
)

// Can returns the provider as something that can do an operation, or ErrUndocumented.
func Can[T any](p Provider, operation string) (T, error) {
	able, ok := p.(T)
	if !ok {
		return able, ErrUndocumented{p.Name(), operation, p.Instead(operation)}
	}
	return able, nil
}

// ErrUndocumented says that a provider's pages do not describe an operation, and what to do instead.
type ErrUndocumented struct{ Provider, Operation, Advice string }

func (e ErrUndocumented) Error() string {
	return fmt.Sprintf("%s does not document how to %s webhooks by its API: %s", e.Provider, verbs[e.Operation], e.Advice)
}

var verbs = map[string]string{
	ListOperation: "list", CreateOperation: "create", UpdateOperation: "update", DeleteOperation: "delete",
	TestOperation: "test", DeliveriesOperation: "list the deliveries of",
}

// Limited returns those of the subscriptions that send to a target; all, if it is empty.
func Limited(all []Subscription, target string) []Subscription {
	if target == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s Subscription) bool { return s.Target() != target })
}
