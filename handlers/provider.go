package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// providers lists all providers. A provider's name gives it its path, /webhooks/<name>, and the variable of its secrets,
// <NAME>_WEBHOOK_SECRET.
var providers = map[string]struct {
	title   string // as the provider writes its name; if empty, the name
	new     func(name string, s Settings) (Provider, error)
	options []Option
	token   bool    // the secret is a token at the end of the path
	keys    *KeyAPI // the provider signs with keys of its own; secrets are for development only
	// retries is how long the provider sends a delivery again that was not answered with 200; 0 if its documentation does not say.
	retries time.Duration
}{
	"didit":       {title: "Didit", new: newDidit, retries: 5 * time.Minute},
	"legaltalent": {title: "Legal Talent", new: newLegalTalent, options: []Option{legalTalentContent}},
	"onfido":      {title: "Onfido", new: newOnfido},
	"persona":     {title: "Persona", new: newPersona, retries: 52 * time.Hour},
	"plaid":       {title: "Plaid", new: newPlaid, keys: &plaidKeys, retries: 24 * time.Hour},
	"stripe":      {title: "Stripe Identity", new: newStripe, retries: 3 * 24 * time.Hour},
	"sumsub":      {title: "Sumsub", new: newSumsub, options: []Option{sumsubSHA1}, retries: 25 * time.Hour},
	"trst":        {title: "TRST", new: newTRST, retries: 14 * 24 * time.Hour},
	"trustgate":   {title: "TrustGate", new: newTrustGate, options: []Option{trustGateFallback}},
	"trustist":    {title: "Trustist", new: newTrustist, token: true},
	"veriff":      {title: "Veriff", new: newVeriff, retries: 7 * 24 * time.Hour},

	"standardwebhooks": {title: "Standard Webhooks", new: newStandardWebhooks},
}

// Provider verifies and reads the deliveries of one provider. To add one, write a file with its constructor and its envelope function, such
// as stripe.go, and a line in the table above. Package jobs has the meaning of its payloads.
type Provider interface {
	// Verify checks the signature over the exact bytes of the body and then reads the envelope, in one call, so that no caller
	// can hold the envelope of an unverified delivery. It does no I/O, and its only clock is Delivery.ReceivedAt.
	//
	// The delivery is verified if the error is nil, ErrUnreadable or ErrContradictory; with the latter two the envelope holds
	// what could be read. With any other error the envelope is empty. No error contains a secret, a signature or a part of the body.
	Verify(d Delivery) (Envelope, error)

	// Envelope reads a body without verifying it. It is for tools and tests. If the event's ID is in a header only, the envelope has one
	// that is derived from the body.
	Envelope(body []byte) (Envelope, error)

	// Sign returns the request that the provider would send for the body at this time, signed with the first secret. If the event's ID is
	// in a header only, it is the one that Envelope derives from the body. If the time of signing is in the body, it is made acceptable.
	// Without a secret, the request is not signed.
	Sign(body []byte, at time.Time) Request

	// Schemes describes the signatures that Verify accepts. If a delivery has the headers of several, the first scheme decides.
	Schemes() []Scheme
}

// Delivery is one HTTP POST that claims to come from a provider. Trust nothing in it before it is verified.
type Delivery struct {
	Header     http.Header
	Token      string // the last segment of the path, for providers whose secret is there
	Body       []byte // exactly as received
	ReceivedAt time.Time
}

// Envelope says which event a verified delivery is. It is read while the provider waits. Package jobs reads the rest of the payload later.
type Envelope struct {
	Generation    string    // version of the payload's form, such as v1: the same type may have two meanings
	ExternalID    string    // the provider's ID of the event, or one derived from the body
	Derived       bool      // ExternalID is derived from the body
	Type          string    // the provider's own name, verbatim
	OccurredAt    time.Time // zero if the body does not say
	TenantID      string
	CorrelationID string
	Secret        int      // index of the secret that verified it
	Fingerprint   string   // of that secret, or of the ID of the provider's key; set by providers from NewProvider
	Sandbox       bool     // it comes from the provider's sandbox, according to its secret or its body
	Warnings      []string // for the log; they never quote the body
}

// Request is what a provider sends.
type Request struct {
	Path   string // below /webhooks/
	Header http.Header
	Body   []byte
}

// Settings are a provider's secrets and options. All secrets are active.
type Settings struct {
	Secrets []Secret
	Keys    *Keys             // of a provider with a KeyAPI
	Options map[string]string // by environment variable; if missing, the default is used
}

// Secret is a signing secret, or the token of a path.
type Secret struct {
	Value   string
	Sandbox bool // what it verifies comes from the provider's sandbox
}

// Option is a choice that a provider's documentation leaves open.
type Option struct {
	Name    string // the environment variable
	Default string
	Values  []string // the valid ones
}

// value returns the chosen value, or the default.
func (o Option) value(s Settings) (string, error) {
	v := cmp.Or(s.Options[o.Name], o.Default)
	if !slices.Contains(o.Values, v) {
		return "", fmt.Errorf("%s: want one of %s", o.Name, strings.Join(o.Values, ", "))
	}
	return v, nil
}

