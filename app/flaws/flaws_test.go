//go:build !race

// Package flaws shows that the tests can fail: it breaks the program in known ways, one at a time, and wants the test that guards
// against each to fail. The race detector adds nothing to that, so it is left out there.
package flaws

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// flaw is a way to break the program: what an anchor finds in a file, once, is replaced.
type flaw struct {
	file            string
	anchor, replace string // a regular expression, and what takes the place of what it finds; $0 is that
	pkg, test       string // what must fail: a package and a test of it, below a slash its subtest
}

var flaws = map[string]flaw{
	"no idempotency record": {
		"models/apply.go", `\}\)\.Create\(&p\), errAlreadyProcessed\)`, `}).Create(&p), nil)`,
		"./models", "TestProcessedRecordOutlivesEvent/sqlite",
	},
	"each delivery counts as the first": {
		"models/inbox.go", `case now\.Deliveries == row\.Deliveries:`, `case true:`,
		"./app", "TestConcurrentDuplicates/sqlite",
	},
	"the same ID with another body overwrites": {
		"models/inbox.go", `return e\.Derived \|\|`, `return true ||`,
		"./app", "TestSameIDOtherBody/sqlite",
	},
	"the order of arrival decides": {
		"models/apply.go", `"\(excluded\.at, excluded\.rank, excluded\.external_id\) > [^"]*"`, `"1 = 1"`,
		"./app", "TestLateOlderEvent/sqlite",
	},
	"two workers may claim": {
		"models/protocol.go", `(?s)(func claim\[.*?)Where\("id IN \? AND due_at = \?", o\.IDs, o\.DueAt\)`, `${1}Where("id IN ?", o.IDs)`,
		"./models", "TestOnlyTheNewestOfferIsClaimed/pending_events/sqlite",
	},
	"a late loser overwrites": {
		"models/apply.go", `"id = \? AND attempts = \? AND due_at > 0", a\.event\.ID, a\.event\.Attempts`, `"id = ?", a.event.ID`,
		"./models", "TestClaimRunsOut/pending_events/sqlite",
	},
	"commits are not synced": {
		"models/store.go", `_synchronous=FULL`, `_synchronous=NORMAL`,
		"./models", "TestCommitsAreSynced",
	},
	"answered before stored": {
		"handlers/receiver.go", `receipt, err := r\.store\.AddEvent\((.*?), e\)`,
		"receipt, err := models.Accepted, error(nil)\n\tgo r.store.AddEvent(context.WithoutCancel($1), e)",
		"./app", "TestDatabaseDown",
	},
	"verified after re-encoding": {
		"handlers/receiver.go", `d := Delivery\{`,
		"var v map[string]any\n\t\tif json.Unmarshal(body, &v) == nil {\n\t\t\tbody, _ = json.Marshal(v)\n\t\t}\n\t\t$0",
		"./app", "TestAlwaysExactly200",
	},
	"whatever is not refused for a known reason is stored": {
		"handlers/receiver.go", `if !isVerified\(err\) \{`, `if errors.As(err, new(Reason)) {`,
		"./handlers", "TestReceiverFailsClosed",
	},
	"any signature is accepted": {
		"handlers/signature.go", `if hmac\.Equal\(got, want\) \{`, `if len(got) == len(want) || hmac.Equal(got, want) {`,
		"./app", "TestForgedThenGenuine/sqlite",
	},
	"old deliveries are accepted": {
		"handlers/signature.go", `age > s\.MaxAge:`, `age > 1000*s.MaxAge:`,
		"./handlers", "TestSigningContract",
	},
	"the log quotes bodies": {
		"handlers/receiver.go", `attrs := \[\]slog\.Attr\{`, `${0}slog.String("body", string(e.Body)), `,
		"./app", "TestCanaries",
	},
	"overtaken follow-ups are sent": {
		"jobs/worker.go", `if !f\.EvenIfOvertaken \{`, `if false {`,
		"./jobs", "TestFollowUpEvenIfOvertaken",
	},
	"tasks of others are marked as done": {
		"jobs/worker.go", `return fmt\.Errorf\("task type .*`, `return nil`,
		"./jobs", "TestForeignTask",
	},
}

// TestFlaws breaks the program in each of these ways and wants its test to fail.
func TestFlaws(t *testing.T) {
	if os.Getenv("FLAWS") != "1" {
		t.Skip("FLAWS is not 1: it compiles the program once for each flaw, which takes minutes")
	}
	for name, f := range flaws {
		t.Run(name, func(t *testing.T) {
			out, err := f.try(t)
			top, _, _ := strings.Cut(f.test, "/")
			switch {
			case strings.Contains(out, "--- SKIP: "+top):
				t.Skipf("%s is skipped: its server is missing", f.test)
			case err == nil || !strings.Contains(out, "--- FAIL: "+top):
				t.Errorf("%s does not notice that %s: %v\n%s", f.test, name, err, out)
			}
		})
	}
}

// TestFlawControl breaks nothing, and wants a test to pass: what fails above fails because of the flaw.
func TestFlawControl(t *testing.T) {
	if os.Getenv("FLAWS") != "1" {
		t.Skip("as TestFlaws")
	}
	harmless := flaw{"models/apply.go", `(?m)^package models$`, `$0 // unbroken`, "./app", "TestConcurrentDuplicates/sqlite"}
	if out, err := harmless.try(t); err != nil || !strings.Contains(out, "--- PASS: TestConcurrentDuplicates") {
		t.Errorf("%v\n%s", err, out)
	}
}

// try runs the flaw's test with the flaw in place, and returns what it printed. The tree stays as it is: the compiler is told
// to read another file instead.
func (f flaw) try(t *testing.T) (string, error) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, f.file)
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flawed, err := f.apply(string(source))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	broken, overlay := filepath.Join(dir, filepath.Base(f.file)), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{file: broken}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{broken: flawed, overlay: string(text)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := "^" + strings.ReplaceAll(f.test, "/", "$/^") + "$"
	test := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-count=1", "-vet=off", "-v", "-timeout=2m", "-run", run, f.pkg)
	test.Dir = root
	test.Env = append(os.Environ(), "REQUIRE_SERVERS=")
	out, err := test.CombinedOutput()
	return string(out), err
}

// apply returns the source with the flaw. An anchor that is not there once is an error.
func (f flaw) apply(source string) (string, error) {
	anchor := regexp.MustCompile(f.anchor)
	if n := len(anchor.FindAllString(source, -1)); n != 1 {
		return "", fmt.Errorf("%s has %d times what %s looks for, want it once: bring this flaw up to date", f.file, n, f.anchor)
	}
	flawed := anchor.ReplaceAllString(source, f.replace)
	if strings.Contains(flawed, "json.") && !strings.Contains(flawed, `"encoding/json"`) {
		flawed = strings.Replace(flawed, "import (", "import (\n\t\"encoding/json\"", 1)
	}
	return flawed, nil
}
