package handlers

import "cmp"

// newOnfido verifies deliveries from Onfido, which is Entrust now: hex HMAC-SHA256 of the body in X-SHA2-Signature. The key is the token
// of the webhook. X-Signature, with SHA-1, is that of older webhooks and not accepted. No time is signed, so a repeated delivery is
// recognized only by its ID.
//
// A payload does not name its environment: register one webhook for live and one for the sandbox, since each has a token of its own.
//
// https://documentation.onfido.com/api/latest/#webhooks
func newOnfido(name string, s Settings) (Provider, error) {
	return newSigned(name, s, onfidoEnvelope, Scheme{Header: "X-SHA2-Signature", Messages: []string{signsBody}}), nil
}

// onfidoEnvelope reads a body. Onfido gives its events no ID, so one is made of the type, the run, the object's ID and status, and a time.
// A check that is reopened and completed again has another time. An event without a time gets that of its receipt, and a later one that
// says the same counts as a repetition.
//
// https://github.com/onfido/onfido-openapi-spec, schemas/webhooks/webhook_event.yaml
func onfidoEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	payload := o.object("payload")
	object, resource := payload.object("object"), payload.object("resource")
	r.Derived, r.ExternalID = true, bodyID(body)
	r.Type = r.need(payload, "action")
	id := r.need(object, "id")
	run := cmp.Or(r.optional(object, "workflow_run_id"), r.optional(resource, "workflow_run_id"))
	r.CorrelationID = cmp.Or(run, id)
	from, member := object, "completed_at_iso8601"
	switch {
	case object.has(member):
	case object.has("started_at_iso8601"):
		member = "started_at_iso8601"
	case resource.has("updated_at"):
		from, member = resource, "updated_at"
	}
	r.OccurredAt = r.time(from, member)
	if r.Type != "" && id != "" {
		r.ExternalID = derivedID(r.Type, run, id, r.optional(object, "status"), r.optional(from, member))
	}
	return r.result()
}
