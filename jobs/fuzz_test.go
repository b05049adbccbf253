package jobs

import (
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// FuzzTranslate gives every translation any body. It must not panic, must not establish anything without saying whom or what it is
// about, and must not verify anybody unless the event says so.
func FuzzTranslate(f *testing.F) {
	r := NewRegistry()
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
			if !slices.Contains(models.Statuses, d.Status) {
				t.Errorf("status %q is none of ours", d.Status)
			}
			if d.Status == models.StatusVerified && !says(eventType+string(body)) {
				t.Errorf("verified out of %q", body)
			}
			if len(d.Reason) > 2*maxText {
				t.Errorf("a reason of %d bytes", len(d.Reason))
			}
		}
	})
}

// says reports whether a text has one of the words that pass somebody, in the type or in the payload. (JSON may spell a letter
// as an escape; 1 and "true" are a yes.)
func says(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"approved", "passed", "true", "verified", `\u00`, "1"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
