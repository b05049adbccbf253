package dev

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// The README's quick start prints what it says, to the letter. Follow-ups that a fork has added are printed as well.
func TestTriggerQuickStart(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(testdata, "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```\ngo run . trigger ")
	sample, rest, _ := strings.Cut(rest, "\n```\n\n```\n")
	want, _, _ := strings.Cut(rest, "```\n")
	if !slices.Contains(handlers.ProviderNames(), providerOf(sample)) {
		t.Skipf("the provider of %q is removed", sample)
	}
	server(t)
	var got strings.Builder
	for line := range strings.Lines(succeed(t, "trigger", sample)) {
		if !strings.HasPrefix(line, "  → follow-up ") || strings.Contains(want, line) {
			got.WriteString(line)
		}
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-README +printed):\n%s", diff)
	}
}

// Every sample is accepted and processed, except those that are contradictory: they are quarantined.
func TestTriggerEverySample(t *testing.T) {
	server(t)
	names, err := sampleNames(samples())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		lines := strings.Split(succeed(t, "trigger", name), "\n")
		if want := name + ` → 200 OK {"status":"accepted"}`; lines[0] != want {
			t.Errorf("got %q, want %q", lines[0], want)
		}
		_, outcome, _ := strings.Cut(lines[1], ": ")
		status, detail, _ := strings.Cut(outcome, ", ")
		detail, _, hasReason := strings.Cut(detail, " (")
		switch {
		case strings.HasPrefix(outcome, "quarantined: contradictory body"):
		case status != "processed" || !slices.Contains([]string{"applied", "stale", "ignored", "sandbox"}, detail):
			t.Errorf("%s: %q", name, outcome)
		case (detail == "ignored") != hasReason:
			t.Errorf("%s: %q, want a reason for what is ignored and nothing else", name, outcome)
		}
	}
}

