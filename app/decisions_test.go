package app_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// TestDecisions: the table in testdata/<provider>/README.md is what the code makes of each sample and of each variant of one. With
// -update it is rewritten.
func TestDecisions(t *testing.T) {
	t.Parallel()
	samples := os.DirFS(filepath.Join("..", "testdata"))
	catalogue, err := jobs.Catalogue(samples)
	if err != nil {
		t.Fatal(err)
	}
	for name, provider := range providers(t) {
		var b strings.Builder
		fmt.Fprintf(&b, "# Events of %s\n\nMade from the samples in this folder: `go test ./app -run 'TestSamples|TestDecisions' -update`\n\n", name)
		b.WriteString("| sample | establishes | meaning |\n|---|---|---|\n")
		for _, c := range catalogue {
			if c.Provider != name {
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", short(c.File), establishes(t, name, provider, samples, c.File), c.Meaning)
			variants, err := fs.Glob(samples, path.Join(name, "variants", c.Type+".*.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range variants {
				env, err := envelope(samples, provider, file)
				if !strings.HasSuffix(file, ".want.json") && err == nil && env.Type == c.Type && env.Generation == c.Generation {
					fmt.Fprintf(&b, "| `%s` | %s | |\n", short(file), establishes(t, name, provider, samples, file))
				}
			}
		}
		compare(t, filepath.Join("..", "testdata", name, "README.md"), []byte(b.String()))
	}
}

// short is the name of a sample within the folder of its provider.
func short(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(file, ".json"), "/")
	return name
}

func envelope(samples fs.FS, provider handlers.Provider, file string) (handlers.Envelope, error) {
	body, err := fs.ReadFile(samples, file)
	if err != nil {
		return handlers.Envelope{}, err
	}
	return provider.Envelope(body)
}

// establishes says in a few words what a sample leads to, for a table that people read.
func establishes(t *testing.T, name string, provider handlers.Provider, samples fs.FS, file string) string {
	t.Helper()
	env, err := envelope(samples, provider, file)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	body, err := fs.ReadFile(samples, file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := jobs.NewRegistry().Translate(models.Event{Provider: name, Generation: env.Generation, ExternalID: env.ExternalID, Type: env.Type, Body: body})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	switch {
	case f.Ignored != "":
		return "nothing: " + f.Ignored
	case f.Sandbox || env.Sandbox:
		return "nothing: sandbox"
	}
	return describe(f)
}

func describe(f models.Facts) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	for _, d := range f.Decisions {
		if d.Status == "" {
			add("%s decision taken back", d.Authority)
			continue
		}
		add("%s decision `%s`", d.Authority, d.Status)
	}
	for _, c := range f.Checks {
		hold := ""
		if c.Status == models.CheckHit {
			hold = ", which holds"
		}
		add("%s check `%s`%s", c.Kind, c.Status, hold)
	}
	for _, h := range f.Hits {
		if h.Kind == models.AlertKind {
			add("alert, which holds")
		} else {
			add("hit")
		}
	}
	for _, r := range f.Resolutions {
		add("hit resolved as `%s`", r.Resolution)
	}
	if f.Case != nil {
		parts = append(parts, describeCase(*f.Case, f.SubjectID != ""))
	}
	if flags, _ := f.Profile[models.Flags].([]string); len(flags) > 0 {
		add("flags %s", strings.Join(flags, ", "))
	}
	if f.Company != nil {
		add("company")
	}
	if len(parts) == 0 {
		add("profile")
	}
	return strings.Join(slices.Compact(parts), "; ")
}

func describeCase(c models.CaseFacts, person bool) string {
	switch {
	case c.Opened != nil && person:
		return "open case: `in_review`"
	case c.Opened != nil:
		return "case opened"
	case c.Resolved != nil && c.Resolved.Action != "":
		return fmt.Sprintf("case resolved: manual decision `%s`", c.Resolved.Action)
	case c.Resolved != nil:
		return "case resolved"
	case c.Assignee != "":
		return "case assigned"
	case c.Escalated != nil:
		return "case escalated"
	case c.Status != "":
		return fmt.Sprintf("case `%s`", c.Status)
	}
	return "case linked"
}
