package jobs

import (
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

// FuzzTranslate gives every translation any body. It must not panic, must not change anything without saying whom or what it
// is about, and must not verify anybody out of a body that does not say so.
func FuzzTranslate(f *testing.F) {
	r, all := NewRegistry(), players(f)
	for provider, bodies := range meaningful(f, r) {
		for _, body := range bodies {
			e, _ := received(all[provider], provider, r, body)
			f.Add(e.Provider, e.Generation, e.Type, body)
		}
	}
	f.Fuzz(func(t *testing.T, provider, generation, eventType string, body []byte) {
		c, _, err := r.Translate(models.Event{Provider: provider, Generation: generation, Type: eventType, Body: body, ExternalID: "x"})
		if err != nil {
			return
		}
		if c.SubjectID == "" && (len(c.Decisions) > 0 || len(c.Checks) > 0 || len(c.Hits) > 0 || len(c.Resolved) > 0) {
			t.Errorf("facts about nobody: %+v", c)
		}
		for _, d := range c.Decisions {
			if !slices.Contains(models.Statuses, d.Status) {
				t.Errorf("status %q is none of ours", d.Status)
			}
			if d.Status == models.Verified && !says(eventType+string(body)) {
				t.Errorf("verified out of %q", body)
			}
		}
	})
}

// says reports whether a text has one of the words that pass somebody, in the type or in the payload. (JSON may spell a letter
// as an escape.)
func says(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"approved", "passed", "true", "verified", "\\u00"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
