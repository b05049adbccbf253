package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 582 bytes. The first two MACs are what this prints, with the secret of that name; the others are Didit's, too:
//
//	printf %s "$diditBody" | openssl dgst -sha256 -hmac didit_test_0d5b8f2e7a1c
const (
	diditBody   = `{"application_id":"a1b2c3d4-0000-4000-8000-0000000000aa","created_at":1772445955,"decision":{"id_verifications":[{"first_name":"Zo\u00e9","last_name":"Nowak","node_id":"id_1","status":"Approved"}],"session_id":"9f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342","status":"Approved"},"environment":"live","event_id":"5e0c9b7a-41d2-436f-8a15-b7d0c3e9f264","metadata":{},"session_id":"9f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342","status":"Approved","timestamp":1772445960,"vendor_data":"cust_1001","webhook_type":"status.updated","workflow_id":"44d0b6e8-1c9f-4a27-8e53-0d7f2b9c6a15","workflow_version":3}`
	diditMAC    = "e6618794aba96b8f83fd9adeb827837ecba8e0fe8c951d976baef1a81ba1d774"
	diditOld    = "b56d565e8abf1cf21cf99828176845a32ca3c2ce3ff7d5314725a0caf011554f" // didit_test_old_6c1e9a3f7b20
	diditV2     = "253cb4ea0a106b22807bdb1346342fadcd94f785c791e4c623d5879e1e593083" // of the body with é in place of \u00e9
	diditSimple = "513dc5b286bb55461d878002fc8425a5785e4daffa85a7f5367c71421adcbdc1" // of <timestamp>:<session_id>:<status>:<webhook_type>
	diditTimed  = "2f1b99d199cd614e293739b8aa1b36df378834ab7a77f39f84cd187dd48d490c" // of <timestamp>:<body>, as some of Didit's documents have it
	diditLater  = "b6f7834db549e33f7ba0e0bd264b1485b6bc74136dbb96f76855a7a0d1335384" // of the body with the timestamp 1772449560
)

