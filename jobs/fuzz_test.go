package jobs

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/sjson"

	bodies "example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/models"
)

// FuzzTranslate gives every translation any body. It must not panic, must not establish anything without saying whom or what it is
// about, and must not verify anybody unless the event says so.
func FuzzTranslate(f *testing.F) {
	r := NewRegistry()
	words := passingWords(f, r)
	eachSample(f, func(_ string, e models.Event) { f.Add(e.Provider, e.Generation, e.Type, e.Body) })
	f.Fuzz(func(t *testing.T, provider, generation, eventType string, body []byte) {
		facts, err := r.Translate(models.Event{Provider: provider, Generation: generation, Type: eventType, Body: body, ExternalID: "x"})
		if err != nil {
			return
		}
		about := len(facts.Profile) + len(facts.Decisions) + len(facts.Checks) + len(facts.Hits) + len(facts.Resolutions)
		if facts.SubjectID == "" && about > 0 {
			t.Errorf("facts about nobody: %+v", facts)
		}
		if c := facts.Case; c != nil && (c.CaseID == "" || len(c.CaseID) > maxID) {
			t.Errorf("case %q", c.CaseID)
		}
		for _, d := range facts.Decisions {
			if d.Status != "" && !slices.Contains(models.Statuses, d.Status) {
				t.Errorf("status %q is none of ours", d.Status)
			}
			if d.Status == models.StatusVerified && !says(eventType+string(body), words) {
				t.Errorf("verified out of %q", body)
			}
			if len(d.Reason) > 2*maxText {
				t.Errorf("a reason of %d bytes", len(d.Reason))
			}
		}
	})
}

// passingWords returns the words that verify somebody in the samples: each value without which its sample verifies nobody, and each type
// that verifies by itself. JSON may spell a letter as an escape; 1 and "true" are a yes.
func passingWords(t testing.TB, r *Registry) []string {
	verifies := func(e models.Event) (verified, readable bool) {
		f, err := r.Translate(e)
		return slices.ContainsFunc(f.Decisions, func(d models.Decision) bool { return d.Status == models.StatusVerified }), err == nil
	}
	words := []string{"true", `\u00`, "1"}
	eachSample(t, func(_ string, e models.Event) {
		if verified, _ := verifies(e); !verified {
			return
		}
		found := len(words)
		for path, value := range bodies.Paths(e.Body) {
			body, err := sjson.SetBytes(e.Body, path, "-")
			if err != nil {
				t.Fatal(err)
			}
			changed := e
			changed.Body = body
			isWord := !value.IsObject() && !value.IsArray() && value.String() != ""
			if verified, readable := verifies(changed); isWord && readable && !verified {
				words = append(words, strings.ToLower(value.String()))
			}
		}
		if len(words) == found {
			words = append(words, strings.ToLower(e.Type))
		}
	})
	return words
}

// says reports whether a text has one of the words.
func says(text string, words []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
