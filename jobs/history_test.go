package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"pgregory.net/rapid"

	"example.com/identity-webhooks/models"
)

// history is what happened to a few people, as a list of events with IDs of their own.
type history []models.Event

// String lists the events so that a person can read them.
func (h history) String() string {
	var b strings.Builder
	for _, e := range h {
		fmt.Fprintf(&b, "  %s %s %s/%s/%s", e.OccurredAt.Format(time.TimeOnly), e.ExternalID[:min(12, len(e.ExternalID))], e.Provider, e.Generation, e.Type)
		eachMember(e.Body, func(path, name string, value gjson.Result) {
			if values := varied[name]; len(values) > 0 {
				fmt.Fprintf(&b, " %s=%s", name, value.Raw)
			}
		})
		b.WriteByte('\n')
	}
	return b.String()
}

// varied are the members of samples that a history draws anew, by name, each from a few values, so that events meet: the same
// people, cases and hits, at the same few instants, with known and unknown words.
var varied = map[string][]any{
	"applicant_id": people, "customerId": people, "session_id": people, "member_id": people, "Id": people, "sessionId": people,
	"case_id": {"case_1", "case_2"}, "hit_id": {"hit_1", "hit_2"}, "document_id": {"doc_1", "doc_2"},
	"check_id": {"check_1", "check_2"}, "screening_check_id": {"check_1", "check_2"}, "hit_count": {0, 1, 2},
	"company_id": {"company_1", "company_2"}, "ubo_id": {"ubo_1", "ubo_2"}, "ownership_percentage": {25, 40},
	"status": {
		"approved", "rejected", "review", "clear", "hit", "error", "verified", "in_progress", "passed", "failed", "surprise",
		"Declined", "In Review", "Resubmitted", "Kyc Expired", "BLOCKED", "complete", "reopened", "abandoned",
	},
	"sandbox":             {true, false},
	"review_decision":     {"manual_approved", "manual_rejected", "auto_approved", "auto_rejected", nil},
	"final_status":        {"approved", "rejected", "surprise"},
	"screening_status":    {"clear", "hit", "not_run"},
	"verification_status": {"verified", "rejected", "surprise"},
	"resolution":          {"false_positive", "true_match"},
	"resolution_status":   {"false_positive", "pending"},
	"applicant_action":    {"approved", "rejected", "", "surprise"},
	"final_decision":      {"approved", "flagged"},
	"Confirmed":           {true, false, nil},
	"has-match":           {true, false, nil},
	"result":              {"clear", "consider", "surprise"},
	"customer_user_id":    {"user_1", "user_2"},
	"last_error":          {nil, map[string]any{"code": "document_expired"}, map[string]any{"code": "abandoned"}},
	"code":                {9001, 9102, 9103, 9104, "abandoned"},
	"matchStatus":         {"possible_match", "no_match", "surprise"},
	"reviewStatus":        {"potential_match", "no_match", "reviewed"},
	"risk_score":          {10, 90},
	"risk_level":          {"low", "high"},
	"vendor_data":         people,
	"new_status":          {"open", "in_progress", "resolved", "surprise", "Approved", "Declined"},
	"external_id":         {"user_1", "user_2"},
	"client_reference_id": {"user_1", "user_2"},
	"reference-id":        {"user_1", "user_2"},
	"first_name":          {"Asha", "Ash"},
	"email":               {"a@example.org", "b@example.org"},
	"timestamp":           times, "Timestamp": times, "created_at": times, "created-at": times, "completedAt": times, "CompletedAt": times,
	"completed_at": times, "created": unixTimes, "decisionTime": times, "createdAt": times, "completed_at_iso8601": times,
}

// ids are the values of a member named id, by what it begins with, or by the member around it.
var ids = map[string][]any{
	"subject": people, "applicant": people, "verification": people,
	"vs_": people, "act_": people, "inq_": people, "rep_": {"rep_1", "rep_2"}, "case_": {"case_1", "case_2"}, "ver_": {"ver_1", "ver_2"},
}

var (
	people    = []any{"person_1", "person_2", "person_3"}
	times     = instants(func(t time.Time) any { return t.Format(time.RFC3339) })
	unixTimes = instants(func(t time.Time) any { return t.Unix() })
)

