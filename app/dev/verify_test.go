package dev

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/dev/diagnosis"
	"example.com/identity-webhooks/handlers"
)

const verifyingSecret = "whsec_5c7d1e902b4a4f36a8c1d0e9f3b76a25"

// written is a delivery of a provider as a raw request.
func written(t *testing.T, provider, secret string, body []byte, at time.Time) string {
	t.Helper()
	p, err := handlers.NewProvider(provider, handlers.Settings{Secrets: []handlers.Secret{{Value: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	signed := p.Sign(body, at)
	var b bytes.Buffer
	b.WriteString("POST /webhooks/" + signed.Path + " HTTP/1.1\r\n")
	if err := signed.Header.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\r\n" + string(body)
}

// sampled is a sample of a provider.
func sampled(t *testing.T, provider string) (body []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testdata, provider, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".want.json") {
			continue
		}
		if body, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		return body
	}
	t.Fatalf("there is no sample of %s", provider)
	return nil
}

// TestVerify: what each provider sends is valid with its secret, and after that time, with another secret or a newline more it is not.
func TestVerify(t *testing.T) {
	isolate(t)
	at := time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)
	for _, name := range handlers.ProviderNames() {
		variable := strings.ToUpper(name) + "_WEBHOOK_SECRET"
		t.Setenv(variable, verifyingSecret)
		body := sampled(t, name)
		writeFile(t, "delivery.http", written(t, name, verifyingSecret, body, at))
		out := succeed(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T16:00:10+01:00")
		if !strings.HasPrefix(out, "valid: "+name+" ") {
			t.Errorf("%s: %s", name, out)
		}
		var found diagnosis.Finding
		out = succeed(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:10Z", "--json")
		if err := json.Unmarshal([]byte(out), &found); err != nil || !found.Valid || found.Event.ExternalID == "" || found.Event.Type == "" {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		if handlers.TokenInPath(name) {
			t.Setenv(variable, strings.ToUpper(verifyingSecret))
			r := run(t, "verify", "--request", "delivery.http")
			fails(t, r, false, "the delivery is not valid: secret_case")
			t.Setenv(variable, "")
			continue
		}
		writeFile(t, "delivery.http", written(t, name, verifyingSecret, body, at)+" \t")
		r := run(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:10Z")
		fails(t, r, false, "the delivery is not valid: space_added")
		holds(t, r.stdout, "not valid: "+name+", space_added\n  The signature is that of the body without", "\n  → Keep the bytes")
		t.Setenv(variable, "")
	}
}

// TestVerifyInputs: the same delivery as flags, on the standard input, and with the secret in another variable.
func TestVerifyInputs(t *testing.T) {
	isolate(t)
	name := headerProvider(t)
	body, at := sampled(t, name), time.Date(2026, 2, 4, 15, 0, 0, 0, time.UTC)
	raw := written(t, name, verifyingSecret, body, at)
	writeFile(t, "delivery.http", raw)
	writeFile(t, "body.json", string(body))
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
	cmd.SetIn(strings.NewReader(strings.ReplaceAll(head, "\r\n", "\n") + "\n\n" + string(body)))
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--at", "2026-02-04T15:00:00Z", "--secret-env", "NEW"})
	if err := cmd.Execute(); err != nil || out.String() != want {
		t.Errorf("from the standard input: %v, %q", err, out.String())
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("development secrets were made although a secret was given")
	}
	t.Setenv(strings.ToUpper(name)+"_WEBHOOK_SECRET", verifyingSecret)
	r := run(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T15:00:00Z", "--secret-env", "OLD")
	fails(t, r, false, "other_secret")
	holds(t, r.stdout, "configured secret of "+name)
}

// headerProvider is a provider that signs with a header.
func headerProvider(t *testing.T) string {
	t.Helper()
	i := slices.IndexFunc(handlers.ProviderNames(), func(name string) bool { return !handlers.TokenInPath(name) })
	if i < 0 {
		t.Skip("no provider signs with a header")
	}
	return handlers.ProviderNames()[i]
}

func TestVerifyUsage(t *testing.T) {
	isolate(t)
	name := headerProvider(t)
	writeFile(t, "empty", "")
	writeFile(t, "unknown.http", "POST /hooks HTTP/1.1\nA: b\n\n{}")
	writeFile(t, "odd.http", "POST /webhooks/"+name+" HTTP/1.1\nA: b\nsecret words\n\n{}")
	for want, args := range map[string][]string{
		`--at is "noon": want a time such as`:           {"--at", "noon"},
		`--request: open none`:                          {"--request", "none"},
		`the request is empty`:                          {"--request", "empty"},
		`line 3 of the request is not a header`:         {"--request", "odd.http"},
		`does not say which provider it is for`:         {"--request", "unknown.http"},
		`unknown provider "unknown"`:                    {"--request", "unknown.http", "--provider", "unknown"},
		`missing [body]`:                                {"--header", "A: b"},
		`--header wants 'Name: value'`:                  {"--header", "secret", "--body", "empty"},
		`[body request] were all set`:                   {"--request", "odd.http", "--header", "A: b", "--body", "empty"},
		`--secret-env names a variable that is not set`: {"--request", "unknown.http", "--provider", name, "--secret-env", "whsec_canary"},
		`"delivery.http"`:                               {"delivery.http"},
	} {
		fails(t, run(t, append([]string{"verify"}, args...)...), true, want)
	}
}

// TestVerifyKeepsSecrets: nothing that is printed about the deliveries of testdata/verify holds eight characters in a row of a secret
// or a signature, or ten of a body, except what names the event.
func TestVerifyKeepsSecrets(t *testing.T) {
	t.Parallel()
	seen := 0
	files, err := filepath.Glob(filepath.Join(testdata, "verify", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var list []struct {
			Name          string
			Secrets       map[string][]string
			Settings      map[string]string
			At            time.Time
			Request       string
			RequestBase64 []byte `json:"request_base64"` //nolint:tagliatelle // as all of the project's JSON
		}
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			r, err := diagnosis.ParseRequest(append([]byte(l.Request), l.RequestBase64...))
			if err != nil {
				t.Fatal(err)
			}
			provider, token := diagnosis.Route(r.Path)
			if provider == "" {
				continue // it is not there any more
			}
			seen++
			c := diagnosis.Case{
				Provider: provider, Secrets: map[string][]handlers.Secret{}, Options: l.Settings, Missing: r.Missing, Extra: r.Extra,
				Delivery: handlers.Delivery{Header: r.Header, Token: token, Body: r.Body, ReceivedAt: l.At},
			}
			private := []string{token}
			for name, list := range l.Secrets {
				for _, value := range list {
					c.Secrets[name] = append(c.Secrets[name], handlers.Secret{Value: value})
					private = append(private, value)
				}
			}
			for name, values := range r.Header {
				if strings.Contains(http.CanonicalHeaderKey(name), "Signature") {
					private = append(private, values...)
				}
			}
			f, err := diagnosis.Diagnose(c)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, asJSON := range []bool{false, true} {
				if err := printFinding(&out, f, asJSON); err != nil {
					t.Fatal(err)
				}
			}
			names := []string{`"`, "", "external_id", "", "occurred_at", "", "event_type", ""}
			if e := f.Event; e != nil {
				names = append(names, e.Type, "", e.ExternalID, "", e.OccurredAt.Format(time.RFC3339Nano), "", e.Generation, "")
			}
			printed := strings.NewReplacer(names...).Replace(out.String())
			for _, text := range private {
				mustNotShare(t, l.Name, printed, text, 8)
			}
			mustNotShare(t, l.Name, printed, string(r.Body)+string(r.Extra), 10)
		}
	}
	if seen == 0 {
		t.Skip("no delivery is of a provider that there is")
	}
}

// mustNotShare looks for n characters in a row of a private text in what is printed.
func mustNotShare(t *testing.T, name, printed, private string, n int) {
	t.Helper()
	for i := 0; i+n <= len(private); i++ {
		if part := private[i : i+n]; strings.Contains(printed, part) {
			t.Errorf("%s: %q is in the output:\n%s", name, part, printed)
			return
		}
	}
}

// TestVerifyCleansTerminal: what a sender chose cannot change the terminal.
func TestVerifyCleansTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f := diagnosis.Finding{Valid: true, Provider: "acme", Warnings: []string{"odd"}, Event: &diagnosis.Event{Type: "a\x1b[2J", ExternalID: "b\nc"}}
	if err := printFinding(&out, f, false); err != nil {
		t.Fatal(err)
	}
	holds(t, out.String(), "valid: acme a [2J\n", "b c", "odd")
}
