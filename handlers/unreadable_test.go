package handlers

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// templates are a readable body of each form, with the members that must be texts.
var templates = map[string]struct {
	provider, body string
	needed         []string // "" would leave the event without a name or an ID
	optional       []string
}{
	"trustgate v2":   {"trustgate", tgReviewed, []string{`"event_type":"applicant.reviewed"`, `"event_id":"7b1e4c52-90ad-4f0e-8a35-2c6d9f1b7e04"`, `"timestamp":"2026-02-04T15:00:00Z"`}, []string{`"tenant_id":"c0a8012e-5d3f-4b6a-9e71-0f4d8b2a6c19"`, `"correlation_id":null`}},
	"trustgate v1":   {"trustgate", `{"id":"evt_1","type":"case.created","created_at":"2026-02-04T15:00:00Z"}`, []string{`"id":"evt_1"`, `"type":"case.created"`, `"created_at":"2026-02-04T15:00:00Z"`}, nil},
	"trustgate ping": {"trustgate", tgPing, []string{`"event":"test.ping"`, `"timestamp":"2026-02-04T15:00:00Z"`}, []string{`"webhook_id":"5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25"`}},
	"workflow":       {"trustgate", workflowRun, []string{`"event":"workflow.action.webhook"`, `"timestamp":"2026-06-16T10:49:06Z"`}, []string{`"tenant_id":"t1"`, `"id":"a1"`}},
	"trst":           {"trst", trstBody, []string{`"event_id":"0f6d2b84-3a9c-4e17-b5d0-8c1e7f4a2963"`, `"timestamp":"2024-11-02T15:30:00Z"`, `"event_type":"enrollment.completed"`}, []string{`"project_id":"proj_7k2m"`}},
	"legaltalent":    {"legaltalent", kycBody, []string{`"id":"evt_5f2a9c71d084"`, `"type":"kyc.session.processed"`}, nil},
	"trustist v1":    {"trustist", trustistOlder, []string{`"event":"onboard.session.completed"`, `"timestamp":"2026-02-17T08:33:02Z"`, `"sessionId":"6ee6bf23"`}, nil},
	"trustist v2":    {"trustist", trustistNewer, []string{`"Event":"onboard.session.completed"`, `"Timestamp":"2026-09-14T13:08:26Z"`, `"Id":"61c1cfc4"`}, nil},
	"payment":        {"trustist", trustistMoney, []string{`"eventType":"payment.created"`}, []string{`"merchantId":"mch_58"`, `"paymentId":"pmt_1"`, `"status":"PENDING"`}},
}

// unfit are values that must not become an ID or a type.
var unfit = map[string]string{
	"long":   `"` + strings.Repeat("x", 256) + `"`,
	"wide":   `"` + strings.Repeat("é", 128) + `"`,
	"NUL":    `"a\u0000b"`,
	"number": `17`, "bool": `true`, "array": `["a"]`, "object": `{"a":"b"}`,
}

func TestUnfitMembers(t *testing.T) {
	t.Parallel()
	for name, c := range templates {
		for _, member := range slices.Concat(c.needed, c.optional) {
			if strings.Count(c.body, member) != 1 {
				t.Fatalf("%s: %s is not once in the body", name, member)
			}
			key, _, _ := strings.Cut(member, ":")
			values := maps.Clone(unfit)
			if slices.Contains(c.needed, member) {
				values["empty"], values["null"] = `""`, `null`
			}
			for what, value := range values {
				_, err := envelopeOf(t, c.provider, strings.Replace(c.body, member, key+":"+value, 1))
				if !errors.Is(err, ErrUnreadable) {
					t.Errorf("%s, %s is %s: %v, want ErrUnreadable", name, key, what, err)
				}
			}
		}
		for _, member := range c.needed {
			without := strings.Replace(strings.Replace(c.body, member+",", "", 1), member, "", 1)
			if _, err := envelopeOf(t, c.provider, strings.Replace(without, ",}", "}", 1)); !errors.Is(err, ErrUnreadable) {
				t.Errorf("%s without %s: %v, want ErrUnreadable", name, member, err)
			}
		}
	}
}

