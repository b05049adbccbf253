package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The body has 461 bytes. The MAC is what this prints:
//
//	printf %s "$veriffBody" | openssl dgst -sha256 -hmac 7c2e5a90-1b4d-4f68-9e03-a5d8c6b1f274
const (
	veriffBody = `{"status":"success","verification":{"id":"8d1b4c72-6e0f-4a95-b3d8-1f7c2e9a5046","attemptId":"2f6e9a10-4d3b-47c8-8a51-c0b7d4e6f923","code":9001,"status":"approved","reason":null,"reasonCode":null,"vendorData":"cust_1001","endUserId":null,"decisionTime":"2026-03-02T10:06:00.125Z","acceptanceTime":"2026-03-02T10:00:00.000Z","person":{"firstName":"ASHA","lastName":"PATEL"},"document":{"type":"PASSPORT","country":"GB"},"comments":[]},"technicalData":{"ip":null}}`
	veriffMAC  = "4c9f3bfb376bdef5ba77fa6a91cc010ef087ba70775ff27d15866c352ce1d9ff"
	// printf %s "${veriffBody}7c2e5a90-1b4d-4f68-9e03-a5d8c6b1f274" | openssl dgst -sha256
	veriffLegacy = "38c64b61307b4737a14e3a4c32b84780ef91ddf31cfe7fe08d2ef5e4965b059b"
)

func TestVeriffVectors(t *testing.T) {
	t.Parallel()
	const secret, at = "7c2e5a90-1b4d-4f68-9e03-a5d8c6b1f274", 1772445960
	header := func(name, value string) http.Header {
		h := http.Header{}
		h.Set(name, value)
		return h
	}
	testVectors(t, "veriff", secret, at, []vector{
		{"VERIFF-1", nil, header("X-HMAC-SIGNATURE", veriffMAC), veriffBody, ""},
		{"upper case", nil, header("X-HMAC-SIGNATURE", strings.ToUpper(veriffMAC)), veriffBody, ""},
		{"older header", nil, header("X-SIGNATURE", veriffLegacy), veriffBody, MissingSignature},
		{"older hash in the newer header", nil, header("X-HMAC-SIGNATURE", veriffLegacy), veriffBody, WrongSecret},
		{"newer MAC in the older header", nil, header("X-SIGNATURE", veriffMAC), veriffBody, MissingSignature},
		{"changed body", nil, header("X-HMAC-SIGNATURE", veriffMAC), strings.Replace(veriffBody, "9001", "9102", 1), WrongSecret},
	})
	const own = `{"verification":{"callback":"https://veriff.com","person":{"firstName":"John","lastName":"Smith"},"document":{"type":"PASSPORT","country":"EE"},"vendorData":"unique id of the end-user","timestamp":"2016-05-19T08:30:25.597Z"}}`
	testVectors(t, "veriff", "abcdef12-abcd-abcd-abcd-abcdef012345", at, []vector{
		{"Veriff's own", nil, header("X-HMAC-SIGNATURE", "0dcab73ddd20062616d104231c7439657546a5c24e4691977da93bb854c31e25"), own, ""},
	})
	testSign(t, "veriff", secret, nil, at, veriffBody, header("X-HMAC-SIGNATURE", veriffMAC))
}

const (
	veriffStep = `{"id":"8d1b4c72","attemptId":"2f6e9a10","feature":"selfid","code":7002,"action":"submitted","vendorData":"cust_1001"}`
	veriffList = `{"sessionId":"8d1b4c72","attemptId":"2f6e9a10","checkType":"initial_result","matchStatus":"possible_match","totalHits":1,"createdAt":"2026-03-02T10:06:30Z","hits":[{"matchedName":"A"}]}`
)

