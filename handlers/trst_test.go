package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 262 bytes. Each MAC is what the command beside it prints.
const (
	trstBody = `{"event_id":"0f6d2b84-3a9c-4e17-b5d0-8c1e7f4a2963","timestamp":"2024-11-02T15:30:00Z","project_id":"proj_7k2m","data":{"event_type":"enrollment.completed","session_id":"ses_51ab","member_id":"mem_204","device_id":"dev_0c7","completed_at":"2024-11-02T15:30:00Z"}}`
	trstMAC  = "93483d98e7f05b369262b3861bff748aa6621a75235b1f1ca45fd8cf56109199" // printf %s "$trstBody" | openssl dgst -sha256 -hmac whsec_trst_test_9a1b2c3d4e5f6071
	trstBare = "2b75020ff885cd59797cdb1c3d5d04962790bbba5a92c427796a03f70cf43369" // printf %s "$trstBody" | openssl dgst -sha256 -hmac trst_test_9a1b2c3d4e5f6071
)

func TestTRSTVectors(t *testing.T) {
	t.Parallel()
	const secret = "whsec_trst_test_9a1b2c3d4e5f6071"
	testVectors(t, "trst", secret, 1770217200, []vector{
		{"TRST-1", nil, http.Header{"X-Webhook-Signature": {"sha256=" + trstMAC}}, trstBody, ""},
		{"whsec_ stripped", nil, http.Header{"X-Webhook-Signature": {"sha256=" + trstBare}}, trstBody, WrongSecret},
	})
	testSign(t, "trst", secret, nil, 1770217200, trstBody, http.Header{"X-Webhook-Signature": {"sha256=" + trstMAC}})
}

func TestTRSTEnvelopes(t *testing.T) {
	t.Parallel()
	third := time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)
	want := Envelope{Generation: "v1", ExternalID: "e1", Type: "webhook.test", OccurredAt: third}
	withTenant, untimed, untyped := want, want, want
	withTenant.TenantID = "p1"
	untimed.OccurredAt, untimed.Warnings = time.Time{}, []string{"one"}
	untyped.Type = ""
	testEnvelopes(t, "trst", []envelopeCase{
		{"type in data", `{"event_id":"e1","timestamp":"2026-02-04T15:00:00Z","project_id":"p1","data":{"event_type":"webhook.test"}}`, withTenant, nil},
		{"type at the top", `{"event_id":"e1","event_type":"webhook.test","timestamp":"2026-02-04T15:00:00Z"}`, want, nil},
		{"data that is no object", `{"event_id":"e1","event_type":"webhook.test","timestamp":"2026-02-04T15:00:00Z","data":[]}`, want, nil},
		{"type in both places", `{"event_id":"e1","event_type":"webhook.test","timestamp":"2026-02-04T15:00:00Z","data":{"event_type":"webhook.test"}}`, want, nil},
		{"no time", `{"event_id":"e1","event_type":"webhook.test"}`, untimed, nil},
		{"no type", `{"event_id":"e1","timestamp":"2026-02-04T15:00:00Z","data":{}}`, untyped, ErrUnreadable},
		{"type twice and different", strings.Replace(trstBody, `"data"`, `"event_type":"webhook.test","data"`, 1), Envelope{
			Generation: "v1", ExternalID: "0f6d2b84-3a9c-4e17-b5d0-8c1e7f4a2963", Type: "enrollment.completed", TenantID: "proj_7k2m",
			OccurredAt: time.Date(2024, 11, 2, 15, 30, 0, 0, time.UTC),
		}, ErrContradictory},
	})
}
