package handlers

import "net/http"

// legalTalentContent selects what Legal Talent's signature covers, which its documentation does not say.
var legalTalentContent = Option{Name: "LEGALTALENT_SIGNED_CONTENT", Default: "either", Values: []string{"either", "body", "timestamp.body"}}

// newLegalTalent verifies deliveries from Legal Talent: hex HMAC-SHA256 in X-Webhook-Signature, after "sha256=". It covers the body, or the
// header X-Webhook-Timestamp, a dot and the body. Accepting either is safe: both need the secret, no text is valid as both, and ID and time
// are taken from the body, which both cover.
//
// The timestamp is the time of the event, so that of a retry may be old: its age is not limited.
//
// https://docs.compliance.legaltalent.ai/api-reference/webhooks/overview
func newLegalTalent(name string, s Settings) (Provider, error) {
	content, err := legalTalentContent.value(s)
	if err != nil {
		return nil, err
	}
	messages := map[string][]string{
		"body": {signsBody}, "timestamp.body": {signsTimestampBody}, "either": {signsBody, signsTimestampBody},
	}
	p := newSigned(name, s, legalTalentEnvelope, Scheme{
		Header: "X-Webhook-Signature", Prefix: "sha256=", Messages: messages[content], Timestamp: "X-Webhook-Timestamp",
		MaxAhead: tolerance, ID: "X-Webhook-ID", Setting: legalTalentContent.Name,
	})
	p.header = http.Header{"User-Agent": {"KYC-Webhooks/1.0"}}
	return p, nil
}

func legalTalentEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	r.ExternalID = r.need(o, "id")
	r.Type = r.need(o, "type")
	r.OccurredAt = r.time(o, "created")
	return r.result()
}
