package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"pgregory.net/rapid"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// history is what happened to a few people, as a list of events with IDs of their own.
type history []models.Event

// String lists the events so that a person can read them.
func (h history) String() string {
	var b strings.Builder
	for _, e := range h {
		fmt.Fprintf(&b, "  %s %s %s/%s/%s", e.OccurredAt.Format(time.TimeOnly), e.ExternalID[:min(12, len(e.ExternalID))], e.Provider, e.Generation, e.Type)
		for _, v := range varied {
			if r := gjson.GetBytes(e.Body, v.path); r.Exists() && !strings.Contains(strings.ToLower(v.path), "time") {
				fmt.Fprintf(&b, " %s=%s", v.path[strings.LastIndex(v.path, ".")+1:], r.Raw)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// varied are the members of samples that a history draws anew, each from a few values, so that events meet: the same people,
// cases and hits, at the same few instants, with known and unknown words.
var varied = []struct {
	path   string
	values []any
}{
	{"data.applicant_id", people}, {"applicant.id", people}, {"data.subject.id", people}, {"data.customerId", people},
	{"data.session_id", people}, {"data.member_id", people}, {"Session.Id", people}, {"data.sessionId", people},
	{"data.subject.type", words("applicant", "applicant", "company")},
	{"data.case_id", words("case_1", "case_2")},
	{"data.hit_id", words("hit_1", "hit_2")}, {"data.hits.0.hit_id", words("hit_1", "hit_2")},
	{"data.check_id", words("check_1", "check_2")}, {"data.screening_check_id", words("check_1", "check_2")},
	{"data.document_id", words("doc_1", "doc_2")},
	{"data.hit_count", []any{0, 1, 2}},
	{"data.status", words("approved", "rejected", "review", "clear", "hit", "error", "verified", "in_progress", "APPROVED", "REJECTED", "surprise")},
	{"data.sandbox", []any{true, false}},
	{"data.review_decision", words("manual_approved", "manual_rejected", "auto_approved", "auto_rejected")},
	{"data.completion_data.final_status", words("approved", "rejected", "surprise")},
	{"data.screening_status", words("clear", "hit", "not_run")},
	{"data.verification_status", words("verified", "rejected", "surprise")},
	{"data.resolution", words("false_positive", "true_match")},
	{"data.applicant_action", words("approved", "rejected", "", "surprise")},
	{"data.new_status", words("open", "in_progress", "resolved", "surprise")},
	{"data.final_decision", words("approved", "flagged")},
	{"data.progress.identity.status", words("passed", "failed")}, {"data.progress.ais.status", words("passed", "failed")},
	{"Session.Progress.Identity.Confirmed", []any{true, false, nil}}, {"Session.Progress.Ais.Confirmed", []any{true, false, nil}},
	{"data.risk_score", []any{10, 90}}, {"data.risk_level", words("low", "high")},
	{"data.external_id", words("user_1", "user_2")}, {"data.first_name", words("Asha", "Ash")}, {"data.email", words("a@example.org", "b@example.org")},
	{"data.company_id", words("company_1", "company_2")}, {"data.ubo_id", words("ubo_1", "ubo_2")}, {"data.ownership_percentage", []any{25, 40}},
	{"timestamp", times}, {"Timestamp", times}, {"created_at", times}, {"created", unixTimes},
	{"data.progress.identity.completedAt", times}, {"data.progress.ais.completedAt", times},
	{"Session.Progress.Identity.CompletedAt", times}, {"Session.Progress.Ais.CompletedAt", times},
}

var (
	people    = words("person_1", "person_2", "person_3")
	times     = instants(func(t time.Time) any { return t.Format(time.RFC3339) })
	unixTimes = instants(func(t time.Time) any { return t.Unix() })
)

func words(w ...string) (values []any) {
	for _, s := range w {
		values = append(values, s)
	}
	return values
}

// instants are few, so that many events share one.
func instants(f func(time.Time) any) (values []any) {
	for i := range 5 {
		values = append(values, f(now.Add(time.Duration(i)*time.Minute)))
	}
	return values
}

// meaningful reads the samples of all providers that mean something for a person or a company.
func meaningful(t testing.TB, r *Registry) (bodies map[string][][]byte) {
	t.Helper()
	bodies = map[string][][]byte{}
	all := players(t)
	samples := os.DirFS(filepath.Join("..", "testdata"))
	for _, provider := range handlers.ProviderNames() {
		err := fs.WalkDir(samples, provider, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(file, ".want.json") {
				return err
			}
			body, err := fs.ReadFile(samples, file)
			e, ok := received(all[provider], provider, r, body)
			if change, _, err := r.Translate(e); ok && err == nil && change.Outcome != models.Ignored {
				bodies[provider] = append(bodies[provider], body)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}

// players verify what they have signed themselves: the way from a body to its envelope.
func players(t testing.TB) map[string]handlers.Provider {
	t.Helper()
	all := map[string]handlers.Provider{}
	for _, name := range handlers.ProviderNames() {
		p, err := handlers.NewProvider(name, []string{"secret"}, handlers.Settings{LegalTalentContent: handlers.FormBody})
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

// received makes the inbox row of a body, and reports whether its envelope can be read.
func received(p handlers.Provider, name string, r *Registry, body []byte) (models.Event, bool) {
	signed := p.Sign(body, now)
	_, token, _ := strings.Cut(signed.Path, "/")
	env, err := p.Verify(handlers.Delivery{Header: signed.Header, Token: token, Body: body, ReceivedAt: now})
	return models.Event{
		Provider: name, Generation: env.Generation, ExternalID: env.ExternalID, Derived: env.Derived, Type: env.Type,
		Queue: r.Queue(name, env.Generation, env.Type), Body: body, Status: models.Received,
		OccurredAt: models.At(env.OccurredAt), ReceivedAt: models.At(now),
	}, err == nil
}

// draft is an event without its ID.
type draft struct {
	provider string
	body     []byte
}

// histories generates what may happen.
func histories(t testing.TB, r *Registry) *rapid.Generator[history] {
	samples, all := meaningful(t, r), players(t)
	drafts := rapid.Custom(func(t *rapid.T) draft {
		provider := rapid.SampledFrom(append(handlers.ProviderNames(), "trustgate", "trustgate")).Draw(t, "provider") // it has most to say
		body := slices.Clone(rapid.SampledFrom(samples[provider]).Draw(t, "sample"))
		for _, v := range varied {
			if gjson.GetBytes(body, v.path).Exists() {
				body = set(t, body, v.path, rapid.SampledFrom(v.values).Draw(t, v.path))
			}
		}
		return draft{provider, body}
	})
	return rapid.Custom(func(t *rapid.T) history {
		var h history
		seen := map[string]bool{}
		for i, d := range rapid.SliceOfN(drafts, 1, 20).Draw(t, "events") {
			body := d.body
			for _, id := range []string{"event_id", "id"} {
				if gjson.GetBytes(body, id).Exists() {
					body = set(t, body, id, fmt.Sprintf("evt_%03d", i))
				}
			}
			e, ok := received(all[d.provider], d.provider, r, compact(t, body))
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
