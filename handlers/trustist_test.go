package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	trustistV1    = `{"event":"onboard.session.completed","timestamp":"2026-02-17T08:33:02Z","data":{"sessionId":"6ee6bf23","customerId":"312db481","status":"completed","progress":{"identity":{"status":"passed","completedAt":"2026-02-17T08:24:51Z"}}}}`
	trustistV2    = `{"Event":"onboard.session.completed","Timestamp":"2026-09-14T13:08:26Z","Session":{"Id":"61c1cfc4","Status":"Complete","Progress":{"Identity":{"Completed":true,"Confirmed":true,"CompletedAt":"2026-09-14T13:07:48Z"},"Ais":null}}}`
	trustistMoney = `{"eventType":"payment.created","merchantId":"mch_58","paymentId":"pmt_1","status":"PENDING","created":"2026-02-18T11:20:05.3079264Z"}`
)

func TestTrustistDerivedIDs(t *testing.T) {
	t.Parallel()
	testDerivedIDs(t, "trustist", []identityCase{
		{"v1: new timestamp", trustistV1, "08:33:02Z", "09:44:13Z", true},
		{"v1: other profile", trustistV1, `"312db481"`, `"999"`, true},
		{"v1: order of members", trustistV1, `"status":"passed","completedAt":"2026-02-17T08:24:51Z"`, `"completedAt":"2026-02-17T08:24:51Z","status":"passed"`, true},
		{"v1: spacing", trustistV1, `"progress":{`, "\n\t\"progress\" : {\r\n ", true},
		{"v1: escapes", trustistV1, `"passed"`, `"\u0070assed"`, true},
		{"v1: other session", trustistV1, "6ee6bf23", "6ee6bf24", false},
		{"v1: other event", trustistV1, "session.completed", "session.failed", false},
		{"v1: other status", trustistV1, `"status":"completed"`, `"status":"failed"`, false},
		{"v1: other progress", trustistV1, `"passed"`, `"failed"`, false},
		{"v1: other completion", trustistV1, "08:24:51Z", "08:24:52Z", false},
		{"v2: new timestamp", trustistV2, "13:08:26Z", "14:09:27Z", true},
		{"v2: order of members", trustistV2, `"Completed":true,"Confirmed":true`, `"Confirmed":true,"Completed":true`, true},
		{"v2: other session", trustistV2, "61c1cfc4", "61c1cfc5", false},
		{"v2: other status", trustistV2, `"Complete"`, `"Pending"`, false},
		{"v2: other progress", trustistV2, `"Confirmed":true`, `"Confirmed":false`, false},
		{"payment: new timestamp", trustistMoney, "11:20:05", "12:30:15", true},
		{"payment: other status", trustistMoney, "PENDING", "COMPLETED", false},
		{"payment: other payment", trustistMoney, "pmt_1", "pmt_2", false},
		{"payment: other type", trustistMoney, "payment.created", "payment.failed", false},
		{"payment without ID: other bytes", `{"eventType":"payment.created","created":"2026-02-18T11:20:05Z"}`, "11:20", "11:21", false},
	})
}

// TestTrustistTime: a session occurred when its last step was completed, which a retry does not change.
func TestTrustistTime(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		trustistV1: "2026-02-17T08:24:51Z",
		trustistV2: "2026-09-14T13:07:48Z",
		strings.Replace(trustistV2, `"Ais":null`, `"Ais":{"CompletedAt":"2026-09-14T13:08:00Z"}`, 1):       "2026-09-14T13:08:00Z",
		strings.Replace(trustistV2, `"CompletedAt":"2026-09-14T13:07:48Z"`, `"CompletedAt":null`, 1):       "2026-09-14T13:08:26Z",
		strings.Replace(trustistV2, `"CompletedAt":"2026-09-14T13:07:48Z"`, `"CompletedAt":"just now"`, 1): "2026-09-14T13:08:26Z",
		strings.Replace(trustistV1, `"progress":{`, `"progress":[],"steps":{`, 1):                          "2026-02-17T08:33:02Z",
		trustistMoney: "2026-02-18T11:20:05.3079264Z",
	} {
		e, err := envelopeOf(t, "trustist", body)
		if got := e.OccurredAt.Format(time.RFC3339Nano); err != nil || got != want || len(e.Warnings) > 0 {
			t.Errorf("occurred at %s, %v, warnings %v, want %s, in %s", got, err, e.Warnings, want, body)
		}
	}
}

