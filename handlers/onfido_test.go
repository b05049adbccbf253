package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The bodies have 650 and 266 bytes. The second one and its MAC are those of Onfido's Python library. A MAC is what this prints, with
// -sha256 or -sha1:
//
//	printf %s "$onfidoBody" | openssl dgst -sha256 -hmac onfido_test_8a3d5f7c1e9b2046
const (
	onfidoBody  = `{"payload":{"resource_type":"workflow_run","action":"workflow_run.completed","object":{"id":"3b8f6f0e-5a41-4c5e-9a8d-7f0e2c1b4a69","status":"review","completed_at_iso8601":"2026-03-02T10:06:00Z","href":"https://api.eu.onfido.com/v3.6/workflow_runs/3b8f6f0e-5a41-4c5e-9a8d-7f0e2c1b4a69"},"resource":{"id":"3b8f6f0e-5a41-4c5e-9a8d-7f0e2c1b4a69","applicant_id":"d4c7a9b1-2e36-4f58-8c0d-91e5f3b7a624","customer_user_id":"cust_1001","workflow_id":"0a6d2f94-7b1e-4c83-9d50-e8f4b2c6a137","workflow_version_id":7,"status":"review","reasons":["document_expired"],"tags":[],"output":{},"created_at":"2026-03-02T10:00:00Z","updated_at":"2026-03-02T10:06:00Z"}}}`
	onfidoMAC   = "cc9b2ab223d1de5728752a6ca40c9cc0286fea325e47fff2dbca75a410cd5d25"
	onfidoSHA1  = "f0ac64d0cdd4692e439ec9221e08807f766bb969"
	onfidoCheck = `{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"f2302f45-227d-413d-ad61-09ec077a086a","status":"complete","completed_at_iso8601":"2024-04-04T09:21:21Z","href":"https://api.onfido.com/v3.6/checks/f2302f45-227d-413d-ad61-09ec077a086a"}}}`
)

func TestOnfidoVectors(t *testing.T) {
	t.Parallel()
	const secret, at = "onfido_test_8a3d5f7c1e9b2046", 1772445960
	sha2 := func(mac string) http.Header { return http.Header{"X-Sha2-Signature": {mac}} }
	testVectors(t, "onfido", secret, at, []vector{
		{"ONFIDO-1", nil, sha2(onfidoMAC), onfidoBody, ""},
		{"upper case", nil, sha2(strings.ToUpper(onfidoMAC)), onfidoBody, ""},
		{"older header", nil, http.Header{"X-Signature": {onfidoSHA1}}, onfidoBody, MissingSignature},
		{"SHA-256 in the older header", nil, http.Header{"X-Signature": {onfidoMAC}}, onfidoBody, MissingSignature},
		{"SHA-1 in the newer header", nil, sha2(onfidoSHA1), onfidoBody, MalformedSignature},
		{"both headers", nil, http.Header{"X-Sha2-Signature": {onfidoMAC}, "X-Signature": {onfidoSHA1}}, onfidoBody, ""},
		{"changed body", nil, sha2(onfidoMAC), strings.Replace(onfidoBody, "review", "approved", 1), WrongSecret},
	})
	testVectors(t, "onfido", "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh", at, []vector{
		{"Onfido's own", nil, sha2("77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7"), onfidoCheck, ""},
		{"one digit off", nil, sha2("77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c8"), onfidoCheck, WrongSecret},
	})
	testSign(t, "onfido", secret, nil, at, onfidoBody, sha2(onfidoMAC))
}

func TestOnfidoEnvelopes(t *testing.T) {
	t.Parallel()
	// printf 'key:%s' "$(printf 'workflow_run.completed\037\0373b8f6f0e-5a41-4c5e-9a8d-7f0e2c1b4a69\037review\0372026-03-02T10:06:00Z' |
	//	sha256sum | cut -c-64)"
	run := Envelope{
		Generation: "v1", ExternalID: "key:624cf7c5fb58925b5c18fddc0524534824273578f8950fb98447ebeeab85a0ee", Derived: true, Type: "workflow_run.completed",
		CorrelationID: "3b8f6f0e-5a41-4c5e-9a8d-7f0e2c1b4a69", OccurredAt: time.Date(2026, 3, 2, 10, 6, 0, 0, time.UTC),
	}
	noAction, noID := strings.Replace(onfidoBody, `"action"`, `"event"`, 1), strings.Replace(onfidoCheck, `"object":{"id"`, `"object":{"other"`, 1)
	untyped, unnamed := run, Envelope{Generation: "v1", Derived: true, ExternalID: bodyID([]byte(noID)), Type: "check.completed"}
	untyped.Type, untyped.ExternalID = "", bodyID([]byte(noAction))
	unnamed.OccurredAt = time.Date(2024, 4, 4, 9, 21, 21, 0, time.UTC)
	const empty = `{"payload":[]}`
	testEnvelopes(t, "onfido", []envelopeCase{
		{"run", onfidoBody, run, nil},
		{"no action", noAction, untyped, ErrUnreadable},
		{"no ID", noID, unnamed, ErrUnreadable},
		{"another form", empty, Envelope{Generation: "v1", Derived: true, ExternalID: bodyID([]byte(empty)), Warnings: []string{"one"}}, ErrUnreadable},
	})
	for members, want := range map[string]string{
		`"object":{"id":"1","started_at_iso8601":"2026-03-02T09:00:00Z"}`:                                                        "09 1 0",
		`"object":{"id":"1","started_at_iso8601":"2026-03-02T09:00:00Z","completed_at_iso8601":"2026-03-02T10:00:00Z"}`:          "10 1 0",
		`"object":{"id":"1","workflow_run_id":"2"},"resource":{"updated_at":"2026-03-02T11:00:00Z"}`:                             "11 2 0",
		`"object":{"id":"1","completed_at_iso8601":null},"resource":{"workflow_run_id":"3","updated_at":"2026-03-02T12:00:00Z"}`: "12 3 0",
		`"object":{"id":"1"}`: "00 1 1",
	} {
		e, err := envelopeOf(t, "onfido", `{"payload":{"action":"check.started",`+members+`}}`)
		if got := fmt.Sprintf("%s %s %d", e.OccurredAt.Format("15"), e.CorrelationID, len(e.Warnings)); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", members, got, err, want)
		}
	}
}

// A retry is the same event. What is about another object, status, time or action is another event.
func TestOnfidoIDs(t *testing.T) {
	t.Parallel()
	task := `{"payload":{"action":"workflow_task.completed","object":{"id":"document_check_1","workflow_run_id":"run-1","status":"completed","completed_at_iso8601":"2026-03-02T10:06:00Z"}}}`
	testDerivedIDs(t, "onfido", []identityCase{
		{"retry", onfidoCheck, "complete", "complete", true},
		{"spaces", onfidoCheck, `"status":"complete"`, `"status": "complete"`, true},
		{"another URL", onfidoCheck, "v3.6", "v4", true},
		{"another check", onfidoCheck, `"id":"f2302f45`, `"id":"f2302f46`, false},
		{"another action", onfidoCheck, "check.completed", "check.reopened", false},
		{"another status", onfidoCheck, `"complete"`, `"reopened"`, false},
		{"completed again", onfidoCheck, "09:21:21", "09:21:22", false},
		{"a task of another run", task, "run-1", "run-2", false},
	})
}
