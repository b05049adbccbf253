package handlers

import (
	"encoding/hex"
	"net/http"
	"testing"
	"time"
)

// The bodies have 474 and 149 bytes. Each MAC is what the command beside it prints.
const (
	tgReviewed = `{"event_type":"applicant.reviewed","event_id":"7b1e4c52-90ad-4f0e-8a35-2c6d9f1b7e04","timestamp":"2026-02-04T15:00:00Z","tenant_id":"c0a8012e-5d3f-4b6a-9e71-0f4d8b2a6c19","correlation_id":null,"data":{"applicant_id":"2d9f6a10-7c4e-4e8b-b1a5-93e0c7d85f42","external_id":"cust_1001","status":"approved","risk_score":18,"risk_level":"low","review_decision":"manual_approved","reviewed_by":"e4b7a9d3-6f21-4c58-8d0a-51c3e2f7b690","reviewed_at":"2026-02-04T15:00:00Z","flags":[]}}`
	tgPing     = `{"event":"test.ping","timestamp":"2026-02-04T15:00:00Z","data":{"message":"ping from TrustGate","webhook_id":"5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25"}}`
	tgTimed    = "f35d4cc3b8794476ad15668d3d1e82113024774c7a5f76daa2986c1fccd9a51f" // printf %s "1770217200.$tgReviewed" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	tgBody     = "cd8b8bac3bf6b48d8b3eae1ec93ee8216dfd97cfa9b946b7e7061ac6853a814e" // printf %s "$tgReviewed" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	tgStripped = "cbbf56a0ef68b372c7e0a6867cb1a2f34ab346623f66356575df5375058e500f" // printf %s "1770217200.$tgReviewed" | openssl dgst -sha256 -hmac tg_test_3f9c1a7e5b2d4860
	pingTimed  = "34167aa7e9f2bc1c1f330be19a3c816270d0e7b724800d0dd62bb33126b17e5f" // printf %s "1770217200.$tgPing" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
	pingBody   = "1fd1b8f0fed027a86ec5c2f2fe294b5c15ad4cf2037ae1860b7109a901256567" // printf %s "$tgPing" | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
)

var (
	fallbackBody = map[string]string{trustGateFallback.Name: "body"}
	fallbackOff  = map[string]string{trustGateFallback.Name: "off"}
)

func TestTrustGateVectors(t *testing.T) {
	t.Parallel()
	const secret, at = "whsec_tg_test_3f9c1a7e5b2d4860", 1770217200
	header := func(name, value string) http.Header {
		return http.Header{name: {value}, "X-Webhook-Timestamp": {"1770217200"}}
	}
	const bare, prefixed = "X-Webhook-Signature", "X-Trustgate-Signature"
	testVectors(t, "trustgate", secret, at, []vector{
		{"TG-1 timestamp.body", nil, header(bare, tgTimed), tgReviewed, ""},
		{"TG-1 timestamp.body alone behind a prefix", nil, header(prefixed, "sha256="+tgTimed), tgReviewed, ""},
		{"TG-1 body alone behind a prefix", fallbackBody, header(prefixed, "sha256="+tgBody), tgReviewed, ""},
		{"TG-1 body behind a prefix, another form wanted", nil, header(prefixed, "sha256="+tgBody), tgReviewed, WrongSecret},
		{"TG-1 timestamp.body behind a prefix, body wanted", fallbackBody, header(prefixed, "sha256="+tgTimed), tgReviewed, WrongSecret},
		{"TG-1 alone behind a prefix, switched off", fallbackOff, header(prefixed, "sha256="+tgTimed), tgReviewed, MissingSignature},
		{"TG-1 body in the main header", nil, header(bare, tgBody), tgReviewed, WrongSecret},
		{"TG-1 whsec_ stripped", nil, header(bare, tgStripped), tgReviewed, WrongSecret},
		{"TG-2 timestamp.body", nil, header(bare, pingTimed), tgPing, ""},
		{"TG-2 body alone behind a prefix", fallbackBody, header(prefixed, "sha256="+pingBody), tgPing, ""},
	})
	signed := header(bare, tgTimed)
	signed.Set(prefixed, "sha256="+tgTimed)
	testSign(t, "trustgate", secret, nil, at, tgReviewed, signed)
}