// TestLongestText: 255 bytes are stored.
func TestLongestText(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", 255)
	e, err := envelopeOf(t, "legaltalent", strings.NewReplacer("evt_5f2a9c71d084", longest, "kyc.session.processed", longest).Replace(kycBody))
	if err != nil || e.ExternalID != longest || e.Type != longest {
		t.Errorf("%v", err)
	}
}

func TestUnfitTimes(t *testing.T) {
	t.Parallel()
	for _, created := range []string{"0", "-5", "1.5", "1e3", `"1735228800"`, "1735228800000", "99999999999999999999", "9223372036854775807", "9223371966579724800", "null", "true", "[]"} {
		if _, err := envelopeOf(t, "legaltalent", strings.Replace(kycBody, "1735228800", created, 1)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("created %s: %v, want ErrUnreadable", created, err)
		}
	}
	for _, at := range []string{"yesterday", "2026-02-04", "2026-02-04T15:00:00", "2026-02-04 15:00:00Z", "1770217200", "2026-13-04T15:00:00Z"} {
		if _, err := envelopeOf(t, "trst", strings.Replace(trstBody, "2024-11-02T15:30:00Z", at, 1)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("timestamp %s: %v, want ErrUnreadable", at, err)
		}
	}
}

// TestTimesCanBeTold: a time that JSON cannot express would make every list with its event fail.
func TestTimesCanBeTold(t *testing.T) {
	t.Parallel()
	for body, provider := range map[string]string{
		strings.Replace(kycBody, "1735228800", "999999999999", 1):                           "legaltalent", // the year 33658
		strings.Replace(trstBody, "2024-11-02T15:30:00Z", "9999-12-31T23:59:59-00:01", 1):   "trst",        // the year 10000 in UTC
		strings.Replace(trstBody, "2024-11-02T15:30:00Z", "0000-01-01T00:00:00+00:01", 1):   "trst",        // the year -1 in UTC
		strings.Replace(tgReviewed, "2026-02-04T15:00:00Z", "9999-12-31T23:59:59-00:01", 1): "trustgate",
	} {
		e, err := envelopeOf(t, provider, body)
		if errors.Is(err, ErrUnreadable) {
			continue
		}
		if _, err := json.Marshal(models.At(e.OccurredAt)); err != nil {
			t.Errorf("%s: an event was read that cannot be listed: %v", provider, err)
		}
	}
}

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000)
	for name, change := range map[string]func(body string) string{
		"empty":                 func(string) string { return "" },
		"truncated":             func(b string) string { return b[:len(b)-1] },
		"something after it":    func(b string) string { return b + "{}" },
		"byte order mark":       func(b string) string { return "\ufeff" + b },
		"UTF-16":                func(b string) string { return strings.Join(strings.Split(b, ""), "\x00") + "\x00" },
		"invalid UTF-8":         func(b string) string { return strings.TrimSuffix(b, "}") + ",\"x\":\"\xff\"}" },
		"invalid UTF-8 in name": func(b string) string { return strings.TrimSuffix(b, "}") + ",\"\xc3\x28\":1}" },
		"null":                  func(string) string { return "null" },
		"array":                 func(b string) string { return "[" + b + "]" },
		"text":                  func(string) string { return `"text"` },
		"number":                func(string) string { return "17" },
		"not JSON":              func(string) string { return "event=x&data=y" },
		"empty object":          func(string) string { return "{}" },
		"other object":          func(string) string { return `{"hello":"world"}` },
		"100,000 brackets":      func(string) string { return deep },
		"100,000 brackets in it": func(b string) string {
			return strings.TrimSuffix(b, "}") + `,"deep":` + deep + strings.Repeat("]", 100_000) + "}"
		},
		"100,000 objects in data": func(string) string {
			return `{"event":"x","timestamp":"2026-02-17T08:33:02Z","data":` + strings.Repeat(`{"progress":`, 100_000)
		},
	} {
		for form, c := range templates {
			e, err := envelopeOf(t, c.provider, change(c.body))
			if !errors.Is(err, ErrUnreadable) || errors.Is(err, ErrUnverified) {
				t.Errorf("%s, %s: %v, want ErrUnreadable", form, name, err)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("%s, %s: the error is as long as a body: %.80s…", form, name, err)
			}
			if e.ExternalID != "" {
				t.Errorf("%s, %s: got an ID, %s", form, name, e.ExternalID)
			}
		}
	}
}
