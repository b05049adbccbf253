package handlers

import (
	"fmt"
	"net/http"
	"time"
)

// trst verifies deliveries from TRST: hex HMAC-SHA256 of the body in X-Webhook-Signature, after "sha256=". There is no time
// in the signature, so only the inbox keeps a replayed delivery from having an effect.
//
// https://docs.trstinc.ca/webhooks/security.html
type trst struct{ secrets secrets }

func newTRST(ss secrets, _ Settings) Provider { return trst{ss} }

func (p trst) Verify(d Delivery) (Envelope, error) {
	mac, err := signature(d.Header, "X-Webhook-Signature", "sha256=")
	if err != nil {
		return Envelope{}, err
	}
	signer := p.secrets.signer(mac, d.Body)
	if signer < 0 {
		return Envelope{}, unverified(WrongSecret)
	}
	e, err := p.envelope(d.Body)
	e.Secret = signer
	return e, err
}

func (p trst) Sign(body []byte, _ time.Time) Request {
	return Request{Path: "trst", Header: http.Header{
		"X-Webhook-Signature": {"sha256=" + p.secrets.sign(body)},
	}}
}

func (p trst) Schemes() []Scheme {
	return []Scheme{{Signature: "X-Webhook-Signature", Prefix: "sha256=", Contents: []string{FormBody}}}
}

// envelope reads a body. The schema has the type inside data, the sample code reads it at the top.
//
// https://docs.trstinc.ca/webhooks/events.html
func (p trst) envelope(body []byte) (e Envelope, err error) {
	o, err := decode(body)
	if err != nil {
		return e, err
	}
	e.Generation = "v1"
	if e.ExternalID, err = o.need("event_id"); err != nil {
		return e, err
	}
	if e.OccurredAt, err = o.time("timestamp"); err != nil {
		return e, err
	}
	if e.TenantID, err = o.text("project_id"); err != nil {
		return e, err
	}
	top, err := o.text("event_type")
	if err != nil {
		return e, err
	}
	if !o.has("data") {
		o["data"] = []byte("{}")
	}
	data, err := o.object("data")
	if err != nil {
		return e, err
	}
	if e.Type, err = data.text("event_type"); err != nil {
		return e, err
	}
	switch {
	case e.Type == "" && top == "":
		return e, unreadable("event_type is missing")
	case e.Type == "":
		e.Type = top
	case top != "" && top != e.Type:
		return e, fmt.Errorf("%w: event_type at the top and in data differ", ErrContradictory)
	}
	return e, nil
}