// TestTrustGateTwoSignatures: X-Webhook-Signature decides, and the other one only if it comes alone.
func TestTrustGateTwoSignatures(t *testing.T) {
	t.Parallel()
	mac := func(secret, message string) string { return hex.EncodeToString(macOf(SHA256, secret, message)) }
	timed, plain, wrong := mac(firstSecret, unix(0)+"."+tgReviewed), mac(firstSecret, tgReviewed), mac("wrong", tgReviewed)
	for _, c := range []struct {
		name    string
		options map[string]string
		main    []string
		others  []string
		want    Reason
		warns   bool
	}{
		{"both right", nil, []string{timed}, []string{"sha256=" + timed}, "", false},
		{"both right, the other over the body", nil, []string{timed}, []string{"sha256=" + plain}, "", false},
		{"other wrong", nil, []string{timed}, []string{"sha256=" + wrong}, "", true},
		{"other malformed", nil, []string{timed}, []string{"nonsense"}, "", true},
		{"other empty", nil, []string{timed}, []string{""}, "", true},
		{"other repeated", nil, []string{timed}, []string{"sha256=" + timed, "sha256=" + timed}, "", true},
		{"main alone", nil, []string{timed}, nil, "", false},
		{"main wrong, other right", nil, []string{wrong}, []string{"sha256=" + timed}, WrongSecret, false},
		{"main malformed, other right", nil, []string{"nonsense"}, []string{"sha256=" + timed}, MalformedSignature, false},
		{"main empty, other right", nil, []string{""}, []string{"sha256=" + timed}, MissingSignature, false},
		{"main wrong, other right over the body", fallbackBody, []string{wrong}, []string{"sha256=" + plain}, WrongSecret, false},
		{"other alone, switched off", fallbackOff, nil, []string{"sha256=" + timed}, MissingSignature, false},
		{"main, other switched off", fallbackOff, []string{timed}, []string{"sha256=" + timed}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"X-Webhook-Timestamp": {unix(0)}}
			for _, v := range c.main {
				h.Add("X-Webhook-Signature", v)
			}
			for _, v := range c.others {
				h.Add("X-TrustGate-Signature", v)
			}
			e, err := mustProvider(t, "trustgate", c.options, firstSecret).Verify(Delivery{Header: h, Body: []byte(tgReviewed), ReceivedAt: noon})
			wantReason(t, err, c.want)
			if (len(e.Warnings) > 0) != c.warns {
				t.Errorf("warnings %q, want one: %v", e.Warnings, c.warns)
			}
		})
	}
}

func TestTrustGateEnvelopes(t *testing.T) {
	t.Parallel()
	third := time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)
	current := Envelope{Generation: "v2", ExternalID: "e1", Type: "case.created", OccurredAt: third}
	whole, clumsy, ended, older, unnamed := current, current, current, current, current
	whole.TenantID, whole.CorrelationID = "t1", "c1"
	clumsy.TenantID, clumsy.Warnings = "17", []string{"correlation_id is too long", "timestamp has no zone"}
	ended.Type, ended.OccurredAt = "session.completed", third.Add(-time.Hour)
	older.Generation, older.ExternalID = "v1", "evt_1"
	unnamed.ExternalID = ""
	long := string(make([]byte, 0, 300))
	for len(long) < 256 {
		long += "x"
	}
	testEnvelopes(t, "trustgate", []envelopeCase{
		{"v2", `{"event_type":"case.created","event_id":"e1","timestamp":"2026-02-04T16:00:00+01:00","tenant_id":"t1","correlation_id":"c1","data":{}}`, whole, nil},
		{"v2, nulls", `{"event_type":"case.created","event_id":"e1","timestamp":"2026-02-04T15:00:00Z","tenant_id":null,"correlation_id":null}`, current, nil},
		{"v2, what is not needed is odd", `{"event_type":"case.created","event_id":"e1","timestamp":"2026-02-04 15:00:00","tenant_id":17,"correlation_id":"` + long + `"}`, clumsy, nil},
		{"v2, a session's end", `{"event_type":"session.completed","event_id":"e1","timestamp":"2026-02-04T15:00:00Z","data":{"completed_at":"2026-02-04T14:00:00Z"}}`, ended, nil},
		{"v2, without ID", `{"event_type":"case.created","timestamp":"2026-02-04T15:00:00Z"}`, unnamed, ErrUnreadable},
		{"v1", `{"id":"evt_1","type":"case.created","created_at":"2026-02-04T15:00:00Z","data":{}}`, older, nil},
	})
}

const workflowRun = `{"event":"workflow.action.webhook","timestamp":"2026-06-16T10:49:06Z","tenant_id":"t1","workflow_execution_id":"w1","applicant":{"id":"a1"},"next":"open_account"}`

func TestTrustGateDerivedIDs(t *testing.T) {
	t.Parallel()
	testDerivedIDs(t, "trustgate", []identityCase{
		{"ping: message", tgPing, "ping from TrustGate", "ping", true},
		{"ping: other webhook", tgPing, "5c7d1e90", "5c7d1e91", false},
		{"ping: other time", tgPing, "15:00:00", "15:00:01", false},
		{"ping without webhook: other body", `{"event":"test.ping","timestamp":"2026-02-04T15:00:00Z","data":{"n":1}}`, "1}", "2}", false},
		{"workflow: other run", workflowRun, "w1", "w2", false},
		{"workflow: other person", workflowRun, "a1", "a2", false},
		{"workflow: other step", workflowRun, "open_account", "call", false},
	})
}
