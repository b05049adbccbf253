//go:build !race

// Package flaws shows that the tests can fail: it breaks the program in known ways, one at a time, and wants the test that
// guards against each to fail. The race detector adds nothing to that, so it is left out there.
package flaws

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// flaw is a way to break the program: in a file, texts that occur once are replaced by others.
type flaw struct {
	file      string
	edits     []string // what is replaced and by what, in turn
	pkg, test string   // the test that must fail: its package and, below a slash, its subtest
}

var flaws = map[string]flaw{
	"no idempotency record": {
		"models/apply.go", []string{
			"case !fresh[identity{a.event.Provider, a.event.ExternalID}]:",
			"case false:",
		},
		"./models", "TestProcessedRecordOutlivesEvent/sqlite",
	},
	"check, then insert": {
		"models/inbox_sql.go", []string{
			"ON CONFLICT (provider, external_id) WHERE NOT quarantined DO UPDATE SET deliveries = events.deliveries +\n\t\t\t\tCASE WHEN events.derived OR events.sha256 = excluded.sha256 THEN excluded.deliveries ELSE 0 END\n",
			"",
		},
		"./models", "TestAddEventShared/sqlite",
	},
	"marked as processed before the effect": {
		"models/apply.go", []string{
			"if err := rows.save(tx); err != nil {\n\t\treturn err\n\t}\n",
			"_ = rows.save(tx)\n",
		},
		"./models", "TestApplyAllOrNothing/sqlite",
	},
	"answered before stored": {
		"handlers/receiver.go", []string{
			"receipt, err := r.store.AddEvent(ctx, e)\n",
			"receipt, err := models.Accepted, error(nil)\n\tgo r.store.AddEvent(context.WithoutCancel(ctx), e)\n",
		},
		"./handlers", "TestStoreClosed",
	},
	"verified after re-encoding": {
		"handlers/receiver.go", []string{
			"defer release()\n",
			"defer release()\n\tvar v any\n\tif json.Unmarshal(body, &v) == nil {\n\t\tbody, _ = json.Marshal(v)\n\t}\n",
			"import (\n",
			"import (\n\t\"encoding/json\"\n",
		},
		"./handlers", "TestDeliveries",
	},
	"parsed before verified": {
		"handlers/trustgate.go", []string{
			"func (p trustGate) Verify(d Delivery) (Envelope, error) {\n",
			"func (p trustGate) Verify(d Delivery) (Envelope, error) {\n\tif _, err := p.envelope(d.Body); err != nil {\n\t\treturn Envelope{}, err\n\t}\n",
		},
		"./handlers", "TestSigningContract",
	},
	"stale time stamp accepted": {
		"handlers/signature.go", []string{
			"case age > tolerance:",
			"case age > 1000*tolerance:",
		},
		"./handlers", "TestSigningContract",
	},
	"time stamp from the future accepted": {
		"handlers/signature.go", []string{
			"case age < -tolerance:",
			"case age < -1000*tolerance:",
		},
		"./handlers", "TestSigningContract",
	},
	"empty secret accepted": {
		"handlers/signature.go", []string{
			"if s == \"\" {\n\t\t\treturn nil, errors.New(\"a secret is empty\")\n\t\t}\n",
			"",
		},
		"./handlers", "TestSecretsAreRequired",
	},
	"any signature accepted": {
		"handlers/signature.go", []string{
			"if hmac.Equal(mac, sum(s, parts...)) {",
			"if len(mac) == len(sum(s, parts...)) {",
		},
		"./handlers", "TestSigningContract",
	},
	"a forgery burns the ID": {
		"handlers/receiver.go", []string{
			"if errors.As(err, &reason) {\n",
			"if errors.As(err, &reason) {\n\t\tif p, ok := p.(trustGate); ok {\n\t\t\tforged, _ := p.envelope(body)\n\t\t\t_, _ = r.store.AddEvent(c.Request.Context(), r.event(name, d, forged, nil))\n\t\t}\n",
		},
		"./app", "TestForgedThenGenuine/sqlite",
	},
	"the same ID with another body overwrites": {
		"models/inbox.go", []string{
			"return e.Derived || string(e.SHA256) == string(o.SHA256)",
			"return true",
		},
		"./models", "TestAddEvent/sqlite",
	},
	"order of arrival decides": {
		"models/facts.go", []string{
			"cmp.Compare(v.id, than.id),\n\t) > 0",
			"cmp.Compare(v.id, than.id),\n\t) > -9",
		},
		"./app", "TestLateOlderEvent/sqlite",
	},
	"an unreadable body is dropped": {
		"handlers/receiver.go", []string{
			"r.store200(c, log, r.event(name, d, env, err), env.Warning)",
			"if err != nil {\n\t\t\tanswer(c, http.StatusOK, accepted)\n\t\t\treturn\n\t\t}\n\t\tr.store200(c, log, r.event(name, d, env, err), env.Warning)",
		},
		"./handlers", "TestUnreadableIsKept",
	},
	"two workers may claim": {
		"models/claim.go", []string{
			"AND events.status = 'queued' AND events.offers = wanted.offers AND events.unclaimed > 0",
			"AND events.status = 'queued'",
		},
		"./models", "TestOfferAndClaim/sqlite",
	},
	"a late loser overwrites": {
		"models/apply.go", []string{
			"AND events.status = 'queued' AND events.attempts = done.attempts",
			"AND events.status = 'queued'",
		},
		"./models", "TestClaimRunsOut/sqlite",
	},
	"commits are not synced": {
		"models/store.go", []string{
			"_synchronous=FULL",
			"_synchronous=NORMAL",
		},
		"./models", "TestCommitsAreSynced",
	},
	"the queue must be up": {
		"app/app.go", []string{
			"registry, rejections, uses := jobs.NewRegistry()",
			"if err := a.queue.Ping(ctx); err != nil {\n\t\treturn nil, errors.Join(err, a.close())\n\t}\n\tregistry, rejections, uses := jobs.NewRegistry()",
		},
		"./app", "TestRedisDownBeforeStart/sqlite",
	},
	"the log quotes bodies": {
		"handlers/receiver.go", []string{
			"log.Info(\"event accepted\")",
			"log.Info(\"event accepted\", \"body\", string(e.Body))",
		},
		"./handlers", "TestDiscretion",
	},
}