// ProviderNames lists the known providers, sorted.
func ProviderNames() []string { return slices.Sorted(maps.Keys(providers)) }

// ProviderTitle returns a provider's name as people write it.
func ProviderTitle(name string) string { return cmp.Or(providers[name].title, name) }

// TokenInPath reports whether the provider's secret is a token at the end of its path.
func TokenInPath(name string) bool { return providers[name].token }

// RetriesFor returns how long the provider sends a delivery again that was not answered with 200; 0 if that is unknown.
func RetriesFor(name string) time.Duration { return providers[name].retries }

// ProviderOptions lists the options of a provider.
func ProviderOptions(name string) []Option { return providers[name].options }

// KeyAPIOf returns where to get the keys of a provider that signs with keys of its own. Its secrets are for development only.
func KeyAPIOf(name string) (api KeyAPI, hasKeys bool) {
	if keys := providers[name].keys; keys != nil {
		return *keys, true
	}
	return KeyAPI{}, false
}

// Needs names the environment variables that turn a provider on.
func Needs(name string) string {
	if api, hasKeys := KeyAPIOf(name); hasKeys {
		return strings.Join(api.Credentials, " and ")
	}
	return strings.ToUpper(name) + "_WEBHOOK_SECRET"
}

// NewProvider returns the provider with that name. It is an error if the name is unknown, if there is neither a secret nor Keys, if a secret
// is empty, which would verify everybody, or cannot be decoded, or if an option is invalid.
func NewProvider(name string, s Settings) (Provider, error) {
	known, ok := providers[name]
	if !ok {
		return nil, fmt.Errorf("unknown provider %q", name)
	}
	if len(s.Secrets) == 0 && (known.keys == nil || s.Keys == nil) {
		return nil, fmt.Errorf("%s: no secret", name)
	}
	l := labelled{secrets: s.Secrets}
	for _, secret := range s.Secrets {
		if secret.Value == "" {
			return nil, fmt.Errorf("%s: a secret is empty", name)
		}
		l.fingerprints = append(l.fingerprints, Fingerprint(secret.Value))
	}
	var err error
	if l.Provider, err = known.new(name, s); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// labelled adds to an envelope the fingerprint of the secret that verified it, and whether that is a sandbox secret.
type labelled struct {
	Provider
	secrets      []Secret
	fingerprints []string
}

func (l labelled) Verify(d Delivery) (Envelope, error) {
	e, err := l.Provider.Verify(d)
	if isVerified(err) && e.Fingerprint == "" {
		e.Fingerprint = l.fingerprints[e.Secret]
		e.Sandbox = e.Sandbox || l.secrets[e.Secret].Sandbox
	}
	return e, err
}

var (
	// ErrUnverified means that a delivery is not proven to come from the provider. It must not be stored.
	ErrUnverified = errors.New("unverified delivery")
	// ErrKeyUnknown means that a delivery names a key that we do not have yet. The provider should send it again.
	ErrKeyUnknown = errors.New("unknown key")
	// ErrUnreadable means that a verified body does not say which event it is.
	ErrUnreadable = errors.New("unreadable body")
	// ErrContradictory means that a verified body contradicts itself, so that it cannot be applied.
	ErrContradictory = errors.New("contradictory body")
)

// isVerified reports whether a delivery is verified, given Verify's error. With an unexpected error it is not.
func isVerified(err error) bool {
	if errors.Is(err, ErrUnverified) || errors.Is(err, ErrKeyUnknown) {
		return false
	}
	return err == nil || errors.Is(err, ErrUnreadable) || errors.Is(err, ErrContradictory)
}

// Reason is why a delivery was refused. It goes to the log and the list of rejections, never to the sender. The metrics count by the text
// before the first colon.
type Reason string

// The reasons why a delivery is not verified.
const (
	MissingSignature   Reason = "missing signature"
	WeakSignature      Reason = "only a signature that does not cover the bytes of the body"
	RepeatedHeader     Reason = "repeated signature, hash, timestamp or ID header"
	MalformedSignature Reason = "malformed signature"
	RefusedHash        Reason = "hash function unknown or not accepted"
	MissingTimestamp   Reason = "missing timestamp"
	MalformedTimestamp Reason = "malformed timestamp"
	TooOld             Reason = "too old"
	FromTheFuture      Reason = "from the future"
	MissingID          Reason = "missing event ID header"
	MalformedID        Reason = "malformed event ID header"
	WrongSecret        Reason = "wrong secret or changed body"
	WrongToken         Reason = "wrong path token"
	WrongID            Reason = "header names another event than the body"
	UnknownKey         Reason = "unknown key"
	ExpiredKey         Reason = "expired key"
	NoReason           Reason = "not verified"
)

// The other reasons. Details may follow after a colon.
const (
	noPath      Reason = "no such path"
	noSecret    Reason = "no secret"
	noToken     Reason = "no token in the path"
	wrongMethod Reason = "wrong method"
	bodyCut     Reason = "body cut short or too slow"
)

// Error implements error.
func (r Reason) Error() string { return string(r) }

// unverified returns an error that wraps ErrUnverified and the reason.
func unverified(r Reason) error { return fmt.Errorf("%w: %w", ErrUnverified, r) }