func TestVeriffEnvelopes(t *testing.T) {
	t.Parallel()
	// hash() { printf "$1\037" | sha256sum | cut -c-64; }
	// printf 'key:%s' "$(printf '8d1b4c72-6e0f-4a95-b3d8-1f7c2e9a5046\0372f6e9a10-4d3b-47c8-8a51-c0b7d4e6f923\0379001\0372026-03-02T10:06:00.125Z\037%s\037%s\037%s' \
	//	$(hash '"approved"') $(hash null) $(hash null) | sha256sum | cut -c-64)"
	want := Envelope{
		Generation: "v1", ExternalID: "key:0b52e0dda4f79483bde963305ddd6d6b2289e4c3aa3de48a9057da77605234df", Derived: true, Type: "decision",
		CorrelationID: "8d1b4c72-6e0f-4a95-b3d8-1f7c2e9a5046", OccurredAt: time.Date(2026, 3, 2, 10, 6, 0, 125e6, time.UTC),
	}
	unnamed := func(body, eventType string, warnings ...string) Envelope {
		return Envelope{Generation: "v1", ExternalID: bodyID([]byte(body)), Derived: true, Type: eventType, Warnings: warnings}
	}
	noSession := strings.Replace(veriffBody, `"id"`, `"other"`, 1)
	anonymous := unnamed(noSession, "decision")
	anonymous.OccurredAt = want.OccurredAt
	long := `{"code":7001,"action":"` + strings.Repeat("x", 250) + `"}`
	const undecided, number = `{"status":"success","verification":null}`, `{"action":{},"code":7001}`
	testEnvelopes(t, "veriff", []envelopeCase{
		{"decision", veriffBody, want, nil},
		{"microseconds", strings.Replace(veriffBody, `00.125Z`, `00.125000Z`, 1), func() Envelope {
			e, _ := envelopeOf(t, "veriff", strings.Replace(veriffBody, `00.125Z`, `00.125000Z`, 1))
			e.OccurredAt = want.OccurredAt
			return e
		}(), nil},
		{"no session", noSession, anonymous, nil},
		{"not yet decided", undecided, unnamed(undecided, ""), ErrUnreadable},
		{"action that is no text", number, unnamed(number, "event."), ErrUnreadable},
		{"long action", long, unnamed(long, ""), ErrUnreadable},
		{"another form", `{}`, unnamed(`{}`, ""), ErrUnreadable},
	})
	for body, want := range map[string]string{
		veriffStep: "event.submitted 0001", veriffList: "watchlist 2026", `{"status":"success","data":` + veriffList + `}`: "watchlist 2026",
		strings.Replace(veriffList, "matchStatus", "reviewStatus", 1):                "watchlist 2026",
		`{"eventType":"fullauto","sessionId":"1","time":"2026-03-02T10:06:00.125Z"}`: "fullauto 2026",
	} {
		e, err := envelopeOf(t, "veriff", body)
		if got := e.Type + e.OccurredAt.Format(" 2006"); got != want || err != nil || len(e.Warnings) > 0 || e.CorrelationID == "" {
			t.Errorf("%s: %s, %+v, %v, want %s", body, got, e, err, want)
		}
	}
}

// A retry is the same event. What another session, attempt, code, time or result is about is another event.
func TestVeriffIDs(t *testing.T) {
	t.Parallel()
	testDerivedIDs(t, "veriff", []identityCase{
		{"retry", veriffBody, "approved", "approved", true},
		{"spaces", veriffBody, `"code":9001`, `"code": 9001`, true},
		{"another session", veriffBody, "8d1b4c72", "8d1b4c73", false},
		{"another attempt", veriffBody, "2f6e9a10", "2f6e9a11", false},
		{"another code", veriffBody, "9001", "9102", false},
		{"another status", veriffBody, "approved", "review", false},
		{"another reason", veriffBody, `"reason":null`, `"reason":"fraud"`, false},
		{"a millisecond later", veriffBody, "00.125", "00.126", false},
		{"another step", veriffStep, "7002", "7001", false},
		{"another action", veriffStep, "submitted", "started", false},
		{"a step of another attempt", veriffStep, "2f6e9a10", "2f6e9a11", false},
		{"another search", veriffList, "initial_result", "updated_result", false},
		{"another result of a search", veriffList, "possible_match", "no_match", false},
		{"another match", veriffList, `"A"`, `"B"`, false},
		{"a form by the bytes", `{"eventType":"fullauto","data":{"a":1}}`, `{"a":1}`, `{"a": 1}`, false},
	})
}
