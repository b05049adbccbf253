// Package diagnosis says why a delivery is not verified. The provider's own Verify decides whether it is. Only if it is not, a
// search tries what else may have been signed, with which key and in which form, until something leads to the signature.
//
// What it says never contains a secret, a signature or a part of a body.
package diagnosis

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Case is a delivery, and what to verify it with.
type Case struct {
	Provider string
	Secrets  map[string][]handlers.Secret // by provider; those of other providers are only tried
	Spare    []handlers.Secret            // secrets of the provider that are only tried
	Options  map[string]string
	Delivery handlers.Delivery
	Missing  int    // bytes of the body that Content-Length promises and that are not there
	Extra    []byte // what follows the body that Content-Length promises
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
	OccurredAt time.Time `json:"occurred_at"`
	Generation string    `json:"generation"`
}

// Cause is what is wrong with a delivery, as a name that programs can rely on.
type Cause string

// fault is one thing that is wrong, and what to do about it, in a sentence each.
type fault struct {
	cause             Cause
	explanation, hint string
}

// Diagnose verifies a delivery and, if that fails, says why. It does no I/O. The error is that of handlers.NewProvider: there is no
// such provider, or no secret to verify with.
func Diagnose(c Case) (Finding, error) {
	p, err := c.provider(c.Provider)
	if err != nil {
		return Finding{}, err
	}
	if n := len(c.Delivery.Body); n > handlers.MaxBody {
		return c.invalid(fault{"body_too_large", fmt.Sprintf("The body has %d bytes, and the server accepts at most %d.", n, handlers.MaxBody),
			"Ask the provider why: the documented bodies are much smaller."}), nil
	}
	e, err := p.Verify(c.Delivery)
	switch {
	case err == nil:
		return Finding{Valid: true, Provider: c.Provider, Warnings: e.Warnings, Event: &Event{e.Type, e.ExternalID, e.OccurredAt.UTC(), e.Generation}}, nil
	case errors.Is(err, handlers.ErrUnreadable):
		return c.invalid(fault{"unreadable_body", "The signature is right, but the body cannot be read: " + detail(err, handlers.ErrUnreadable) + ".",
			"Compare the body with the provider's documentation. The server answers 200 and stores the event as failed."}), nil
	case errors.Is(err, handlers.ErrContradictory):
		return c.invalid(fault{"contradictory_body", "The signature is right, but the body contradicts itself: " + detail(err, handlers.ErrContradictory) + ".",
			"Ask the provider which value counts. The server answers 200 and stores the event as quarantined."}), nil
	}
	reason, _ := errors.AsType[handlers.Reason](err)
	return c.invalid(c.faults(p, reason)...), nil
}

// detail is what an error says after its sentinel's words.
func detail(err, sentinel error) string {
	return strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
}

// invalid makes a finding of faults, the one to fix first in front.
func (c Case) invalid(faults ...fault) Finding {
	f := Finding{Provider: c.Provider, Cause: faults[0].cause, Explanation: faults[0].explanation, Hint: faults[0].hint}
	for _, also := range faults[1:] {
		if also.cause == f.Cause || slices.Contains(f.Also, also.cause) {
			continue
		}
		f.Also = append(f.Also, also.cause)
		f.Explanation += " Also: " + also.explanation
		f.Hint += " Then: " + also.hint
	}
	return f
}

// faults says why a delivery was refused for this reason. There is always at least one.
func (c Case) faults(p handlers.Provider, reason handlers.Reason) []fault {
	if f, found := c.fromOther(); found {
		return []fault{f}
	}
	s := nearest(p, c.Delivery.Header)
	switch reason {
	case handlers.WrongToken:
		return []fault{c.wrongToken()}
	case handlers.WrongID:
		return []fault{wrongID(s.ID, len(c.Delivery.Header.Values(s.ID)))}
	}
	for _, name := range []string{s.Header, s.Timestamp} {
		if n := len(c.Delivery.Header.Values(name)); name != "" && n > 1 {
			return []fault{{"repeated_header", fmt.Sprintf("%s comes %d times, and it is not clear which one counts.", name, n),
				"Make sure that it is sent once: a proxy may add one of its own."}}
		}
	}
	faults, explained := c.signatureFaults(p, s)
	if f, found := c.otherForm(s); found && !explained {
		return []fault{f}
	}
	if len(faults) == 0 { // the reason is one that nothing here knows
		return []fault{undecided}
	}
	return faults
}

