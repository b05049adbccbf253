package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 521 bytes. The MAC is what the command beside it prints.
const (
	stripeBody = `{"id":"evt_1QxYzTest0001","object":"event","api_version":"2025-09-30.clover","created":1772445960,"data":{"object":{"id":"vs_1QxYzTest0002","object":"identity.verification_session","client_reference_id":"cust_1001","created":1772445600,"last_error":null,"last_verification_report":"vr_1QxYzTest0003","livemode":true,"metadata":{"user_id":"cust_1001"},"options":{},"redaction":null,"status":"verified","type":"document"}},"livemode":true,"pending_webhooks":1,"request":null,"type":"identity.verification_session.verified"}`
	stripeMAC  = "d518429322fb80895f798f2a949f2f4343d27020e96e8c025f1a314d0a3ad905" // printf %s "1772445960.$stripeBody" | openssl dgst -sha256 -hmac whsec_stripe_test_5b8e1d7f3a
)

func TestStripeVectors(t *testing.T) {
	t.Parallel()
	const secret, at = "whsec_stripe_test_5b8e1d7f3a", 1772445960
	header := func(value string) http.Header { return http.Header{"Stripe-Signature": {value}} }
	testVectors(t, "stripe", secret, at, []vector{
		{"STRIPE-1", nil, header("t=1772445960,v1=" + stripeMAC), stripeBody, ""},
		{"with the signature of the test mode", nil, header("t=1772445960,v1=" + stripeMAC + ",v0=" + strings.Repeat("0", 64)), stripeBody, ""},
		{"while the secret is rolled", nil, header("t=1772445960,v1=" + strings.Repeat("0", 64) + ",v1=" + stripeMAC), stripeBody, ""},
		{"another time", nil, header("t=1772445961,v1=" + stripeMAC), stripeBody, WrongSecret},
	})
	testSign(t, "stripe", secret, nil, at, stripeBody, header("t=1772445960,v1="+stripeMAC))
}

func TestStripeEnvelopes(t *testing.T) {
	t.Parallel()
	want := Envelope{Generation: "v1", ExternalID: "evt_1QxYzTest0001", Type: "identity.verification_session.verified", OccurredAt: time.Unix(1772445960, 0).UTC()}
	test, newer := want, want
	test.Sandbox = true
	newer.Generation, newer.ExternalID, newer.Type, newer.Sandbox = "v2", "evt_2", "v2.core.event_destination.ping", true
	testEnvelopes(t, "stripe", []envelopeCase{
		{"live", stripeBody, want, nil},
		{"test mode", strings.Replace(stripeBody, `"livemode":true,"pending`, `"livemode":false,"pending`, 1), test, nil},
		{"v2", `{"id":"evt_2","object":"v2.core.event","type":"v2.core.event_destination.ping","livemode":false,"created":"2026-03-02T10:06:00.000Z"}`, newer, nil},
	})
}