// What an event changed is shown as before → after, with the follow-ups it caused.
func TestTriggerShowsChanges(t *testing.T) {
	server(t)
	sample := verifying(t)
	holds(t, succeed(t, "trigger", sample), "  event 1: processed, applied\n  new customer 1 (", "    status: verified\n", "  → follow-up ")
	printed := succeed(t, "trigger", sample)
	if holds(t, printed, "): no change\n"); strings.Contains(printed, "follow-up") {
		t.Errorf("the same again:\n%s", printed)
	}
	before := `{"id":3,"subject_id":"x","status":"verified","aml_hold":false,"checks":[{"kind":"ais","status":"passed"}],"revision":1,"email":""}`
	after := `{"id":3,"subject_id":"x","status":"in_review","aml_hold":true,"checks":[{"kind":"ais","status":"failed"}],"revision":2,"email":"a@b"}`
	var b strings.Builder
	(&trigger{w: &b}).printCustomer(gjson.Parse(before), gjson.Parse(after))
	want := "  customer 3 (x)\n    status: verified → in_review\n    aml_hold: false → true\n    checks: ais passed → ais failed\n    email: – → a@b\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An event about a case that names nobody shows the customer that the case is linked to.
func TestTriggerShowsCustomerOfCase(t *testing.T) {
	server(t)
	all := allSamples(t)
	for _, later := range all {
		opens := func(s sample) bool {
			c := s.facts.Case
			return c != nil && c.Opened != nil && s.facts.SubjectID != "" && c.CaseID == later.facts.Case.CaseID &&
				providerOf(s.name) == providerOf(later.name)
		}
		if later.facts.Case == nil || later.facts.SubjectID != "" {
			continue
		}
		if i := slices.IndexFunc(all, opens); i >= 0 {
			succeed(t, "trigger", all[i].name)
			holds(t, succeed(t, "trigger", later.name), "  customer 1 (")
			return
		}
	}
	t.Skip("there are no such samples")
}

// With --json each event is one object, whatever becomes of it.
func TestTriggerJSON(t *testing.T) {
	server(t)
	sample := verifying(t)
	lines := strings.Split(strings.TrimSpace(succeed(t, "trigger", sample, "--json", "--count", "2", "--dup", "2")), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), lines)
	}
	for field, want := range map[string]any{
		"sample": sample, "event.id": 2.0, "http_status": 200.0, "answers.accepted": 1.0, "answers.duplicate": 1.0, "event.status": "processed",
		"error": "", "customer_before.revision": 1.0, "customer_after.revision": 2.0, "follow_ups": []any{},
	} {
		if diff := cmp.Diff(want, gjson.Get(lines[1], field).Value()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
	if first := gjson.Parse(lines[0]); first.Get("customer_before").Raw != "null" || first.Get("follow_ups.0.status").Str == "" {
		t.Errorf("a new customer: %s", lines[0])
	}
	r := run(t, "trigger", sample, "--json", "--secret-file", secretFile(t, "whsec_Y2FuYXJ5"))
	refused := gjson.Parse(r.stdout)
	if r.err == nil || r.usage() || refused.Get("error").Str == "" || refused.Get("http_status").Int()/100 != 4 {
		t.Errorf("refused: %v, %s", r.err, r.stdout)
	}
}

// --repeat keeps the ID and the times, so that the second delivery is a duplicate. Of deliveries at the same time one is accepted.
func TestTriggerDuplicates(t *testing.T) {
	a := server(t)
	for _, name := range onePerProvider(t) {
		holds(t, succeed(t, "trigger", name, "--repeat"), name+` → 200 OK {"status":"accepted"}`)
		holds(t, succeed(t, "trigger", name, "--repeat"), name+` → 200 OK {"status":"duplicate"}`)
		want := name + " → 200 OK {\"status\":\"accepted\"}\n" + name + " → 200 OK {\"status\":\"duplicate\"} × 4\n"
		holds(t, succeed(t, "trigger", name, "--dup", "5"), want)
	}
	for i, e := range events(t, a, "") { // the newest first
		if want := []int{5, 2}[i%2]; e.Deliveries != want {
			t.Errorf("%s/%s has %d deliveries, want %d", e.Provider, e.Type, e.Deliveries, want)
		}
	}
}

// What is quarantined is accepted each time, which is no error; otherwise to accept a repetition is one.
func TestTriggerDupAcceptedTwice(t *testing.T) {
	server(t)
	succeed(t, "trigger", contradictory(t), "--dup", "3")
	f := newFake(t, says(200, `{"status":"accepted"}`))
	t.Setenv("ADMIN_ADDR", "127.0.0.1:1")
	fails(t, run(t, "trigger", verifying(t), "--dup", "3", "--url", f.url), false, "3 of 3 deliveries of one event were accepted")
}

// A seed repeats the random order. The events have happened one after the other, in whatever order they arrive.
func TestTriggerShuffle(t *testing.T) {
	a := server(t)
	sample := verifying(t)
	order := func(args ...string) (seed, numbers string) {
		r := run(t, append([]string{"trigger", sample, "--count", "6"}, args...)...)
		_, seed, _ = strings.Cut(r.stderr, "--seed ")
		seed, _, _ = strings.Cut(seed, " ")
		for line := range strings.Lines(r.stdout) {
			if rest, found := strings.CutPrefix(line, sample+" #"); found {
				numbers += rest[:1]
			}
		}
		return seed, numbers
	}
	seed, numbers := order("--shuffle")
	if _, again := order("--seed", seed); len(numbers) != 6 || again != numbers {
		t.Errorf("seed %q, %v, then %v", seed, numbers, again)
	}
	var times []time.Time
	for _, e := range events(t, a, "")[:6] {
		times = append(times, e.OccurredAt.Time)
	}
	slices.SortFunc(times, time.Time.Compare)
	if span := times[5].Sub(times[0]).Round(time.Second); span != 5*time.Second {
		t.Errorf("the events are %s apart, want 5s", span)
	}
}

// A file is sent as it is, signed with the secret that is given.
func TestTriggerFile(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", "127.0.0.1:1")
	f := newFake(t, says(200, "{}"))
	sample := verifying(t)
	body := []byte("{ \"id\" : \"e\\u0031\",\r\n\t\"n\":1.0e2,\"n\":2 }\n\n")
	if err := os.WriteFile("body.json", body, 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
	run(t, "trigger", providerOf(sample), "--file", "body.json", "--secret-file", secretFile(t, secret), "--url", f.url)
	n, r, sent := f.received()
	if n != 1 || !bytes.Equal(sent, body) {
		t.Fatalf("%d requests, sent %q, want %q", n, sent, body)
	}
	p, err := handlers.NewProvider(providerOf(sample), handlers.Settings{Secrets: []handlers.Secret{{Value: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(r.URL.Path, "/webhooks/"+providerOf(sample)+"/")
	if _, err := p.Verify(handlers.Delivery{Header: r.Header, Token: token, Body: sent, ReceivedAt: time.Now()}); err != nil && strings.Contains(err.Error(), "unverified") {
		t.Errorf("what was sent does not verify: %v", err)
	}
}

// A body that cannot be read is stored as failed, and the exit code says so.
func TestTriggerUnreadable(t *testing.T) {
	a := server(t)
	r := run(t, "trigger", providerOf(verifying(t)), "--file", unreadableFile(t))
	fails(t, r, false, "is stored as failed, since it cannot be read")
	if got := events(t, a, ""); len(got) != 1 || got[0].Status != models.Failed {
		t.Errorf("got %+v, want one failed event", got)
	}
}

func TestTriggerURL(t *testing.T) {
	isolate(t)
	f := newFake(t, says(200, "{}"))
	sample := verifying(t)
	for suffix, want := range map[string]string{"": "/webhooks/", "/webhooks/x/y?z": "/webhooks/", "/kyc/": "/kyc/webhooks/"} {
		holds(t, succeed(t, "trigger", sample, "--url", f.url+suffix), "  the outcome is not known: call the admin API: ")
		if _, r, _ := f.received(); !strings.HasPrefix(r.URL.Path, want+providerOf(sample)) {
			t.Errorf("%s led to %s, want %s…", suffix, r.URL.Path, want)
		}
	}
	for _, bad := range []string{"localhost:8080", "ftp://localhost", "http://", "http://a b"} {
		fails(t, run(t, "trigger", sample, "--url", bad), true, "want http://host or https://host")
	}
}

// A redirect is not followed: it would take the signature, or the token in the path, to another host.
func TestTriggerDoesNotFollowRedirects(t *testing.T) {
	isolate(t)
	other := newFake(t, says(200, `{"status":"accepted"}`))
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.url+r.URL.Path+"?secret=canary", http.StatusTemporaryRedirect)
	})
	for _, name := range onePerProvider(t) {
		r := run(t, "trigger", name, "--url", f.url, "--secret-file", secretFile(t, "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"))
		fails(t, r, false, "307", "a redirect to "+other.url+", which is not followed")
		if strings.Contains(r.err.Error()+r.stdout, "canary") || strings.Contains(r.err.Error(), "whsec") {
			t.Errorf("the error shows the secret: %v", r.err)
		}
	}
	if n, _, _ := other.received(); n > 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

// A refused delivery says what to do about it.
func TestTriggerRefused(t *testing.T) {
	server(t)
	sample := verifying(t)
	r := run(t, "trigger", sample, "--secret-file", secretFile(t, "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"))
	fails(t, r, false, "http://"+os.Getenv("ADDR")+"/webhooks/"+providerOf(sample)+" answers 40", app.SecretName(providerOf(sample)))
	if r.stdout != "" || strings.Contains(r.err.Error(), "whsec_") {
		t.Errorf("printed %q, %v", r.stdout, r.err)
	}
	for status, want := range map[int]string{502: "answers 502 Bad Gateway", 503: "its database does not answer in time", 404: "after the server started, restart it"} {
		f := newFake(t, says(status, "<html>\n<h1>nginx</h1>\n</html>"))
		r := run(t, "trigger", sample, "--url", f.url)
		if fails(t, r, false, want); strings.Contains(r.err.Error(), "nginx") {
			t.Errorf("the error has the page: %v", r.err)
		}
	}
	for _, other := range handlers.ProviderNames() {
		if other != providerOf(sample) { // with one secret set, none are made for the others
			t.Setenv(app.SecretName(other), "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0")
			fails(t, run(t, "trigger", sample), true, "set "+app.SecretName(providerOf(sample))+" or use --secret-file")
			break
		}
	}
}

// Without a server the error says what to do, and does not show a secret that is part of the URL.
func TestTriggerWithoutServer(t *testing.T) {
	isolate(t)
	t.Setenv("ADDR", "127.0.0.1:1")
	for _, name := range onePerProvider(t) {
		provider := providerOf(name)
		r := run(t, "trigger", name, "--secret-file", secretFile(t, "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"))
		fails(t, r, false, "send to http://127.0.0.1:1/webhooks/"+provider, "is the server running? Start it with: go run .")
		if strings.Contains(r.err.Error(), "whsec") {
			t.Errorf("the error shows the secret: %v", r.err)
		}
	}
}

// --bad-signature and --stale succeed if the server refuses, and leave no trace.
func TestTriggerIsRefused(t *testing.T) {
	a := server(t)
	for _, name := range onePerProvider(t) {
		provider := providerOf(name)
		holds(t, succeed(t, "trigger", name, "--bad-signature"), name+" → 40", "\n  refused, as it should be\n")
		p, err := withSecret(provider, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(p.Schemes(), func(s handlers.Scheme) bool { return s.MaxAge > 0 && s.MaxAge < staleness }) {
			fails(t, run(t, "trigger", name, "--stale"), true, "--stale has no effect on "+provider)
			continue
		}
		succeed(t, "trigger", name, "--stale")
		list, err := get[struct{ Rejections []handlers.Rejection }](t.Context(), a, "/api/rejections")
		if err != nil || list.Rejections[0].Reason != "too old" {
			t.Errorf("--stale: %+v, %v", list, err)
		}
	}
	if got := events(t, a, ""); len(got) > 0 {
		t.Errorf("the inbox has %+v", got)
	}
}

// TestTriggerSandboxSecret: what is signed with a secret of a provider's sandbox is recorded and changes nobody, and verify says that it is
// from the sandbox.
func TestTriggerSandboxSecret(t *testing.T) {
	isolate(t)
	names := onePerProvider(t)
	for _, name := range names {
		t.Setenv(app.SecretName(providerOf(name)), app.RandomSecret())
		t.Setenv(app.SandboxSecretName(providerOf(name)), verifyingSecret)
	}
	a := serve(t, "sqlite:"+filepath.Join(t.TempDir(), "db"))
	file := secretFile(t, verifyingSecret)
	for _, name := range names {
		succeed(t, "trigger", name, "--secret-file", file)
		if e := events(t, a, "provider="+providerOf(name)); len(e) != 1 || !e[0].Sandbox || e[0].Outcome != models.Sandbox && e[0].Outcome != models.Ignored {
			t.Errorf("%s: %+v", name, e)
		}
		raw, _ := written(t, name)
		writeFile(t, "delivery.http", raw)
		holds(t, succeed(t, "verify", "--request", "delivery.http", "--at", signedAt.Format(time.RFC3339)), "sandbox      yes")
		holds(t, succeed(t, "verify", "--request", "delivery.http", "--at", signedAt.Format(time.RFC3339),
			"--secret-env", app.SandboxSecretName(providerOf(name)), "--json"), `"sandbox":true`)
	}
	if customers, err := newest[models.Customer](t.Context(), a, "customers", nil, 1); err != nil || len(customers) > 0 {
		t.Errorf("customers %+v, %v", customers, err)
	}
}

// A server that accepts what it must not is found out. Of another server nothing is guessed.
func TestTriggerIsNotRefused(t *testing.T) {
	a := server(t)
	sample := verifying(t)
	f := newFake(t, says(200, `{"status":"accepted"}`))
	fails(t, run(t, "trigger", sample, "--bad-signature", "--url", f.url), false, "it must not accept this delivery")
	want := "  the outcome is not known: call the admin API: " + a.base + " belongs to another server (see ADMIN_ADDR)\n"
	holds(t, succeed(t, "trigger", sample, "--url", f.url), want)
}

func TestTriggerUsage(t *testing.T) {
	isolate(t)
	sample := verifying(t)
	for want, args := range map[string][]string{
		"[file scenario] were all set":                                 {"--file", "a", "--scenario", "b"},
		"[bad-signature stale] were all set":                           {sample, "--stale", "--bad-signature"},
		"[bad-signature secret-file] were all set":                     {sample, "--secret-file", "s", "--bad-signature"},
		"want trigger <provider>/<event type>, trigger":                {sample, "--scenario", "b"},
		"trigger <provider> --file <file> or trigger":                  {"--file", "a"},
		"--count is 0: want 1 or more":                                 {sample, "--count", "0"},
		"--dup is -1: want 1 or more":                                  {sample, "--dup", "-1"},
		`there is no sample "` + sample + `s"; did you mean ` + sample: {sample + "s"},
		`there is no sample "nobody/nothing" (trigger without`:         {"nobody/nothing"},
		`there is no provider "nobody": want`:                          {"nobody", "--file", os.DevNull},
		`there is no scenario "x"`:                                     {"--scenario", "x"},
		"the payload has no no_such_field (--set +no_such_field=1":     {sample, "--set", "no_such_field=1"},
	} {
		fails(t, run(t, append([]string{"trigger"}, args...)...), true, want)
	}
	fails(t, run(t, "trigger", providerOf(sample), "--file", "none.json"), false, "none.json: no such file or directory")
}

func TestAssign(t *testing.T) {
	t.Parallel()
	const before, rest = `{ "a": 1`, `, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": true }`
	for set, want := range map[string]string{
		"a=90":          `{ "a": 90` + rest,
		"a=user_7":      `{ "a": "user_7"` + rest,
		`a="90"`:        `{ "a": "90"` + rest,
		`a={"b":[1]}`:   `{ "a": {"b":[1]}` + rest,
		"a=x=y":         `{ "a": "x=y"` + rest,
		"+a=2":          `{ "a": 2` + rest,
		"list.0=":       `{ "a": 1, "list": [ "", {"id": "y"} ], "null": null, "dotted.key": true }`,
		`dotted\.key=1`: `{ "a": 1, "list": [ "x", {"id": "y"} ], "null": null, "dotted.key": 1 }`,
		"+list.2=z":     `{ "a": 1, "list": ["x",{"id": "y"},"z"], "null": null, "dotted.key": true }`,
		"+new.b=1":      before + strings.TrimSuffix(rest, "}") + `,"new":{"b":1}}`,
		"a":             `"a": want path=value, as in data.status=approved`,
		"=1":            `"=1": want path=value, as in data.status=approved`,
		"list.1.di=1":   `the payload has no list.1.di; did you mean list.1.id? (--set +list.1.di=1 adds it)`,
	} {
		changed, err := assign([]byte(before+rest), []string{set})
		got := string(changed)
		if err != nil {
			got = err.Error()
			fails(t, result{err: err}, true)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", set, diff)
		}
	}
	for _, body := range []string{"", "[1]", "{"} {
		_, err := assign([]byte(body), []string{"a=2"})
		fails(t, result{err: err}, true, "needs a body that is a JSON object")
	}
}

// The changed payload is what is signed, and what is set stays, even if it is the ID.
func TestTriggerSet(t *testing.T) {
	a := server(t)
	sample := verifying(t)
	body, err := os.ReadFile(filepath.Join(testdata, sample+".json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := withSecret(providerOf(sample), "")
	if err != nil {
		t.Fatal(err)
	}
	env, err := p.Envelope(body)
	if err != nil {
		t.Fatal(err)
	}
	subject := gjson.Parse(succeed(t, "trigger", sample, "--json")).Get("customer_after.subject_id").Str
	for field, value := range payload.Paths(body) {
		switch value.Str {
		case env.ExternalID:
			succeed(t, "trigger", sample, "--set", field+"=my_id")
			if got := events(t, a, "external_id=my_id"); len(got) != 1 {
				t.Errorf("--set %s=my_id led to %d events of that ID", field, len(got))
			}
		case subject:
			out := gjson.Parse(succeed(t, "trigger", sample, "--json", "--set", field+"=somebody"))
			if got := out.Get("customer_after.subject_id").Str; got != "somebody" {
				t.Errorf("--set %s=somebody led to the customer %q", field, got)
			}
		}
	}
}