// TestFlawCorpus breaks the program in each of these ways and wants its test to fail.
func TestFlawCorpus(t *testing.T) {
	t.Parallel()
	for name, f := range flaws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := f.try(t)
			top, _, _ := strings.Cut(f.test, "/")
			if err == nil || !strings.Contains(out, "--- FAIL: "+top) {
				t.Errorf("%s does not notice that %s: %v\n%s", f.test, name, err, out)
			}
		})
	}
}

// TestFlawControl breaks nothing, and wants a test to pass: what fails above fails because of the flaw.
func TestFlawControl(t *testing.T) {
	t.Parallel()
	harmless := flaw{"models/apply.go", []string{"package models\n", "package models // unbroken\n"}, "./models", "TestAddEvent/sqlite"}
	if out, err := harmless.try(t); err != nil || !strings.HasPrefix(out, "ok") || strings.Contains(out, "no tests to run") {
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
	for i := 0; i < len(f.edits); i += 2 {
		if n := strings.Count(string(source), f.edits[i]); n != 1 {
			t.Fatalf("%s has %d times %q, want it once: bring this flaw up to date", f.file, n, f.edits[i])
		}
	}
	broken := filepath.Join(t.TempDir(), filepath.Base(f.file))
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{file: broken}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{broken: strings.NewReplacer(f.edits...).Replace(string(source)), overlay: string(text)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	test := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-count=1", "-vet=off", "-run", "^"+strings.ReplaceAll(f.test, "/", "$/^")+"$", f.pkg)
	test.Dir = root
	test.Env = append(os.Environ(), "REQUIRE_SERVERS=")
	out, err := test.CombinedOutput()
	return string(out), err
}