// instants are few, so that many events share one.
func instants(f func(time.Time) any) (values []any) {
	for i := range 5 {
		values = append(values, f(noon.Add(time.Duration(i)*time.Minute)))
	}
	return values
}

// eachMember calls f with the path and the name of each member of a body.
func eachMember(body []byte, f func(path, name string, value gjson.Result)) {
	var walk func(at string, v gjson.Result)
	walk = func(at string, v gjson.Result) {
		n := -1
		v.ForEach(func(key, value gjson.Result) bool {
			name := key.Str
			if n++; v.IsArray() {
				name = fmt.Sprint(n)
			}
			path := strings.TrimPrefix(at+"."+name, ".")
			f(path, name, value)
			if value.IsObject() || value.IsArray() {
				walk(path, value)
			}
			return true
		})
	}
	walk("", gjson.ParseBytes(body))
}

// vary draws the varied members of a body anew.
func vary(t *rapid.T, body []byte) []byte {
	type member struct {
		path   string
		values []any
	}
	var members []member
	eachMember(body, func(path, name string, value gjson.Result) {
		values := varied[name]
		if name == "id" {
			parts := strings.Split(path, ".")
			values = ids[parts[max(0, len(parts)-2)]]
			if kind, _, found := strings.Cut(value.Str, "_"); found && values == nil {
				values = ids[kind+"_"]
			}
		}
		if values != nil {
			members = append(members, member{path, values})
		}
	})
	for _, m := range members {
		if gjson.GetBytes(body, m.path).Exists() { // not inside of one that was replaced
			body = set(t, body, m.path, rapid.SampledFrom(m.values).Draw(t, m.path))
		}
	}
	return body
}

// meaningful lists the samples that mean something for a person or a company, by provider.
func meaningful(t testing.TB) (samples map[string][]draft, providers []string) {
	t.Helper()
	samples = map[string][]draft{}
	eachSample(t, func(_ string, e models.Event) {
		if f, err := NewRegistry().Translate(e); err == nil && f.Ignored == "" {
			d := draft{provider: e.Provider, body: e.Body}
			if e.Generation == models.GenerationRead {
				d.resource = e.Type
			}
			samples[e.Provider] = append(samples[e.Provider], d)
		}
	})
	for provider, list := range samples { // those that have more to say come more often
		for range max(1, len(list)/10) {
			providers = append(providers, provider)
		}
	}
	slices.Sort(providers)
	return samples, providers
}

// draft is an event without its ID.
type draft struct {
	provider string
	body     []byte
	resource string // that was read, if it is an answer
}

// histories generates what may happen.
func histories(t testing.TB) *rapid.Generator[history] {
	samples, providers := meaningful(t)
	drafts := rapid.Custom(func(t *rapid.T) draft {
		provider := rapid.SampledFrom(providers).Draw(t, "provider")
		d := rapid.SampledFrom(samples[provider]).Draw(t, "sample")
		d.body = vary(t, slices.Clone(d.body))
		return d
	})
	return rapid.Custom(func(t *rapid.T) history {
		var h history
		seen := map[string]bool{}
		for i, d := range rapid.SliceOfN(drafts, 1, 20).Draw(t, "events") {
			body := d.body
			for _, id := range []string{"event_id", "id", "data.id"} {
				if gjson.GetBytes(body, id).Exists() {
					body = set(t, body, id, fmt.Sprintf("evt_%03d", i))
				}
			}
			e, ok := received(d.provider, compact(t, body))
			if d.resource != "" {
				at := noon.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "time")) * time.Minute)
				e, ok = models.Event{
					Provider: d.provider, Generation: models.GenerationRead, Type: d.resource, ExternalID: fmt.Sprintf("read_%03d", i),
					Queue: NewRegistry().Queue(d.provider, models.GenerationRead, d.resource), Body: body, OccurredAt: models.At(at), ReceivedAt: models.At(noon),
				}, true
			}
			e.Sandbox = false                                       // the world of a test has one setting for all: see Facts.Sandbox
			if key := e.Provider + e.ExternalID; ok && !seen[key] { // one body per ID: others are quarantined
				seen[key] = true
				h = append(h, e)
			}
		}
		return h
	})
}

func set(t *rapid.T, body []byte, path string, value any) []byte {
	body, err := sjson.SetBytes(body, path, value)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func compact(t *rapid.T, body []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