func TestDiditVectors(t *testing.T) {
	t.Parallel()
	const at, current, previous = 1772445960, "didit_test_0d5b8f2e7a1c", "didit_test_old_6c1e9a3f7b20"
	header := func(pairs ...string) http.Header {
		h := http.Header{"X-Timestamp": {"1772445960"}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	all := header("X-Signature", diditMAC, "X-Signature-V2", diditV2, "X-Signature-Simple", diditSimple)
	rotated := header("X-Signature", diditMAC, "X-Signature-Previous", diditOld)
	testVectors(t, "didit", current, at, []vector{
		{"DIDIT-1", nil, all, diditBody, ""},
		{"without the other signatures", nil, header("X-Signature", diditMAC), diditBody, ""},
		{"while the secret is rotated", nil, rotated, diditBody, ""},
		{"V2 alone", nil, header("X-Signature-V2", diditV2), diditBody, WeakSignature},
		{"Simple alone", nil, header("X-Signature-Simple", diditSimple), diditBody, WeakSignature},
		{"both, without the one that counts", nil, header("X-Signature-V2", diditV2, "X-Signature-Simple", diditSimple), diditBody, WeakSignature},
		{"V2 in the header of the other", nil, header("X-Signature", diditV2), diditBody, WrongSecret},
		{"Simple in the header of the other", nil, header("X-Signature", diditSimple), diditBody, WrongSecret},
		{"timestamp signed before the body", nil, header("X-Signature", diditTimed), diditBody, WrongSecret},
		{"wrong one beside the right others", nil, header("X-Signature", diditOld, "X-Signature-V2", diditV2, "X-Signature-Simple", diditSimple), diditBody, WrongSecret},
		{"changed decision", nil, all, strings.Replace(diditBody, "Nowak", "Kowak", 1), WrongSecret},
		{"rewritten by a proxy", nil, all, strings.Replace(diditBody, `Zo\u00e9`, "Zoé", 1), WrongSecret},
		{"a fresh header, which is not signed", nil, header("X-Signature", diditLater, "X-Timestamp", "1772445960"), strings.Replace(diditBody, "1772445960", "1772449560", 1), FromTheFuture},
	})
	testVectors(t, "didit", previous, at, []vector{{"the secret before the rotation", nil, rotated, diditBody, ""}})
	testVectors(t, "didit", current, at+600, []vector{{"ten minutes old", nil, all, diditBody, ""}})
	replayed := header("X-Signature", diditMAC)
	replayed.Set("X-Timestamp", "1772446561")
	testVectors(t, "didit", current, at+601, []vector{{"older, with a fresh header", nil, replayed, diditBody, TooOld}})
	testSign(t, "didit", current, nil, at, diditBody, http.Header{"X-Signature": {diditMAC}})
}

// TestDiditSignsAnew: Sign renews the time in a body that would be too old, and leaves the rest as it is.
func TestDiditSignsAnew(t *testing.T) {
	t.Parallel()
	p := mustProvider(t, "didit", nil, "didit_test_0d5b8f2e7a1c")
	for at, want := range map[int64]string{1772445960 + 60: diditBody, 1772449560: strings.Replace(diditBody, "1772445960", "1772449560", 1)} {
		if q := p.Sign([]byte(diditBody), time.Unix(at, 0)); string(q.Body) != want || want != diditBody && q.Header.Get("X-Signature") != diditLater {
			t.Errorf("at %d: %s, signed %v", at, q.Body, q.Header)
		}
	}
}

func TestDiditEnvelopes(t *testing.T) {
	t.Parallel()
	// The ID is what this prints: printf 'key:%s' "$(printf '5e0c9b7a-41d2-436f-8a15-b7d0c3e9f264\0379f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342\037status.updated\037Approved' |
	// sha256sum | cut -c-64)". For one without event_id, it is 9f4a…\037status.updated\037Approved\0371772445955.
	const id, withoutID = "key:5791a24d9342ce0e88c2f5e9580ac860f9fb217882aade745be3963f2d6d7752", "key:75b75c522616a7e3b4763c46a411957675606900980536bde3b09df74a95b048"
	want := Envelope{
		Generation: "v3", ExternalID: id, Derived: true, Type: "status.updated", TenantID: "a1b2c3d4-0000-4000-8000-0000000000aa",
		CorrelationID: "9f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342", OccurredAt: time.Unix(1772445960, 0).UTC(),
	}
	with := func(change func(e *Envelope)) Envelope { e := want; change(&e); return e }
	changed := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(diditBody) }
	noType := changed(`"webhook_type"`, `"kind"`)
	const entity = `{"event_id":"e1","webhook_type":"user.status.updated","timestamp":1772445960,"status":"BLOCKED"}`
	const bare = `{"webhook_type":"user.status.updated","timestamp":1772445960}`
	testEnvelopes(t, "didit", []envelopeCase{
		{"live", diditBody, want, nil},
		{"sandbox", changed(`"live"`, `"sandbox"`), with(func(e *Envelope) { e.Sandbox = true }), nil},
		{"test webhook", changed(`"event_id"`, `"other"`, `"metadata":{}`, `"metadata":{"test_webhook":true}`), with(func(e *Envelope) { e.Sandbox, e.ExternalID = true, withoutID }), nil},
		{"version 2", changed(`"id_verifications":[`, `"id_verification":{"status":"Approved"},"other":[`), with(func(e *Envelope) { e.Generation = "v2" }), nil},
		{"company", changed(`"session_id":"9f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342","status":"Approved","timestamp"`, `"business_session_id":"9f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342","status":"Approved","timestamp"`), want, nil},
		{"no timestamp", changed(`"timestamp"`, `"other"`), with(func(e *Envelope) { e.OccurredAt = time.Unix(1772445955, 0).UTC() }), nil},
		{"no type", noType, with(func(e *Envelope) {
			e.Type, e.ExternalID = "", derivedID("5e0c9b7a-41d2-436f-8a15-b7d0c3e9f264", e.CorrelationID, "", "Approved")
		}), ErrUnreadable},
		{"no session", entity, Envelope{
			Generation: "v3", ExternalID: derivedID("e1", "", "user.status.updated", "BLOCKED"), Derived: true, Type: "user.status.updated", OccurredAt: want.OccurredAt,
		}, nil},
		{"nothing that tells it apart", bare, Envelope{Generation: "v3", ExternalID: bodyID([]byte(bare)), Derived: true, Type: "user.status.updated", OccurredAt: want.OccurredAt}, nil},
	})
}

// A retry is the same event, also with a new timestamp. One with a new event_id counts as another.
func TestDiditIDs(t *testing.T) {
	t.Parallel()
	noID := strings.Replace(diditBody, `"event_id"`, `"other"`, 1)
	testDerivedIDs(t, "didit", []identityCase{
		{"retry", diditBody, "Approved", "Approved", true},
		{"a new timestamp", diditBody, "1772445960", "1772446200", true},
		{"spaces", diditBody, `"metadata":{}`, `"metadata": {}`, true},
		{"another event_id", diditBody, "5e0c9b7a", "5e0c9b7b", false},
		{"another status with the same event_id", diditBody, `"status":"Approved","timestamp"`, `"status":"Declined","timestamp"`, false},
		{"another type with the same event_id", diditBody, "status.updated", "data.updated", false},
		{"no event_id, a new timestamp", noID, "1772445960", "1772446200", true},
		{"no event_id, another created_at", noID, "1772445955", "1772445956", false},
	})
}
