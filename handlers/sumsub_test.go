package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 441 bytes. Each MAC is what this prints, with -sha256, -sha512 or -sha1:
//
//	printf %s "$sumsubBody" | openssl dgst -sha256 -hmac sumsub_test_4f1c9e7a2b5d8036
const (
	sumsubBody = `{"applicantId":"66f0c1d2a3b4c5d6e7f80912","inspectionId":"66f0c1d2a3b4c5d6e7f80913","applicantType":"individual","correlationId":"c0ffee00112233445566778899aabbcc","levelName":"basic-kyc-level","sandboxMode":false,"externalUserId":"cust_1001","type":"applicantReviewed","reviewResult":{"reviewAnswer":"GREEN"},"reviewStatus":"completed","createdAt":"2026-03-02 10:06:00+0000","createdAtMs":"2026-03-02 10:06:00.125","clientId":"example.org"}`
	sumsub256  = "d553fb23b09f4434f2cb6e60db6e4dd29007ac4a90dbe196612f284895a1ebe3"
	sumsub512  = "e4b1725ad74ca8989276a5bc4f165a6d8ab714c2a4b4f16a19c673edcb785efd9557a097e82d99288bb7a9225aedba053a73d2bb95074e5b335888ae2bdda114"
	sumsub1    = "5c49f229bba115eecfa16333973c643fe4341654"
)

func TestSumsubVectors(t *testing.T) {
	t.Parallel()
	const secret, at = "sumsub_test_4f1c9e7a2b5d8036", 1772445960
	header := func(mac, hash string) http.Header {
		return http.Header{"X-Payload-Digest": {mac}, "X-Payload-Digest-Alg": {hash}}
	}
	bare := func(mac string) http.Header { return http.Header{"X-Payload-Digest": {mac}} }
	old := map[string]string{"SUMSUB_SHA1": "on"}
	testVectors(t, "sumsub", secret, at, []vector{
		{"SUMSUB-1", nil, header(sumsub256, "HMAC_SHA256_HEX"), sumsubBody, ""},
		{"SHA-512", nil, header(sumsub512, "HMAC_SHA512_HEX"), sumsubBody, ""},
		{"SHA-1", nil, header(sumsub1, "HMAC_SHA1_HEX"), sumsubBody, RefusedHash},
		{"SHA-1, allowed", old, header(sumsub1, "HMAC_SHA1_HEX"), sumsubBody, ""},
		{"SHA-256 where SHA-1 is allowed", old, header(sumsub256, "HMAC_SHA256_HEX"), sumsubBody, ""},
		{"no name", nil, bare(sumsub256), sumsubBody, ""},
		{"no name, SHA-512", nil, bare(sumsub512), sumsubBody, MalformedSignature},
		{"no name, SHA-1, allowed", old, bare(sumsub1), sumsubBody, MalformedSignature},
		{"SHA-1 under the name of SHA-256", old, header(sumsub1, "HMAC_SHA256_HEX"), sumsubBody, MalformedSignature},
		{"unknown name", nil, header(sumsub256, "HMAC_MD5_HEX"), sumsubBody, RefusedHash},
		{"changed body", nil, header(sumsub256, "HMAC_SHA256_HEX"), strings.Replace(sumsubBody, "GREEN", "RED", 1), WrongSecret},
	})
	testSign(t, "sumsub", secret, nil, at, sumsubBody, header(sumsub256, "HMAC_SHA256_HEX"))
}

