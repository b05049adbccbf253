package handlers

import (
	"cmp"
	"fmt"
)

// newTRST verifies deliveries from TRST: hex HMAC-SHA256 of the body in X-Webhook-Signature, after "sha256=". No time is signed, so a
// repeated delivery is recognized only by its ID.
//
// https://docs.trstinc.ca/webhooks/security.html
func newTRST(name string, s Settings) (Provider, error) {
	return newSigned(name, s, trstEnvelope, Scheme{
		Header: "X-Webhook-Signature", Prefix: "sha256=", Messages: []string{signsBody},
	}), nil
}

// trstEnvelope reads a body. TRST's schema has the type inside data; its sample code reads it at the top.
//
// https://docs.trstinc.ca/webhooks/events.html
func trstEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	r.ExternalID = r.need(o, "event_id")
	r.OccurredAt = r.time(o, "timestamp")
	r.TenantID = r.optional(o, "project_id")
	inner, top := r.optional(o.object("data"), "event_type"), r.optional(o, "event_type")
	r.Type = cmp.Or(inner, top)
	if r.Type == "" {
		r.unreadable("event_type is missing")
	}
	if top != "" && top != r.Type {
		r.fault(fmt.Errorf("%w: event_type at the top and in data differ", ErrContradictory))
	}
	return r.result()
}
