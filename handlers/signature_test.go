package handlers

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

// The bodies that are signed below. Their lengths are 474, 149, 262 and 138 bytes.
const (
	tgReviewed = `{"event_type":"applicant.reviewed","event_id":"7b1e4c52-90ad-4f0e-8a35-2c6d9f1b7e04","timestamp":"2026-02-04T15:00:00Z","tenant_id":"c0a8012e-5d3f-4b6a-9e71-0f4d8b2a6c19","correlation_id":null,"data":{"applicant_id":"2d9f6a10-7c4e-4e8b-b1a5-93e0c7d85f42","external_id":"cust_1001","status":"approved","risk_score":18,"risk_level":"low","review_decision":"manual_approved","reviewed_by":"e4b7a9d3-6f21-4c58-8d0a-51c3e2f7b690","reviewed_at":"2026-02-04T15:00:00Z","flags":[]}}`
	tgPing     = `{"event":"test.ping","timestamp":"2026-02-04T15:00:00Z","data":{"message":"ping from TrustGate","webhook_id":"5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25"}}`
	trstBody   = `{"event_id":"0f6d2b84-3a9c-4e17-b5d0-8c1e7f4a2963","timestamp":"2024-11-02T15:30:00Z","project_id":"proj_7k2m","data":{"event_type":"enrollment.completed","session_id":"ses_51ab","member_id":"mem_204","device_id":"dev_0c7","completed_at":"2024-11-02T15:30:00Z"}}`
	kycBody    = `{"id":"evt_5f2a9c71d084","type":"kyc.session.processed","created":1735228800,"data":{"session_id":"8e3b1f60-4d2c-4a97-9b05-d7c6e1a2f384"}}`
)

// Known answers: computed by something that is not this code. Each is what the command beside it prints.
const (
	tgTimed    = "f35d4cc3b8794476ad15668d3d1e82113024774c7a5f76daa2986c1fccd9a51f" // printf %s "1770217200.$tgReviewed" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	tgBody     = "cd8b8bac3bf6b48d8b3eae1ec93ee8216dfd97cfa9b946b7e7061ac6853a814e" // printf %s "$tgReviewed" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	tgStripped = "cbbf56a0ef68b372c7e0a6867cb1a2f34ab346623f66356575df5375058e500f" // printf %s "1770217200.$tgReviewed" | openssl dgst -sha256 -hmac tg_test_3f9c1a7e5b2d4860
	pingTimed  = "34167aa7e9f2bc1c1f330be19a3c816270d0e7b724800d0dd62bb33126b17e5f" // printf %s "1770217200.$tgPing" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	pingBody   = "1fd1b8f0fed027a86ec5c2f2fe294b5c15ad4cf2037ae1860b7109a901256567" // printf %s "$tgPing" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	trstMAC    = "93483d98e7f05b369262b3861bff748aa6621a75235b1f1ca45fd8cf56109199" // printf %s "$trstBody" | openssl dgst -sha256 -hmac whsec_trst_test_9a1b2c3d4e5f6071
	trstBare   = "2b75020ff885cd59797cdb1c3d5d04962790bbba5a92c427796a03f70cf43369" // printf %s "$trstBody" | openssl dgst -sha256 -hmac trst_test_9a1b2c3d4e5f6071
	kycPlain   = "46008a0614315ac88cf128f0b56b39630c3e15e54fc6c30428ef1f8ed8ff1f3b" // printf %s "$kycBody" | openssl dgst -sha256 -hmac kyc_test_secret_b81f2e6d4c9a7053
	kycTimed   = "04606da1df0d81abb2047649a14d4907764da8957721d6a1ad4e98e7006bdd07" // printf %s "1735228800.$kycBody" | openssl dgst -sha256 -hmac kyc_test_secret_b81f2e6d4c9a7053
	kycNamed   = "9b2196d93aaa51b2ab268a6fc7c979133ef9c557ae6c766b2e939ef655998845" // printf %s "evt_5f2a9c71d084.1735228800.$kycBody" | openssl dgst -sha256 -hmac kyc_test_secret_b81f2e6d4c9a7053
)

// vectorSender is who signed the vectors, and when.
type vectorSender struct{ provider, secret, timestamp string }

var (
	tg   = vectorSender{"trustgate", "whsec_tg_test_3f9c1a7e5b2d4860", "1770217200"}
	palm = vectorSender{"trst", "whsec_trst_test_9a1b2c3d4e5f6071", "1770217200"} // TRST sends no time, and gets none here
	kyc  = vectorSender{"legaltalent", "kyc_test_secret_b81f2e6d4c9a7053", "1735228800"}
)

func (s vectorSender) at() time.Time {
	seconds, err := strconv.ParseInt(s.timestamp, 10, 64)
	if err != nil {
		panic(err)
	}
	return time.Unix(seconds, 0)
}

// The ways to read what the documentation leaves open.
var (
	bodyAlone = Settings{TrustGateFallback: FormBody, LegalTalentContent: FormBody}
	timedOnly = Settings{TrustGateFallback: FormTimestampBody, LegalTalentContent: FormTimestampBody}
)

