package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// diditMaxAge is how old a delivery may be. Didit tries for about five minutes, and does not document whether a later try has a new time.
const diditMaxAge = 600 * time.Second

// newDidit verifies deliveries from Didit: hex HMAC-SHA256 of the body in X-Signature. For a day after a rotation of the secret,
// X-Signature-Previous has the same with the previous secret. The key is the secret verbatim.
//
// The time of signing is timestamp in the body. X-Timestamp repeats it, but is not signed, so it is not read. X-Signature-V2 covers the body
// after its JSON has been decoded and encoded again, for receivers without the original bytes. X-Signature-Simple covers four members
// only: not the decision, and not whom it is about. Neither is accepted, nor is a body that a proxy has rewritten. The events
// kyb.registry_search.resolved are not signed at all, so they are refused, too.
//
// Didit does not repeat a delivery that was answered with 401. After a wrong secret, send the deliveries again from Didit's console. A
// delivery that is sent again with its old timestamp is refused once that is 10 minutes old: look up its session in the console.
//
// https://docs.didit.me/integration/webhooks
func newDidit(name string, s Settings) (Provider, error) {
	const header, simple, rewritten = "X-Signature", "X-Signature-Simple", "X-Signature-V2"
	p := newSigned(name, s, diditEnvelope, Scheme{
		Header: header, Previous: header + "-Previous", Weak: []string{rewritten, simple, rewritten + "-Previous", simple + "-Previous"},
		Messages: []string{signsBody}, TimeIn: "timestamp", MaxAge: diditMaxAge, MaxAhead: tolerance,
	})
	p.header = http.Header{"User-Agent": {"DiditWebhook/2.0 +https://didit.me"}}
	return p, nil
}

// diditSingular are the members of a decision in version 2 of the payload. Version 3 has lists in their place.
var diditSingular = []string{"id_verification", "nfc", "liveness", "face_match", "aml", "poa", "phone", "email"}

// diditEnvelope reads a body. Its version is a setting of the webhook's destination, and only the form of the decision shows it.
//
// The ID is derived, since Didit does not document whether a retry has a new event_id and timestamp. If it has a new event_id, it counts as
// another event that says the same. If it has a new timestamp only, it is the same event. Test webhooks may have no event_id: then session,
// type, status and created_at tell them apart.
//
// Which time is the event's own is not documented: it may be timestamp, or created_at, which is some seconds older in Didit's examples.
// created_at may be the session's, and so the same in all of its events. So timestamp counts. If your deliveries show that created_at is the
// event's, put it first: a retry will then not count as newer than what happened since the first try.
func diditEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v3")
	if decision := o.object("decision"); slices.ContainsFunc(diditSingular, decision.has) {
		r.Generation = "v2"
	}
	r.Type = r.need(o, "webhook_type")
	r.OccurredAt = r.time(o, "timestamp", "created_at")
	r.TenantID = r.optional(o, "application_id")
	r.CorrelationID = cmp.Or(r.optional(o, "session_id"), r.optional(o, "business_session_id"))
	r.Sandbox = strings.EqualFold(r.optional(o, "environment"), "sandbox") || string(o.object("metadata")["test_webhook"]) == "true"
	r.Derived, r.ExternalID = true, bodyID(body)
	id, created, status := r.optional(o, "event_id"), r.optional(o, "created_at"), r.optional(o, "status")
	switch {
	case id != "":
		r.ExternalID = derivedID(id, r.CorrelationID, r.Type, status)
	case r.CorrelationID != "" && created != "":
		r.ExternalID = derivedID(r.CorrelationID, r.Type, status, created)
	}
	return r.result()
}
