// Package diagnosis explains why a delivery is not valid. The provider's own Verify decides whether a delivery is valid. If
// it is not, a search tries typical mistakes in the body, the signed message and the key, until one or two of them explain
// the signature.
//
// An explanation never contains a secret, a signature or a part of a body.
package diagnosis

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Case is a delivery, and what to verify it with.
type Case struct {
	Request
	Secrets map[string][]handlers.Secret // by provider; those of other providers only help to explain a failure
	Spare   []handlers.Secret            // more secrets of the provider, which only help to explain a failure
	Options map[string]string
}

// Finding is the result. A valid delivery has an event and no cause.
type Finding struct {
	Valid       bool     `json:"valid"`
	Provider    string   `json:"provider"`
	Cause       Cause    `json:"cause,omitempty"`
	Also        []Cause  `json:"also,omitempty"` // further causes; the explanation and the hint cover them as well
	Explanation string   `json:"explanation,omitempty"`
	Hint        string   `json:"hint,omitempty"`
	Warnings    []string `json:"warnings,omitempty"` // what is odd about a valid delivery
	Event       *Event   `json:"event,omitempty"`
}

// Event says which event a valid delivery is about.
type Event struct {
	Type       string    `json:"type"`
	ExternalID string    `json:"external_id"`
	OccurredAt time.Time `json:"occurred_at,omitzero"` // zero if the body does not say
	Generation string    `json:"generation"`
	Sandbox    bool      `json:"sandbox"` // according to the secret or the body
}

// Cause is what is wrong with a delivery, as a name that programs can rely on.
type Cause string

// fault is one thing that is wrong, and what to do about it, in a sentence or two each.
type fault struct {
	cause             Cause
	explanation, hint string
}

// Diagnose verifies a delivery and, if it is not valid, says why. It does no I/O. It returns the error of
// handlers.NewProvider if there is no such provider, or no secret to verify with.
func Diagnose(c Case) (Finding, error) {
	p, err := c.provider(c.Provider)
	if err != nil {
		return Finding{}, err
	}
	if n := len(c.Delivery.Body); n > handlers.MaxBody {
		return c.invalid(fault{"body_too_large",
			fmt.Sprintf("The body has %d bytes, and the server accepts at most %d.", n, handlers.MaxBody),
			"Ask the provider why: the documented bodies are much smaller."}), nil
	}
	e, err := p.Verify(c.Delivery)
	switch {
	case err == nil:
		event := Event{e.Type, e.ExternalID, e.OccurredAt.UTC(), e.Generation, e.Sandbox}
		return Finding{Valid: true, Provider: c.Provider, Warnings: e.Warnings, Event: &event}, nil
	case errors.Is(err, handlers.ErrUnreadable):
		return c.invalid(fault{"unreadable_body",
			fmt.Sprintf("The secret is right, but the server stores the event as failed: %s.", err),
			"Compare the body with the provider's documentation."}), nil
	case errors.Is(err, handlers.ErrContradictory):
		return c.invalid(fault{"contradictory_body",
			fmt.Sprintf("The secret is right, but the server stores the event as quarantined: %s.", err),
			"Ask the provider which value counts."}), nil
	}
	reason, _ := errors.AsType[handlers.Reason](err)
	return c.invalid(c.faults(p, reason)...), nil
}

// provider returns a provider with its secrets.
func (c Case) provider(name string) (handlers.Provider, error) {
	return handlers.NewProvider(name, handlers.Settings{Secrets: c.Secrets[name], Keys: &handlers.Keys{}, Options: c.Options})
}

// invalid makes a finding from faults. The first is the one to fix first.
func (c Case) invalid(faults ...fault) Finding {
	f := Finding{Provider: c.Provider, Cause: faults[0].cause, Explanation: faults[0].explanation, Hint: faults[0].hint}
	for _, also := range faults[1:] {
		if also.cause == f.Cause || slices.Contains(f.Also, also.cause) {
			continue
		}
		f.Also = append(f.Also, also.cause)
		f.Explanation += " Also: " + also.explanation
		if !strings.Contains(f.Hint, also.hint) {
			f.Hint += " Then: " + also.hint
		}
	}
	return f
}

