package handlers

// newPersona verifies deliveries from Persona: hex HMAC-SHA256 of "<t>.<body>" in Persona-Signature, which is "t=…,v1=…". While a secret is
// being rotated, the header has two of these, separated by a space. The secret is the key verbatim. A webhook belongs to one environment,
// which the body does not name: set the secret of a sandbox as PERSONA_WEBHOOK_SECRET_SANDBOX.
//
// https://docs.withpersona.com/webhooks-best-practices
func newPersona(name string, s Settings) (Provider, error) {
	return newSigned(name, s, personaEnvelope, Scheme{
		Header: "Persona-Signature", Pairs: true, Messages: []string{signsTimestampBody}, MaxAge: tolerance, MaxAhead: tolerance,
	}), nil
}

// personaEnvelope reads an event in JSON:API form. The spelling of names depends on the API version that the webhook was created with.
//
// https://docs.withpersona.com/webhooks
func personaEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	data := o.object("data")
	attributes := data.object("attributes")
	r.ExternalID = r.need(data, "id")
	r.Type = r.need(attributes, "name")
	r.OccurredAt = r.time(attributes, "created-at", "createdAt", "created_at")
	return r.result()
}