func TestVerifyKnownAnswers(t *testing.T) {
	t.Parallel()
	const bare, prefixed = "X-Webhook-Signature", "X-TrustGate-Signature"
	for _, v := range []struct {
		name     string
		by       vectorSender
		settings Settings
		header   string
		value    string
		body     string
		want     Reason // empty: verified
	}{
		{"TG-1 timestamp.body", tg, documented, bare, tgTimed, tgReviewed, ""},
		{"TG-1 timestamp.body alone behind a prefix", tg, documented, prefixed, "sha256=" + tgTimed, tgReviewed, ""},
		{"TG-1 body alone behind a prefix", tg, bodyAlone, prefixed, "sha256=" + tgBody, tgReviewed, ""},
		{"TG-1 body behind a prefix, another form wanted", tg, documented, prefixed, "sha256=" + tgBody, tgReviewed, WrongSecret},
		{"TG-1 timestamp.body behind a prefix, body wanted", tg, bodyAlone, prefixed, "sha256=" + tgTimed, tgReviewed, WrongSecret},
		{"TG-1 body in the main header", tg, bodyAlone, bare, tgBody, tgReviewed, WrongSecret},
		{"TG-1 whsec_ stripped", tg, documented, bare, tgStripped, tgReviewed, WrongSecret},
		{"TG-2 timestamp.body", tg, documented, bare, pingTimed, tgPing, ""},
		{"TG-2 body alone behind a prefix", tg, bodyAlone, prefixed, "sha256=" + pingBody, tgPing, ""},
		{"TRST-1", palm, documented, bare, "sha256=" + trstMAC, trstBody, ""},
		{"TRST-1 whsec_ stripped", palm, documented, bare, "sha256=" + trstBare, trstBody, WrongSecret},
		{"KYC-1 body, either wanted", kyc, documented, bare, "sha256=" + kycPlain, kycBody, ""},
		{"KYC-1 body, body wanted", kyc, bodyAlone, bare, "sha256=" + kycPlain, kycBody, ""},
		{"KYC-1 body, timestamp.body wanted", kyc, timedOnly, bare, "sha256=" + kycPlain, kycBody, WrongSecret},
		{"KYC-1 timestamp.body, either wanted", kyc, documented, bare, "sha256=" + kycTimed, kycBody, ""},
		{"KYC-1 timestamp.body, body wanted", kyc, bodyAlone, bare, "sha256=" + kycTimed, kycBody, WrongSecret},
		{"KYC-1 timestamp.body, timestamp.body wanted", kyc, timedOnly, bare, "sha256=" + kycTimed, kycBody, ""},
		{"KYC-1 id.timestamp.body, either wanted", kyc, documented, bare, "sha256=" + kycNamed, kycBody, WrongSecret},
		{"KYC-1 id.timestamp.body, body wanted", kyc, bodyAlone, bare, "sha256=" + kycNamed, kycBody, WrongSecret},
		{"KYC-1 id.timestamp.body, timestamp.body wanted", kyc, timedOnly, bare, "sha256=" + kycNamed, kycBody, WrongSecret},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			h.Set(v.header, v.value)
			if v.by != palm {
				h.Set("X-Webhook-Timestamp", v.by.timestamp)
			}
			p := mustProvider(t, v.by.provider, v.settings, v.by.secret)
			_, err := p.Verify(Delivery{Header: h, Body: []byte(v.body), ReceivedAt: v.by.at()})
			wantReason(t, err, v.want)
		})
	}
}

func TestSignKnownAnswers(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		by       vectorSender
		settings Settings
		body     string
		want     map[string]string
	}{
		"TG-1":                 {tg, documented, tgReviewed, map[string]string{"X-Webhook-Signature": tgTimed, "X-TrustGate-Signature": "sha256=" + tgTimed, "X-Webhook-Timestamp": "1770217200"}},
		"TG-2":                 {tg, documented, tgPing, map[string]string{"X-Webhook-Signature": pingTimed, "X-TrustGate-Signature": "sha256=" + pingTimed, "X-Webhook-Timestamp": "1770217200"}},
		"TRST-1":               {palm, documented, trstBody, map[string]string{"X-Webhook-Signature": "sha256=" + trstMAC}},
		"KYC-1 either":         {kyc, documented, kycBody, map[string]string{"X-Webhook-Signature": "sha256=" + kycPlain, "X-Webhook-Timestamp": "1735228800", "X-Webhook-ID": "evt_5f2a9c71d084"}},
		"KYC-1 body":           {kyc, bodyAlone, kycBody, map[string]string{"X-Webhook-Signature": "sha256=" + kycPlain, "X-Webhook-Timestamp": "1735228800", "X-Webhook-ID": "evt_5f2a9c71d084"}},
		"KYC-1 timestamp.body": {kyc, timedOnly, kycBody, map[string]string{"X-Webhook-Signature": "sha256=" + kycTimed, "X-Webhook-Timestamp": "1735228800", "X-Webhook-ID": "evt_5f2a9c71d084"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustProvider(t, v.by.provider, v.settings, v.by.secret, "an older secret")
			q := p.Sign([]byte(v.body), v.by.at())
			if q.Path != v.by.provider {
				t.Errorf("path %q, want %q", q.Path, v.by.provider)
			}
			for header, want := range v.want {
				if got := q.Header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			_, err := p.Verify(Delivery{Header: q.Header, Body: []byte(v.body), ReceivedAt: v.by.at()})
			wantReason(t, err, "")
		})
	}
}

func TestSecretsAreRequired(t *testing.T) {
	t.Parallel()
	for _, name := range ProviderNames() {
		for _, secrets := range [][]string{nil, {}, {""}, {"good", ""}} {
			if p, err := NewProvider(name, secrets, documented); err == nil {
				t.Errorf("NewProvider(%q, %q) = %v, want an error", name, secrets, p)
			}
		}
	}
	if _, err := NewProvider("acme", []string{"secret"}, documented); err == nil {
		t.Error("NewProvider of an unknown provider: no error")
	}
}
