package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Delivery is one HTTP POST that claims to come from a provider. Nothing in it is to be trusted before Verify.
type Delivery struct {
	Header     http.Header
	Token      string // the path's last segment, for providers that are known by it
	Body       []byte // exactly as it came
	ReceivedAt time.Time
}

// Envelope is what is read of a verified delivery while the provider waits: which event it is. What the event means is
// worked out later, in package jobs.
type Envelope struct {
	Generation    string // of the payload's form, such as v1: the same type may mean two things
	ExternalID    string // the provider's ID of the event, or one derived from what the event says
	Derived       bool   // ExternalID is derived
	Type          string // the provider's own name, verbatim
	OccurredAt    time.Time
	TenantID      string
	CorrelationID string
	Secret        int    // the index of the secret that verified it
	Warning       string // what is odd about the delivery, though it is verified
}

// Request is what a provider adds to a body to send it.
type Request struct {
	Path   string // below /webhooks
	Header http.Header
}

// Provider knows how one provider signs and wraps its events. Adding one takes a file like acme.go with a type that
// implements Provider, a line in providers, and a file of the same name in package jobs.
type Provider interface {
	// Verify checks the signature over the exact bytes of the body and then reads the envelope, in one call, so that
	// nobody can hold the envelope of a stranger. It does no I/O and reads no clock but Delivery.ReceivedAt.
	//
	// The error is ErrUnverified where the delivery is not shown to come from the provider, ErrUnreadable where it does
	// but its body makes no sense, and ErrContradictory where the body says two things at once. With the latter two the
	// envelope holds what could be read.
	Verify(d Delivery) (Envelope, error)

	// Sign dresses a body as the provider would send it at the given time, with the first of our secrets. The command
	// line uses it to play the provider.
	Sign(body []byte, at time.Time) Request

	// Schemes describes what Verify accepts, in the order in which it looks for it.
	Schemes() []Scheme
}

// providers is the table of contents. A provider's name gives it its path, /webhooks/<name>, and its variable,
// <NAME>_WEBHOOK_SECRET.
var providers = map[string]struct {
	new   func(secrets, Settings) Provider
	token bool // the path goes on with a secret token
}{
	"legaltalent": {new: newLegalTalent},
	"trst":        {new: newTRST},
	"trustgate":   {new: newTrustGate},
	"trustist":    {new: newTrustist, token: true},
}

// Settings are the choices that providers' documentation leaves open.
type Settings struct {
	TrustGateFallback  string // what X-TrustGate-Signature signs when it comes alone: FormTimestampBody, FormBody or FormOff
	LegalTalentContent string // what Legal Talent signs: FormBody, FormTimestampBody or FormEither
}

// The forms of signed content.
const (
	FormBody          = "body"
	FormTimestampBody = "timestamp.body"
	FormEither        = "either"
	FormOff           = "off"
)

// ProviderNames lists the providers this program knows, sorted.
func ProviderNames() []string {
	names := make([]string, 0, len(providers))
	for name := range providers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TokenInPath reports whether the provider's path goes on with its secret.
func TokenInPath(name string) bool { return providers[name].token }

// NewProvider returns the provider of that name with its secrets, all of them active. It returns an error for an unknown
// name, for no secret, and for an empty one, which would verify everybody.
func NewProvider(name string, active []string, s Settings) (Provider, error) {
	p, known := providers[name]
	if !known {
		return nil, fmt.Errorf("unknown provider %q", name)
	}
	ss, err := newSecrets(active)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p.new(ss, s), nil
}

var (
	// ErrUnverified says that a delivery is not shown to come from the provider: it must leave no trace in the inbox.
	ErrUnverified = errors.New("unverified delivery")
	// ErrUnreadable says that a verified body makes no sense to us.
	ErrUnreadable = errors.New("unreadable body")
	// ErrContradictory says that a verified body says two things at once, so that neither can be applied.
	ErrContradictory = errors.New("contradictory body")
)

// Reason says why a delivery was not verified. It goes to the log and the list of rejections, never to the sender.
type Reason string

// The reasons for a rejection.
const (
	MissingSignature   Reason = "missing signature"
	RepeatedHeader     Reason = "repeated signature or timestamp header"
	MalformedSignature Reason = "malformed signature"
	MissingTimestamp   Reason = "missing timestamp"
	MalformedTimestamp Reason = "malformed timestamp"
	TooOld             Reason = "too old"
	FromTheFuture      Reason = "from the future"
	WrongSecret        Reason = "wrong secret or changed body"
	WrongToken         Reason = "wrong path token"
	OtherID            Reason = "header names another event than the body"
)

// Error implements error.
func (r Reason) Error() string { return string(r) }

// unverified makes an ErrUnverified with its Reason.
func unverified(r Reason) error { return fmt.Errorf("%w: %w", ErrUnverified, r) }
