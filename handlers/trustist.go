package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// trustist verifies deliveries from Trustist. No signature is documented, so the only thing that authenticates the caller
// is a long random token at the end of the path, which is the provider's secret here.
//
// https://api.trustistecommerce.com/docs/webhooks
type trustist struct {
	tokens [][sha256.Size]byte
	first  string
}

func newTrustist(ss secrets, _ Settings) Provider {
	p := trustist{first: string(ss[0])}
	for _, s := range ss {
		p.tokens = append(p.tokens, sha256.Sum256(s))
	}
	return p
}

func (p trustist) Verify(d Delivery) (Envelope, error) {
	got, secret := sha256.Sum256([]byte(d.Token)), -1
	for i, want := range p.tokens {
		secret = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(got[:], want[:]), i, secret)
	}
	if secret < 0 {
		return Envelope{}, unverified(WrongToken)
	}
	e, err := p.envelope(d.Body)
	e.Secret = secret
	return e, err
}

func (p trustist) Sign([]byte, time.Time) Request {
	return Request{Path: "trustist/" + url.PathEscape(p.first), Header: http.Header{}}
}

func (p trustist) Schemes() []Scheme { return []Scheme{{}} }

// envelope tells the forms apart by their keys: a Session object is the newer generation (v2), data the older one (v1),
// eventType a payment or partner event, which may be sent to the same URL.
func (p trustist) envelope(body []byte) (Envelope, error) {
	o, err := decode(body)
	if err != nil {
		return Envelope{}, err
	}
	switch {
	case o.has("Session"):
		return p.session(o, "v2", "Event", "Timestamp", "Session", "Id", "Status", "Progress", "CompletedAt")
	case o.has("data"):
		return p.session(o, "v1", "event", "timestamp", "data", "sessionId", "status", "progress", "completedAt")
	case o.has("eventType"):
		return p.payment(o, body)
	}
	return Envelope{}, unreadable("it has neither Session, data nor eventType")
}

// session reads an identity event by the names its generation uses. Its ID is derived from the session and its outcome,
// and not from the timestamp, which a retry may carry anew. For the same reason it occurred when its last step was
// completed, if that is said.
func (p trustist) session(o object, generation, event, timestamp, wrapper, id, status, progress, completed string) (e Envelope, err error) {
	e.Generation, e.Derived = generation, true
	if e.Type, err = o.need(event); err != nil {
		return e, err
	}
	if e.OccurredAt, err = o.time(timestamp); err != nil {
		return e, err
	}
	s, err := o.object(wrapper)
	if err != nil {
		return e, err
	}
	session, err := s.need(id)
	if err != nil {
		return e, err
	}
	outcome, err := canonical(s[status], s[progress])
	if err != nil {
		return e, err
	}
	e.ExternalID = derivedID("trustist", e.Type, session, outcome)
	if last := latest(s, progress, completed); !last.IsZero() {
		e.OccurredAt = last
	}
	return e, nil
}

// latest returns when the last step of a session was completed, or zero if no step says so.
func latest(s object, progress, completed string) (last time.Time) {
	steps, err := s.object(progress)
	if err != nil {
		return last
	}
	for name := range steps {
		step, err := steps.object(name)
		if err != nil {
			continue
		}
		if at, err := step.time(completed); err == nil && at.After(last) {
			last = at
		}
	}
	return last
}

// partnerTypes are the events of https://trustist-docs-d0j.pages.dev/docs/partners/partner-webhooks. All others that carry
// eventType are payments.
var partnerTypes = []string{"InvitationStatusChanged", "PaymentStatusChanged"}

// payment reads a payment or partner event, which is about money and not about identity.
func (p trustist) payment(o object, body []byte) (e Envelope, err error) {
	e.Generation, e.Derived = "payment", true
	if e.Type, err = o.need("eventType"); err != nil {
		return e, err
	}
	if slices.Contains(partnerTypes, e.Type) {
		e.Generation = "partner"
	}
	if e.TenantID, err = o.text("merchantId"); err != nil {
		return e, err
	}
	e.ExternalID = bodyID(body)
	for _, name := range []string{"paymentId", "standingOrderId", "invitationId"} {
		id, err := o.text(name)
		if err != nil {
			return e, err
		}
		if id != "" {
			status, err := o.text("status")
			if err != nil {
				return e, err
			}
			if status != "" { // without it, what happens each month would be one event
				e.ExternalID = derivedID(e.Type, id, status)
			}
			break
		}
	}
	for _, name := range []string{"updated", "created"} {
		if at, err := o.time(name); err == nil {
			e.OccurredAt = at
			break
		}
	}
	return e, nil
}
