// Package diagnosis says why a delivery is not verified. The provider's own Verify decides whether it is; only then are guesses
// tried at what was signed, with which key and in which form, until one leads to the MAC that was sent.
//
// What it says never contains a secret, a MAC or a body.
package diagnosis

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Case is a delivery, and what it is to be verified with.
type Case struct {
	Provider string
	Secrets  map[string][]string // by provider; those of other providers are only tried
	Spare    []string            // secrets of the provider that are only tried
	Settings handlers.Settings
	Delivery handlers.Delivery
	Missing  int    // bytes of the body that are not there, though Content-Length promises them
	Extra    []byte // what follows the body that Content-Length promises
}

// Finding is what came of it. A valid delivery has an event and no cause.
type Finding struct {
	Valid       bool    `json:"valid"`
	Provider    string  `json:"provider"`
	Cause       Cause   `json:"cause,omitempty"`
	Also        []Cause `json:"also,omitempty"` // further causes, which the explanation and the hint speak of, too
	Explanation string  `json:"explanation,omitempty"`
	Hint        string  `json:"hint,omitempty"`
	Warning     string  `json:"warning,omitempty"` // what is odd about a valid delivery
	Event       *Event  `json:"event,omitempty"`
}

// Event is which event a valid delivery is about.
type Event struct {
	Type       string    `json:"type"`
	ExternalID string    `json:"external_id"`
	OccurredAt time.Time `json:"occurred_at"`
	Generation string    `json:"generation"`
}

// Diagnose verifies a delivery and, if that fails, says why. It is pure. The error is that of handlers.NewProvider: there is no
// such provider, or no secret to verify with.
func Diagnose(c Case) (Finding, error) {
	p, err := handlers.NewProvider(c.Provider, c.Secrets[c.Provider], c.Settings)
	if err != nil {
		return Finding{}, err
	}
	if n := len(c.Delivery.Body); n > handlers.MaxBody {
		return c.invalid(bodyTooLarge(n)), nil
	}
	e, err := p.Verify(c.Delivery)
	switch {
	case err == nil:
		return Finding{Valid: true, Provider: c.Provider, Warning: e.Warning, Event: &Event{
			Type: e.Type, ExternalID: e.ExternalID, OccurredAt: e.OccurredAt.UTC(), Generation: e.Generation,
		}}, nil
	case errors.Is(err, handlers.ErrUnreadable):
		return c.invalid(unreadable(err)), nil
	case errors.Is(err, handlers.ErrContradictory):
		return c.invalid(contradictory(err)), nil
	}
	var reason handlers.Reason
	if !errors.As(err, &reason) {
		return Finding{}, fmt.Errorf("verify delivery: %w", err)
	}
	return c.invalid(c.faults(p, reason)...), nil
}

// invalid makes a finding of faults, the one to mend first in front.
func (c Case) invalid(faults ...fault) Finding {
	f := Finding{Provider: c.Provider, Cause: faults[0].cause, Explanation: faults[0].explanation, Hint: faults[0].hint}
	for _, also := range faults[1:] {
		if also.cause == f.Cause || slices.Contains(f.Also, also.cause) {
			continue
		}
		f.Also = append(f.Also, also.cause)
		f.Explanation += " Besides: " + also.explanation
		f.Hint += " And: " + also.hint
	}
	return f
}

// faults says why a delivery was rejected for this reason. There is always at least one.
func (c Case) faults(p handlers.Provider, reason handlers.Reason) []fault {
	if f, found := c.fromOther(); found {
		return []fault{f}
	}
	switch reason {
	case handlers.WrongToken:
		return c.wrongToken()
	case handlers.OtherID:
		id := nearest(p, c.Delivery.Header).ID
		return []fault{otherID(id, len(c.Delivery.Header.Values(id)))}
	}
	s := nearest(p, c.Delivery.Header)
	if f, found := repeated(s, c.Delivery.Header); found {
		return []fault{f}
	}
	faults, explained := c.signatureFaults(p, s)
	if f, found := c.formOfOther(s); found && !explained {
		return []fault{f}
	}
	if len(faults) == 0 { // the reason is one that nothing here knows
		faults = []fault{undecided()}
	}
	return faults
}