// faults explains why a delivery was refused for this reason. There is always at least one.
func (c Case) faults(p handlers.Provider, reason handlers.Reason) []fault {
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		other, err := c.provider(name)
		if err != nil {
			continue
		}
		if _, err := other.Verify(c.Delivery); err == nil {
			return []fault{{"other_provider",
				fmt.Sprintf("The delivery is from %s: the configured secret of %s verifies it.", name, name),
				fmt.Sprintf("At %s, register the URL that ends in /webhooks/%s.", name, name)}}
		}
	}
	h := c.Delivery.Header
	s := p.Schemes()[0]
	for _, other := range slices.Backward(p.Schemes()) { // use the first one whose header is there
		if len(h.Values(other.Header)) > 0 {
			s = other
		}
	}
	headers := []string{s.Header, s.Previous, s.HashNamed, s.Timestamp}
	if s.SignsID() {
		headers = append(headers, s.ID)
	}
	for _, name := range headers {
		if n := len(h.Values(name)); n > 1 {
			return []fault{{"repeated_header", fmt.Sprintf("%s is there %d times, and it is not clear which one counts.", name, n),
				"Make sure that it is sent only once: a proxy may add a second one."}}
		}
	}
	switch {
	case reason == handlers.WrongToken:
		return []fault{c.wrongToken()}
	case reason == handlers.WrongID:
		return []fault{{"other_id",
			fmt.Sprintf("The signature is right, but %s differs from the event's ID in the body, or is there twice.", s.ID),
			"Send the header and the body of the same delivery: a proxy or a test may have mixed them up."}}
	case reason == handlers.MissingID:
		return []fault{{"missing_id", fmt.Sprintf("%s is missing or empty. It has the event's ID, which is signed.", s.ID),
			fmt.Sprintf("Send %s, and check that no proxy drops it.", s.ID)}}
	case reason == handlers.MalformedID:
		return []fault{{"malformed_id", s.ID + " is longer than 255 bytes, or not UTF-8.", "Send the event's ID in it, as short text."}}
	case h.Get(s.Header) == "":
		return []fault{c.noSignature(s)}
	case s.JWT:
		return c.tokenFaults(s)
	case reason == handlers.RefusedHash:
		return []fault{refusedHash(s, h.Get(s.HashNamed))}
	}
	s, err := s.For(h)
	if err != nil {
		return []fault{undecided}
	}
	return c.signatureFaults(s)
}

// wrongToken says what is wrong with the token in the path.
func (c Case) wrongToken() fault {
	hint := fmt.Sprintf("Register the URL that ends in /webhooks/%s/<secret>, with special characters escaped once.", c.Provider)
	if c.Delivery.Token == "" {
		return fault{"missing_token", "The secret is missing at the end of the path.", hint}
	}
	for _, change := range c.keyChanges() {
		for _, secret := range values(c.Secrets[c.Provider]) {
			if slices.Contains(change.of(secret), c.Delivery.Token) {
				change.fault.explanation = "The path ends in a wrong secret. " + change.fault.explanation
				return change.fault
			}
		}
	}
	return fault{"wrong_token", "The path does not end in a configured secret.", hint}
}

// signatureFaults says what is wrong with the signature and the timestamp.
func (c Case) signatureFaults(s handlers.Scheme) []fault {
	readings := readSignature(s, c.Delivery.Header.Get(s.Header))
	if readings[0].mac == nil {
		return readings[0].faults
	}
	for _, previous := range readSignature(s, c.Delivery.Header.Get(s.Previous)) {
		if previous.mac != nil {
			readings = append(readings, previous)
		}
	}
	r, changes, explained := c.explain(s, readings)
	timestamp := c.timestamp(s, r)
	untimed := noTimestamp(s, timestamp)
	faults := slices.Concat(r.faults, untimed)
	switch {
	case explained && len(changes) == 0 && len(faults) > 0:
		faults[0].explanation += " Apart from that, the signature is right."
	case explained:
		faults = append(faults, changes...)
	case untimed == nil: // without the timestamp, it is not known what was signed
		faults = append(faults, c.unexplained())
	}
	if untimed == nil {
		faults = append(faults, stale(s, c.signedAt(s, timestamp), c.Delivery.ReceivedAt)...)
	}
	if len(faults) == 0 { // the provider refuses a delivery that its scheme allows
		return []fault{undecided}
	}
	return faults
}

var undecided = fault{"wrong_secret_or_changed_body", "The signature is well formed, but nothing that was tried leads to it: " +
	"either another secret was used, or this is not the body that was signed.",
	"Compare the secret with the one in the provider's dashboard. If it is the same, capture the body as bytes, not from a log."}

// unexplained is the fault of a signature that nothing explains.
func (c Case) unexplained() fault {
	switch {
	case c.Missing > 0:
		return fault{"body_cut_short", fmt.Sprintf("The body is cut short: Content-Length promises %d bytes more.", c.Missing),
			"Capture the whole delivery."}
	case len(c.Delivery.Body) == 0:
		return fault{"body_empty", "The body is empty, but the signature is that of another body.",
			"Find out what reads the body before it is captured."}
	}
	return undecided
}