func TestSumsubEnvelopes(t *testing.T) {
	t.Parallel()
	// The ID is what this prints: printf 'key:%s' "$(printf '66f0c1d2a3b4c5d6e7f80912\037\037applicantReviewed\0372026-03-02 10:06:00.125\037%s' "$(
	// printf '"completed"\037{"reviewAnswer":"GREEN"}\037' | sha256sum | cut -c-64)" | sha256sum | cut -c-64)"
	want := Envelope{
		Generation: "v1", ExternalID: "key:fc4b48422717fdedcb51e32c356b648d1c57dde2f1b7e8b308ae4677c10c8795", Derived: true, Type: "applicantReviewed", TenantID: "example.org",
		CorrelationID: "c0ffee00112233445566778899aabbcc", OccurredAt: time.Date(2026, 3, 2, 10, 6, 0, 125e6, time.UTC),
	}
	sandbox, untyped := want, want
	sandbox.Sandbox = true
	noType := strings.Replace(sumsubBody, `"type"`, `"kind"`, 1)
	untyped.Type, untyped.ExternalID = "", bodyID([]byte(noType))
	const bare = `{"type":"applicantReset"}`
	testEnvelopes(t, "sumsub", []envelopeCase{
		{"live", sumsubBody, want, nil},
		{"sandbox", strings.Replace(sumsubBody, `"sandboxMode":false`, `"sandboxMode":true`, 1), sandbox, nil},
		{"sandbox, as text", strings.Replace(sumsubBody, `"sandboxMode":false`, `"sandboxMode":"true"`, 1), sandbox, nil},
		{"no type", noType, untyped, ErrUnreadable},
		{"neither time nor applicant", bare, Envelope{
			Generation: "v1", ExternalID: bodyID([]byte(bare)), Derived: true, Type: "applicantReset", Warnings: []string{"one"},
		}, nil},
	})
	for text, want := range map[string]time.Time{
		`"createdAtMs":"2026-03-02 10:06:00.125456"`:    time.Date(2026, 3, 2, 10, 6, 0, 125456e3, time.UTC),
		`"createdAtMs":"2026-03-02 10:06:00.125456789"`: time.Date(2026, 3, 2, 10, 6, 0, 125456789, time.UTC),
		`"createdAtMs":"2026-03-02 10:06:00"`:           time.Date(2026, 3, 2, 10, 6, 0, 0, time.UTC),
		`"createdAt":"2026-03-02 12:06:00+0200"`:        time.Date(2026, 3, 2, 10, 6, 0, 0, time.UTC),
	} {
		e, err := envelopeOf(t, "sumsub", `{"type":"applicantReset",`+text+`}`)
		if !e.OccurredAt.Equal(want) || len(e.Warnings) > 0 || err != nil {
			t.Errorf("%s: %v, warnings %v, %v", text, e.OccurredAt, e.Warnings, err)
		}
	}
}

// A retry is the same event, also with another number. What another applicant, action, time or result is about is another event, and so are
// other bytes where the documentation does not say what identifies an event.
func TestSumsubIDs(t *testing.T) {
	t.Parallel()
	action := strings.Replace(sumsubBody, `"type":"applicantReviewed"`, `"applicantActionId":"act_1","type":"applicantActionReviewed"`, 1)
	transaction := strings.Replace(sumsubBody, `"type":"applicantReviewed"`, `"kytTxnId":"txn_1","type":"applicantKytTxnApproved"`, 1)
	testDerivedIDs(t, "sumsub", []identityCase{
		{"retry", sumsubBody, "GREEN", "GREEN", true},
		{"another correlation ID", sumsubBody, "c0ffee", "decade", true},
		{"spaces", sumsubBody, `{"reviewAnswer":"GREEN"}`, `{ "reviewAnswer": "GREEN" }`, true},
		{"another applicant", sumsubBody, "80912", "80914", false},
		{"another type", sumsubBody, "applicantReviewed", "applicantReset", false},
		{"a millisecond later", sumsubBody, "00.125", "00.126", false},
		{"another result at the same time", sumsubBody, "GREEN", "RED", false},
		{"another action", action, "act_1", "act_2", false},
		{"another transaction at the same time", transaction, "txn_1", "txn_2", false},
		{"another time without milliseconds", strings.Replace(sumsubBody, "createdAtMs", "other", 1), "00+0000", "01+0000", false},
	})
}
