package handlers

import (
	"cmp"
	"strings"
)

// sumsubSHA1 allows signatures with SHA-1, which is what old webhooks of Sumsub use. It is off, since the delivery itself names its hash.
var sumsubSHA1 = Option{Name: "SUMSUB_SHA1", Default: "off", Values: []string{"off", "on"}}

// newSumsub verifies deliveries from Sumsub: a hex HMAC of the body in X-Payload-Digest, with the hash that X-Payload-Digest-Alg names.
// Without that header it is SHA-256, as in Sumsub's sample code. The key is the webhook's own secret verbatim, not that of the app token.
// No time is signed, so a repeated delivery is recognized only by its ID.
//
// https://docs.sumsub.com/docs/webhook-manager
func newSumsub(name string, s Settings) (Provider, error) {
	sha1, err := sumsubSHA1.value(s)
	if err != nil {
		return nil, err
	}
	hashes := []NamedHash{{"HMAC_SHA256_HEX", SHA256, ""}, {"HMAC_SHA512_HEX", SHA512, ""}, {"HMAC_SHA1_HEX", SHA1, sumsubSHA1.Name}}
	if sha1 == "on" {
		hashes[2].Setting = ""
	}
	return newSigned(name, s, sumsubEnvelope, Scheme{
		Header: "X-Payload-Digest", HashNamed: "X-Payload-Digest-Alg", Hashes: hashes, Messages: []string{signsBody},
	}), nil
}

// sumsubEnvelope reads a body. Its times are in UTC, createdAtMs without saying so. Sumsub keeps its sandbox apart, and also marks each
// event of it.
//
// Sumsub numbers its events with correlationId, but does not say whether two events may share one. So an event about an applicant is known
// by what it is about, its time and its result. In other events, the documentation leaves open what identifies them: there, only the same
// bytes are the same event. Whether a retry has a new time is not documented either. If it has, it counts as another event that says the same.
//
// https://docs.sumsub.com/docs/user-verification-webhooks
func sumsubEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	r.inUTC, r.Derived, r.ExternalID = true, true, bodyID(body)
	r.Type = r.need(o, "type")
	r.OccurredAt = r.time(o, "createdAtMs", "createdAt")
	r.TenantID = r.optional(o, "clientId")
	r.CorrelationID = r.optional(o, "correlationId")
	r.Sandbox = strings.Trim(string(o["sandboxMode"]), `"`) == "true"
	applicant, action := r.optional(o, "applicantId"), r.optional(o, "applicantActionId")
	sent := cmp.Or(r.optional(o, "createdAtMs"), r.optional(o, "createdAt"))
	isAboutApplicant := strings.HasPrefix(r.Type, "applicant") && !strings.HasPrefix(r.Type, "applicantKyt")
	if isAboutApplicant && applicant != "" && sent != "" {
		r.ExternalID = derivedID(applicant, action, r.Type, sent, canonicalHash(o["reviewStatus"], o["reviewResult"]))
	}
	return r.result()
}
