package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// trustist verifies deliveries from Trustist. No signature is documented, so the only proof of the sender is a long random token at the end
// of the path. The token is the provider's secret here.
//
// https://api.trustistecommerce.com/docs/webhooks
type trustist struct {
	path   string // with the first token
	tokens [][sha256.Size]byte
}

func newTrustist(name string, s Settings) (Provider, error) {
	p := trustist{path: name + "/" + url.PathEscape(s.Secrets[0].Value)}
	for _, secret := range s.Secrets {
		p.tokens = append(p.tokens, sha256.Sum256([]byte(secret.Value)))
	}
	return p, nil
}

func (p trustist) Verify(d Delivery) (Envelope, error) {
	got, signer := sha256.Sum256([]byte(d.Token)), -1
	for i, want := range p.tokens {
		signer = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(got[:], want[:]), i, signer)
	}
	if signer < 0 {
		return Envelope{}, unverified(WrongToken)
	}
	e, err := p.Envelope(d.Body)
	e.Secret = signer
	return e, err
}

func (p trustist) Sign(body []byte, _ time.Time) Request {
	return Request{Path: p.path, Header: http.Header{}, Body: body}
}

func (p trustist) Schemes() []Scheme { return []Scheme{{}} }

// trustistNames are the member names of a session event.
type trustistNames struct{ event, timestamp, session, id, status, progress, completedAt string }

var (
	trustistOlder = trustistNames{"event", "timestamp", "data", "sessionId", "status", "progress", "completedAt"}
	trustistNewer = trustistNames{"Event", "Timestamp", "Session", "Id", "Status", "Progress", "CompletedAt"}
)

// Envelope recognizes the form by its members: Session is the newer generation (v2), data the older one (v1), and eventType a payment or
// partner event, which may be sent to the same URL.
func (p trustist) Envelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v2")
	r.Derived = true
	switch {
	case o.has("Session"):
		r.trustistSession(o, trustistNewer)
	case o.has("data"):
		r.Generation = "v1"
		r.trustistSession(o, trustistOlder)
	case o.has("eventType"):
		r.trustistPayment(o, body)
	default:
		r.Generation = ""
		r.unreadable("it has neither Session, data nor eventType")
	}
	return r.result()
}

// trustistSession derives the ID from the session and its result. The timestamp is not part of the ID, since a retry may have a new one.
// For the same reason the time of the event is the end of the last step, if the body has it.
func (r *reading) trustistSession(o object, names trustistNames) {
	r.Type = r.need(o, names.event)
	session := o.object(names.session)
	if id := r.need(session, names.id); id != "" && r.Type != "" {
		r.ExternalID = derivedID("trustist", r.Type, id, canonicalHash(session[names.status], session[names.progress]))
	}
	steps := session.object(names.progress)
	for name := range steps {
		at, _ := readTime(steps.object(name)[names.completedAt])
		if at.After(r.OccurredAt) {
			r.OccurredAt = at
		}
	}
	if r.OccurredAt.IsZero() {
		r.OccurredAt = r.time(o, names.timestamp)
	}
}

// trustistPartnerTypes are the events of https://trustist-docs-d0j.pages.dev/docs/partners/partner-webhooks. All others that carry
// eventType are payments.
var trustistPartnerTypes = []string{"InvitationStatusChanged", "PaymentStatusChanged"}

// trustistPayment reads a payment or partner event, which is about money and not about identity.
func (r *reading) trustistPayment(o object, body []byte) {
	r.Generation = "payment"
	r.Type = r.need(o, "eventType")
	if slices.Contains(trustistPartnerTypes, r.Type) {
		r.Generation = "partner"
	}
	r.TenantID = r.optional(o, "merchantId")
	r.OccurredAt = r.time(o, "updated", "created")
	r.ExternalID = bodyID(body)
	status := r.optional(o, "status")
	for _, name := range []string{"paymentId", "standingOrderId", "invitationId"} {
		if id := r.optional(o, name); id != "" {
			if status != "" { // without a status, each month's event would have the same ID
				r.ExternalID = derivedID(r.Type, id, status)
			}
			return
		}
	}
}