var undecided = fault{
	"wrong_secret_or_changed_body",
	"The signature is well formed and matches nothing that was tried: either another secret was used, or this is not the body that was signed.",
	"Compare the secret with the one in the provider's dashboard. If it is the same, capture the body as bytes, not from a log.",
}

func wrongID(header string, values int) fault {
	if values > 1 {
		return fault{"other_id", fmt.Sprintf("The signature is right, but %s comes %d times.", header, values),
			"Send the header once or not at all: the ID that counts is the one in the body."}
	}
	return fault{"other_id", fmt.Sprintf("The signature is right, but %s names another event than the body.", header),
		"Send the header and the body of the same delivery. The header is not signed, so a proxy or a test may have mixed them up."}
}

// signatureFaults says what is wrong with the signature and the timestamp, and whether they explain the signature.
func (c Case) signatureFaults(p handlers.Provider, s handlers.Scheme) (faults []fault, explained bool) {
	h := c.Delivery.Header
	if h.Get(s.Header) == "" {
		return c.noSignature(s)
	}
	m, faults := readMAC(s, h.Get(s.Header))
	timestamp := m.timestamp
	if s.Timestamp != "" {
		timestamp = h.Get(s.Timestamp)
	}
	untimed, isUntimed := noTimestamp(s, timestamp)
	if isUntimed && (!s.Pairs || m.macs != nil) {
		faults = append(faults, untimed)
	}
	if m.macs != nil {
		var wrong []fault
		if wrong, explained = c.newSearch(s, m.timestamp).explain(m); !explained && m.hash == crypto.SHA1 {
			// A longer MAC that is cut off may be as long as one of SHA-1.
			m.hash, m.partial = crypto.SHA256, true
			i := slices.IndexFunc(faults, func(f fault) bool { return f.cause == "other_hash" })
			if wrong, explained = c.newSearch(s, m.timestamp).explain(m); explained && i >= 0 {
				faults[i].cause, faults[i].explanation = "truncated_signature", s.Header+" is cut off."
			}
		}
		switch {
		case explained && len(wrong) == 0 && len(faults) > 0:
			faults[0].explanation += " Apart from that the signature is right."
		case explained:
			faults = append(faults, wrong...)
		case isUntimed && slices.ContainsFunc(s.Messages, func(m string) bool { return strings.Contains(m, "{timestamp}") }): // nobody can tell
		default:
			faults = append(faults, c.unexplained(p, s))
		}
	}
	if late, isLate := stale(s, timestamp, c.Delivery.ReceivedAt); isLate {
		faults = append(faults, late)
	}
	return faults, explained
}

// unexplained is the fault of a signature that nothing explains.
func (c Case) unexplained(p handlers.Provider, s handlers.Scheme) fault {
	for _, other := range p.Schemes() {
		value := c.Delivery.Header.Get(other.Header)
		if other.Header == s.Header || value == "" {
			continue
		}
		m, faults := readMAC(other, value)
		other.Messages, other.Timestamp = append(slices.Clone(s.Messages), other.Messages...), s.Timestamp
		if wrong, found := c.newSearch(other, m.timestamp).explain(m); found && len(wrong)+len(faults) == 0 {
			return fault{"other_header", fmt.Sprintf("%s is wrong, although %s is right.", s.Header, other.Header),
				fmt.Sprintf("Ask the provider which secret it signs %s with: that header is the one that counts.", s.Header)}
		}
	}
	switch {
	case c.Missing > 0:
		return fault{"body_cut_short", fmt.Sprintf("The body is cut short: Content-Length promises %d bytes more.", c.Missing), "Capture the whole delivery."}
	case len(c.Delivery.Body) == 0:
		return fault{"body_empty", "The body is empty, and the signature is that of another one.", "Find out what reads the body before you capture it."}
	}
	return undecided
}