// TestTrustistLetterCase: encoding/json matches names in any letter case, which would blur the generations.
func TestTrustistLetterCase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, generation string // no generation: unreadable
	}{
		"v1":                           {trustistV1, "v1"},
		"v2":                           {trustistV2, "v2"},
		"payment":                      {trustistMoney, "payment"},
		"v1 with another Event":        {strings.Replace(trustistV1, `{"event"`, `{"Event":"other","event"`, 1), "v1"},
		"v1 with another SessionId":    {strings.Replace(trustistV1, `"customerId"`, `"SessionId":"other","customerId"`, 1), "v1"},
		"v1 with a session":            {strings.Replace(trustistV1, `{"event"`, `{"session":{"Id":"x"},"event"`, 1), "v1"},
		"v1 with null Session":         {strings.Replace(trustistV1, `{"event"`, `{"Session":null,"event"`, 1), "v1"},
		"v2 in lower case":             {strings.ToLower(trustistV2), ""},
		"v2 with an event":             {strings.Replace(trustistV2, `"Event"`, `"event"`, 1), ""},
		"v1 in a Session":              {strings.Replace(trustistV1, `"data"`, `"Session"`, 1), ""},
		"v1 with an Event":             {strings.Replace(trustistV1, `"event"`, `"Event"`, 1), ""},
		"payment with an EventType":    {strings.Replace(trustistMoney, `"eventType"`, `"EventType"`, 1), ""},
		"v1 with its ID in PascalCase": {strings.Replace(trustistV1, `"sessionId"`, `"SessionId"`, 1), ""},
	} {
		e, err := envelopeOf(t, "trustist", c.body)
		if errors.Is(err, ErrUnreadable) != (c.generation == "") || err == nil && e.Generation != c.generation {
			t.Errorf("%s: generation %q, %v, want %q", name, e.Generation, err, c.generation)
		}
		if want, _ := envelopeOf(t, "trustist", trustistV1); c.generation == "v1" && e.ExternalID != want.ExternalID {
			t.Errorf("%s: not the ID of the same event in lower case", name)
		}
	}
}

// TestTokenCharacters: whatever the operator chose as the token, Sign makes a path that reaches it.
func TestTokenCharacters(t *testing.T) {
	t.Parallel()
	store := openStore(t, sqliteURL(t))
	for _, token := range []string{"plain", "a+b", "a b", "a%2Fb", "100%", "a?b#c", "ключ", "a=b&c", "a/b", "MDEy/MzQ1+Njc4=="} {
		p := mustProvider(t, "trustist", nil, token)
		r := newReception(t, store, map[string]Provider{"trustist": p})
		q := p.Sign([]byte(trustistV1), noon)
		if got := r.post(q); got.status != 200 {
			t.Errorf("token %q: answered %d to the right one", token, got.status)
		}
		q.Path = fmt.Sprintf("trustist/%%%s", strings.ReplaceAll(fmt.Sprintf("% x", token), " ", "%"))
		if got := r.post(q); got.status != 200 {
			t.Errorf("token %q, every byte escaped: answered %d to the right one", token, got.status)
		}
	}
}

// TestWrongToken is answered like any unknown path, and leaves no trace of the token.
func TestWrongToken(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), map[string]Provider{"trustist": mustProvider(t, "trustist", nil, firstSecret)})
	for path, want := range map[string]Reason{
		"trustist/canary":                     WrongToken,
		"trustist/" + firstSecret[:5]:         WrongToken,
		"trustist":                            "no token in the path: want /webhooks/trustist/<token>",
		"trustist/":                           "no token in the path: want /webhooks/trustist/<token>",
		"trustist/" + firstSecret + "/":       "no such path: did you mean /webhooks/trustist/<token>",
		"trustist/" + firstSecret + "/canary": "no such path: did you mean /webhooks/trustist/<token>",
		"Trustist/" + firstSecret:             "no such path: did you mean /webhooks/trustist/<token>",
	} {
		r.post(Request{Path: path, Header: http.Header{}, Body: []byte(trustistV1)}).want(t, 404, isNotFound)
		if got := r.rejections.Newest()[0]; got.Reason != want || got.Provider != "trustist" {
			t.Errorf("%s: recorded %+v, want %s", path, got, want)
		}
	}
	if said := r.log.String() + fmt.Sprintf("%+v", r.rejections.Newest()); strings.Contains(said, "canary") || strings.Contains(said, firstSecret[:5]) {
		t.Errorf("a token was recorded: %s", said)
	}
	if n := len(r.rows()); n != 0 {
		t.Errorf("%d rows", n)
	}
}
