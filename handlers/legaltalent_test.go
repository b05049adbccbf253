package handlers

import (
	"net/http"
	"testing"
	"time"
)

// The body has 138 bytes. Each MAC is what the command beside it prints.
const (
	kycBody  = `{"id":"evt_5f2a9c71d084","type":"kyc.session.processed","created":1735228800,"data":{"session_id":"8e3b1f60-4d2c-4a97-9b05-d7c6e1a2f384"}}`
	kycPlain = "46008a0614315ac88cf128f0b56b39630c3e15e54fc6c30428ef1f8ed8ff1f3b" // printf %s "$kycBody" | openssl dgst -sha256 -hmac kyc_test_secret_b81f2e6d4c9a7053
	kycTimed = "04606da1df0d81abb2047649a14d4907764da8957721d6a1ad4e98e7006bdd07" // printf %s "1735228800.$kycBody" | openssl dgst -sha256 -hmac kyc_test_secret_b81f2e6d4c9a7053
	kycNamed = "9b2196d93aaa51b2ab268a6fc7c979133ef9c557ae6c766b2e939ef655998845" // printf %s "evt_5f2a9c71d084.1735228800.$kycBody" | openssl dgst -sha256 -hmac kyc_test_secret_b81f2e6d4c9a7053
)

func TestLegalTalentVectors(t *testing.T) {
	t.Parallel()
	const secret, at = "kyc_test_secret_b81f2e6d4c9a7053", 1735228800
	body, timed := map[string]string{legalTalentContent.Name: "body"}, map[string]string{legalTalentContent.Name: "timestamp.body"}
	header := func(mac string) http.Header {
		return http.Header{"X-Webhook-Signature": {"sha256=" + mac}, "X-Webhook-Timestamp": {"1735228800"}, "X-Webhook-Id": {"evt_5f2a9c71d084"}}
	}
	testVectors(t, "legaltalent", secret, at, []vector{
		{"body, either wanted", nil, header(kycPlain), kycBody, ""},
		{"body, body wanted", body, header(kycPlain), kycBody, ""},
		{"body, timestamp.body wanted", timed, header(kycPlain), kycBody, WrongSecret},
		{"timestamp.body, either wanted", nil, header(kycTimed), kycBody, ""},
		{"timestamp.body, body wanted", body, header(kycTimed), kycBody, WrongSecret},
		{"timestamp.body, timestamp.body wanted", timed, header(kycTimed), kycBody, ""},
		{"id.timestamp.body, either wanted", nil, header(kycNamed), kycBody, WrongSecret},
	})
	testSign(t, "legaltalent", secret, nil, at, kycBody, header(kycPlain))
	testSign(t, "legaltalent", secret, body, at, kycBody, header(kycPlain))
	testSign(t, "legaltalent", secret, timed, at, kycBody, header(kycTimed))
}

func TestLegalTalentEnvelopes(t *testing.T) {
	t.Parallel()
	want := Envelope{Generation: "v1", ExternalID: "evt_1", Type: "kyc.new.thing", OccurredAt: time.Unix(1735228800, 0).UTC()}
	untimed, unnamed := want, want
	untimed.OccurredAt, untimed.Warnings = time.Time{}, []string{"one"}
	unnamed.ExternalID = ""
	testEnvelopes(t, "legaltalent", []envelopeCase{
		{"as documented", `{"id":"evt_1","type":"kyc.new.thing","created":1735228800,"data":null}`, want, nil},
		{"created as text", `{"id":"evt_1","type":"kyc.new.thing","created":"1735228800"}`, want, nil},
		{"created with a fraction", `{"id":"evt_1","type":"kyc.new.thing","created":1735228800.0}`, want, nil},
		{"created in milliseconds", `{"id":"evt_1","type":"kyc.new.thing","created":1735228800000}`, want, nil},
		{"created in ISO form", `{"id":"evt_1","type":"kyc.new.thing","created":"2024-12-26T16:00:00Z"}`, want, nil},
		{"created that is no time", `{"id":"evt_1","type":"kyc.new.thing","created":"soon"}`, untimed, nil},
		{"no ID", `{"type":"kyc.new.thing","created":1735228800}`, unnamed, ErrUnreadable},
	})
}
