package app_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// TestReadmeDecisionTable: the table in the README is what the code makes of each sample and of each variant of one.
// With -update it is written anew.
func TestReadmeDecisionTable(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- decisions: go test ./app -run TestReadmeDecisionTable -update -->\n", "<!-- end of decisions -->"
	text := readme(t)
	before, rest, found := strings.Cut(text, begin)
	table, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("README.md lacks the lines %q and %q", begin, end)
	}
	want := decisionTable(t)
	if *update {
		if err := os.WriteFile(filepath.Join("..", "README.md"), []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("README (-code +table):\n%s", diff)
	}
}

func decisionTable(t *testing.T) string {
	t.Helper()
	registry, samples := jobs.NewRegistry(), os.DirFS(filepath.Join("..", "testdata"))
	var catalogue []struct{ Provider, Generation, Type, Sample string }
	text, err := fs.ReadFile(samples, "catalogue.json")
	if err == nil {
		err = json.Unmarshal(text, &catalogue)
	}
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n| sample | establishes |\n|---|---|\n")
	recorded := map[string][]string{}
	for _, c := range catalogue {
		variants, err := fs.Glob(samples, filepath.Join(c.Provider, "variants", c.Type+".*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range slices.Compact(append([]string{c.Sample}, variants...)) {
			body, err := fs.ReadFile(samples, file)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(file, ".json")
			e := readEvent(t, c.Provider, body)
			if strings.HasSuffix(name, ".want") || e.Type != c.Type || e.Generation != c.Generation {
				continue
			}
			change, _, err := registry.Translate(e)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if change.Sandbox {
				change = models.Change{Outcome: models.Sandbox}
			}
			if does := describe(change); does == "recorded only" {
				recorded[c.Provider] = append(recorded[c.Provider], "`"+strings.TrimPrefix(name, c.Provider+"/")+"`")
			} else {
				fmt.Fprintf(&b, "| `%s` | %s |\n", name, does)
			}
		}
	}
	b.WriteString("\nRecorded, and without a meaning for a customer:\n\n")
	for _, provider := range handlers.ProviderNames() {
		if names := recorded[provider]; len(names) > 0 {
			fmt.Fprintf(&b, "- %s: %s\n", provider, strings.Join(names, ", "))
		}
	}
	b.WriteString("\n")
	return b.String()
}

// readEvent reads a body's envelope. One that contradicts itself has no type.
func readEvent(t *testing.T, provider string, body []byte) models.Event {
	t.Helper()
	p, err := handlers.NewProvider(provider, []string{secret}, handlers.Settings{LegalTalentContent: handlers.FormBody})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	signed := p.Sign(body, at)
	_, token, _ := strings.Cut(signed.Path, "/")
	env, err := p.Verify(handlers.Delivery{Header: signed.Header, Token: token, Body: body, ReceivedAt: at})
	if err != nil {
		return models.Event{}
	}
	return models.Event{Provider: provider, Generation: env.Generation, ExternalID: env.ExternalID, Type: env.Type, Body: body}
}

// describe says in a few words what a change establishes, for a table that people read.
func describe(c models.Change) string {
	if c.Outcome != "" {
		return "recorded only"
	}
	var parts []string
	for _, d := range c.Decisions {
		parts = append(parts, string(d.Authority)+" decision `"+string(d.Status)+"`")
	}
	for _, k := range c.Checks {
		hold := ""
		if k.Status == models.CheckHit {
			hold = ", which holds"
		}
		parts = append(parts, k.Kind+" check `"+string(k.Status)+"`"+hold)
	}
	for _, h := range c.Hits {
		if h.Kind == models.AlertKind {
			parts = append(parts, "alert, which holds")
		} else {
			parts = append(parts, "hit")
		}
	}
	for _, r := range c.Resolved {
		parts = append(parts, "hit resolved as `"+r.Resolution+"`")
	}
	for _, k := range c.Cases {
		parts = append(parts, describeCase(k, c.SubjectID != ""))
	}
	if len(c.Profile.Flags) > 0 {
		parts = append(parts, "flags "+strings.Join(c.Profile.Flags, ", "))
	}
	if c.Company != nil {
		parts = append(parts, "company")
	}
	if len(parts) == 0 {
		parts = append(parts, "profile")
	}
	return strings.Join(parts, "; ")
}

func describeCase(k models.CaseChange, person bool) string {
	switch {
	case k.Opened != nil && person:
		return "open case: `in_review`"
	case k.Opened != nil:
		return "case opened"
	case k.Resolved != nil && k.Resolved.Action != "":
		return "case resolved: manual decision `" + string(k.Resolved.Action) + "`"
	case k.Resolved != nil:
		return "case resolved"
	case k.Assignee != "":
		return "case assigned"
	case k.Escalated != nil:
		return "case escalated"
	case k.Status != "":
		return "case `" + k.Status + "`"
	}
	return "case linked"
}
