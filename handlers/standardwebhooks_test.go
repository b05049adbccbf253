package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 179 bytes. Each MAC is what this prints, with the ID and the time of its delivery. The second one, and the secret, ID and time
// that it was made with, are the example of the specification:
//
//	key=$(printf %s "${secret#whsec_}" | base64 -d | od -An -tx1 -v | tr -d ' \n')
//	printf %s "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64
const (
	standardWebhooksSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	selfBody               = `{"type":"verification.completed","verification_id":"ver_01JNB3W8Q2X5Z7","external_uuid":"cust_1001","environment":"live","status":"valid","verified_at":"2026-03-02T10:06:00.125Z"}`
	selfMAC                = "c4EGJv3+p4OnlRPyGPWciVewJfPfyG+08zbi/btNIow="
	exampleMAC             = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestStandardWebhooksVectors(t *testing.T) {
	t.Parallel()
	header := func(prefix, id, timestamp, signature string) http.Header {
		return http.Header{prefix + "-Id": {id}, prefix + "-Timestamp": {timestamp}, prefix + "-Signature": {signature}}
	}
	svix := header("Svix", "ver_01JNB3W8Q2X5Z7-valid", "1772445960", "v1,"+selfMAC)
	mixed := svix.Clone()
	mixed.Del("Svix-Id")
	mixed.Set("Webhook-Id", "ver_01JNB3W8Q2X5Z7-valid")
	both := svix.Clone()
	for name, values := range header("Webhook", "another", "1", "v1,"+exampleMAC) {
		both[name] = values
	}
	testVectors(t, "standardwebhooks", standardWebhooksSecret, 1772445960, []vector{
		{"Svix", nil, svix, selfBody, ""},
		{"Standard Webhooks", nil, header("Webhook", "ver_01JNB3W8Q2X5Z7-valid", "1772445960", "v1,"+selfMAC), selfBody, ""},
		{"both names: those of Svix count", nil, both, selfBody, ""},
		{"names mixed", nil, mixed, selfBody, MissingID},
		{"rotation, and a newer version", nil, header("Svix", "ver_01JNB3W8Q2X5Z7-valid", "1772445960", "v1a,AAAA v1,"+exampleMAC+" v1,"+selfMAC), selfBody, ""},
		{"ed25519 alone", nil, header("Svix", "ver_01JNB3W8Q2X5Z7-valid", "1772445960", "v1a,"+selfMAC), selfBody, MalformedSignature},
		{"another ID", nil, header("Svix", "ver_01JNB3W8Q2X5Z7-error", "1772445960", "v1,"+selfMAC), selfBody, WrongSecret},
		{"another time", nil, header("Svix", "ver_01JNB3W8Q2X5Z7-valid", "1772445961", "v1,"+selfMAC), selfBody, WrongSecret},
	})
	// This body and the next have no type, but they are signed.
	testVectors(t, "standardwebhooks", standardWebhooksSecret, 1614265330, []vector{
		{"the specification's", nil, header("Webhook", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,"+exampleMAC), `{"test": 2432232314}`, ""},
	})
	// Svix's own example has a key of 18 bytes, whsec_plJ3nmyCDGBKInavdOK15jsl, which is too short for a provider.
	key := []byte("\xa6\x52\x77\x9e\x6c\x82\x0c\x60\x4a\x22\x76\xaf\x74\xe2\xb5\xe6\x3b\x25")
	_, err := mustProvider(t, "standardwebhooks", nil, firstSecret).Schemes()[0].verify(Delivery{
		Header: header("Svix", "msg_loFOjxBNrRLzqYUf", "1731705121", "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="),
		Body:   []byte(`{"event_type":"ping","data":{"success":true}}`), ReceivedAt: time.Unix(1731705121, 0),
	}, [][]byte{key})
	wantReason(t, err, "")
	// The ID is the hash of the body: printf %s "$body" | sha256sum
	const id, mac = "sha256:c5622f2c75ec105ce4b42d8b80d00fbb0a57136f1ff826f52c23034b82861937", "TbcC0L1SR+CX/Di8W3ltbQ+YfyTMkGqOrn5mmLBPQGY="
	want := header("Svix", id, "1772445960", "v1,"+mac)
	for name, values := range header("Webhook", id, "1772445960", "v1,"+mac) {
		want[name] = values
	}
	testSign(t, "standardwebhooks", standardWebhooksSecret, nil, 1772445960, selfBody, want)
}

func TestStandardWebhooksSecrets(t *testing.T) {
	t.Parallel()
	bytes := func(n int) string { return strings.Repeat("AAAA", n/3) } // in base64; n can be divided by 3
	for secret, ok := range map[string]bool{
		standardWebhooksSecret: true, strings.TrimPrefix(standardWebhooksSecret, "whsec_"): true, "whsec_" + bytes(24): true, "whsec_" + bytes(63): true,
		"whsec_" + bytes(21): false, "whsec_" + bytes(66): false, "whsec_=": false, "whpk_" + bytes(33): false, "canary-canary-canary-canary-canary": false,
		"whsec_" + bytes(24) + "=": false, "whsec_" + bytes(24) + "-_-_": false, standardWebhooksSecret[:37]: false,
	} {
		_, err := NewProvider("standardwebhooks", Settings{Secrets: []Secret{{Value: firstSecret}, {Value: secret}}})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestStandardWebhooksEnvelopes(t *testing.T) {
	t.Parallel()
	const recommended, thin, untyped = `{"type":"user.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{}}`, `{"type":"user.created"}`, `{"event_type":"ping"}`
	envelope := func(body, kind string, at time.Time, warnings ...string) Envelope {
		return Envelope{Generation: "v1", ExternalID: bodyID([]byte(body)), Derived: true, Type: kind, OccurredAt: at, Warnings: warnings}
	}
	testEnvelopes(t, "standardwebhooks", []envelopeCase{
		{"recommended", recommended, envelope(recommended, "user.created", time.Date(2022, 11, 3, 20, 26, 10, 344522e3, time.UTC)), nil},
		{"Self", selfBody, envelope(selfBody, "verification.completed", time.Date(2026, 3, 2, 10, 6, 0, 125e6, time.UTC)), nil},
		{"only a type", thin, envelope(thin, "user.created", time.Time{}, "one"), nil},
		{"no type", untyped, envelope(untyped, "", time.Time{}, "one"), ErrUnreadable},
	})
}
