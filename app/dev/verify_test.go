package dev

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/dev/diagnosis"
	"example.com/identity-webhooks/handlers"
)

const verifyingSecret = "whsec_5c7d1e902b4a4f36a8c1d0e9f3b76a25"

var signedAt = time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)

// written is a sample as a raw request, signed with verifyingSecret, and its body.
func written(t *testing.T, sample string) (raw, body string) {
	t.Helper()
	_, text, err := findSample(samples(), sample)
	if err != nil {
		t.Fatal(err)
	}
	p, err := signer(app.Config{}, providerOf(sample), verifyingSecret)
	if err != nil {
		t.Fatal(err)
	}
	signed := p.Sign(text, signedAt)
	var b bytes.Buffer
	b.WriteString("POST /webhooks/" + signed.Path + " HTTP/1.1\r\n")
	if err := signed.Header.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\r\n" + string(signed.Body), string(signed.Body)
}

// signedSample is a sample of a provider that signs with a header.
func signedSample(t *testing.T) string {
	t.Helper()
	all := onePerProvider(t)
	i := slices.IndexFunc(all, func(sample string) bool { return !handlers.TokenInPath(providerOf(sample)) })
	if i < 0 {
		t.Skip("no provider signs with a header")
	}
	return all[i]
}

// TestVerify: what each provider sends is valid with its secret; with another secret or with a space more it is not.
func TestVerify(t *testing.T) {
	isolate(t)
	for _, sample := range onePerProvider(t) {
		name := providerOf(sample)
		variable := app.SecretName(name)
		t.Setenv(variable, verifyingSecret)
		raw, _ := written(t, sample)
		writeFile(t, "delivery.http", raw)
		out := succeed(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T16:00:10+01:00")
		holds(t, out, "valid: "+name+" ", "external_id")
		var found diagnosis.Finding
		out = succeed(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:10Z", "--json")
		err := json.Unmarshal([]byte(out), &found)
		if err != nil || !found.Valid || found.Event.ExternalID == "" || found.Event.Type == "" {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		cause := "space_added"
		if handlers.TokenInPath(name) {
			cause = "secret_case"
			t.Setenv(variable, strings.ToUpper(verifyingSecret))
		}
		writeFile(t, "delivery.http", raw+" \t")
		r := run(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:10Z")
		fails(t, r, false, "the delivery is not valid: "+cause)
		holds(t, r.stdout, "not valid: "+name+", "+cause+"\n  ", "\n  → ")
		if strings.Contains(strings.ToLower(r.stdout), verifyingSecret) {
			t.Errorf("%s: the secret is printed: %s", name, r.stdout)
		}
		t.Setenv(variable, "")
	}
}

// TestVerifyInputs: the same delivery as flags, on the standard input, and with the secret in another variable.
func TestVerifyInputs(t *testing.T) {
	isolate(t)
	sample := signedSample(t)
	name := providerOf(sample)
	raw, body := written(t, sample)
	writeFile(t, "delivery.http", raw)
	writeFile(t, "body.json", body)
	t.Setenv("OLD", "whsec_old")
	t.Setenv("NEW", verifyingSecret)
	t.Setenv("APP_ENV", "production") // in which a configuration without a secret is wrong
	want := succeed(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:00Z", "--secret-env", "OLD, NEW")
	args := []string{"verify", "--provider", name, "--at", "2026-02-04T15:00:00Z", "--secret-env", "NEW", "--body", "body.json"}
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		args = append(args, "--header", line)
	}
	if got := succeed(t, args...); got != want {
		t.Errorf("as flags: %q, want %q", got, want)
	}
	cmd := newVerify(Env{})
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(strings.ReplaceAll(head, "\r\n", "\n") + "\n\n" + body))
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--at", "2026-02-04T15:00:00Z", "--secret-env", "NEW"})
	if err := cmd.Execute(); err != nil || out.String() != want {
		t.Errorf("from the standard input: %v, %q", err, out.String())
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("development secrets were made although a secret was given")
	}
	t.Setenv(app.SecretName(name), verifyingSecret)
	r := run(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:00Z", "--secret-env", "OLD")
	fails(t, r, false, "other_secret")
	holds(t, r.stdout, "configured secret of "+name)
}

func TestVerifyUsage(t *testing.T) {
	isolate(t)
	name := providerOf(signedSample(t))
	writeFile(t, "empty", "")
	writeFile(t, "unknown.http", "POST /hooks HTTP/1.1\nA: b\n\n{}")
	t.Setenv("EMPTY", "")
	writeFile(t, "odd.http", "POST /webhooks/"+name+" HTTP/1.1\nA: b\nsecret words\n\n{}")
	for want, args := range map[string][]string{
		`--at is "noon": want a time such as`:           {"--at", "noon"},
		`open none`:                                     {"--request", "none"},
		`the request is empty`:                          {"--request", "empty"},
		`a line of the request is not a header`:         {"--request", "odd.http"},
		`does not say which provider it is for`:         {"--request", "unknown.http"},
		`there is no provider "unknown"`:                {"--request", "unknown.http", "--provider", "unknown"},
		`missing [body]`:                                {"--header", "A: b"},
		`[body request] were all set`:                   {"--request", "odd.http", "--header", "A: b", "--body", "empty"},
		`--secret-env names a variable that is not set`: {"--request", "unknown.http", "--provider", name, "--secret-env", "canary"},
		name + `: no secret`:                            {"--request", "unknown.http", "--provider", name, "--secret-env", "EMPTY"},
		`"delivery.http"`:                               {"delivery.http"},
	} {
		fails(t, run(t, append([]string{"verify"}, args...)...), true, want)
	}
}

// TestVerifyCleansTerminal: what a sender chose cannot change the terminal.
func TestVerifyCleansTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	event := diagnosis.Event{Type: "a\x1b[2J", ExternalID: "b\nc"}
	f := diagnosis.Finding{Valid: true, Provider: "acme", Warnings: []string{"odd"}, Event: &event}
	if err := printFinding(&out, f, false); err != nil {
		t.Fatal(err)
	}
	holds(t, out.String(), "valid: acme a [2J\n", "b c", "not in the body", "odd")
}
