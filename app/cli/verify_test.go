package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/diagnosis"
	"example.com/identity-webhooks/app/testservers"
)

// The MAC was made with:
//
//	(printf '1770217200.'; cat body) | openssl dgst -sha256 -hmac whsec_tg_test_3f9c1a7e5b2d4860
const (
	verifySecret = "whsec_tg_test_3f9c1a7e5b2d4860"
	verifyMAC    = "34167aa7e9f2bc1c1f330be19a3c816270d0e7b724800d0dd62bb33126b17e5f"
	verifyBody   = `{"event":"test.ping","timestamp":"2026-02-04T15:00:00Z","data":{"message":"ping from TrustGate","webhook_id":"5c7d1e90-2b4a-4f36-a8c1-d0e9f3b76a25"}}`
	verifyHead   = "POST /webhooks/trustgate HTTP/1.1\r\nX-Webhook-Signature: " + verifyMAC + "\r\nX-Webhook-Timestamp: 1770217200\r\n\r\n"
	verifyAt     = "2026-02-04T15:00:10Z"
)

// delivered makes the current folder one with a request in delivery.http, and configures TrustGate's secret.
func delivered(t *testing.T, request string) {
	t.Helper()
	isolate(t)
	t.Setenv("TRUSTGATE_WEBHOOK_SECRET", verifySecret)
	write(t, "delivery.http", request)
}

func TestVerifyValid(t *testing.T) {
	delivered(t, verifyHead+verifyBody)
	out := succeed(t, "verify", "--request", "delivery.http", "--at", verifyAt)
	lines := strings.Split(out, "\n")
	if len(lines) != 3 || lines[0] != "valid: trustgate test.ping" || !strings.HasPrefix(lines[1], "  event     key:") ||
		!strings.HasSuffix(lines[1], ", occurred at 2026-02-04T15:00:00Z, generation v2") {
		t.Errorf("got %q", out)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(succeed(t, "verify", "--request", "delivery.http", "--at", verifyAt, "--json")), &got); err != nil {
		t.Fatal(err)
	}
	event, _ := got["event"].(map[string]any)
	want := map[string]any{"valid": true, "provider": "trustgate", "event": map[string]any{
		"type": "test.ping", "external_id": event["external_id"], "occurred_at": "2026-02-04T15:00:00Z", "generation": "v2",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVerifyNotValid(t *testing.T) {
	delivered(t, verifyHead+verifyBody+"\n")
	r := execute(t, "verify", "--request", "delivery.http", "--at", verifyAt)
	want := result{exitError, "not valid: trustgate, newline_added\n" +
		"  why       The signature fits the body without the newline at its end, which was added on the way.\n" +
		"  to do     Keep the bytes of the body as they come: editors and echo add a newline, and curl needs --data-binary.\n",
		"error: the delivery is not valid: newline_added\n"}
	if r != want {
		t.Errorf("got %+v\nwant %+v", r, want)
	}
	r = execute(t, "verify", "--request", "delivery.http", "--at", "2026-02-04T16:00:00+01:00", "--json")
	var got map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != exitError {
		t.Fatalf("%v: %+v", err, r)
	}
	if got["valid"] != false || got["provider"] != "trustgate" || got["cause"] != "newline_added" || got["event"] != nil {
		t.Errorf("got %v", got)
	}
	r = execute(t, "verify", "--request", "delivery.http") // now
	if !strings.HasPrefix(r.stdout, "not valid: trustgate, newline_added, too_old\n") {
		t.Errorf("got %+v", r)
	}
}

// TestVerifyInputs: the same delivery as flags, on the standard input, and with the secret from elsewhere.
func TestVerifyInputs(t *testing.T) {
	delivered(t, verifyHead+verifyBody)
	write(t, "body.json", verifyBody)
	write(t, "secret", "\n"+verifySecret+"\n")
	want := succeed(t, "verify", "--request", "delivery.http", "--at", verifyAt)
	parts := []string{"--provider", "trustgate", "--header", "X-Webhook-Signature: " + verifyMAC, "--header", "x-webhook-timestamp:1770217200", "--body", "body.json"}
	t.Setenv("OLD", "whsec_old")
	t.Setenv("NEW", verifySecret)
	t.Setenv("APP_ENV", "production") // where a configuration without a secret is wrong
	for _, secrets := range [][]string{nil, {"--secret-env", "OLD, NEW"}, {"--secret-file", "secret"}, {"--secret-env", "OLD", "--secret-file", "secret"}} {
		if len(secrets) > 0 {
			t.Setenv("TRUSTGATE_WEBHOOK_SECRET", "")
		}
		if got := succeed(t, append(append([]string{"verify", "--at", verifyAt}, parts...), secrets...)...); got != want {
			t.Errorf("%q: got %q, want %q", secrets, got, want)
		}
	}
	cmd := newVerify()
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(strings.ReplaceAll(verifyHead, "\r\n", "\n") + verifyBody))
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--at", verifyAt, "--secret-env", "NEW"})
	if err := cmd.Execute(); err != nil || out.String() != want {
		t.Errorf("from the standard input: %v, %q", err, out.String())
	}
	if _, err := fs.Stat(os.DirFS("."), "data"); err == nil {
		t.Error("secrets were made, where some were given")
	}
}

// TestVerifyOtherSecret: the configured secret is tried where another is given.
func TestVerifyOtherSecret(t *testing.T) {
	delivered(t, verifyHead+verifyBody)
	t.Setenv("OLD", "whsec_old")
	r := execute(t, "verify", "--request", "delivery.http", "--at", verifyAt, "--secret-env", "OLD")
	if r.code != exitError || !strings.HasPrefix(r.stdout, "not valid: trustgate, other_secret\n  why       The signature was made with the configured secret of trustgate") {
		t.Errorf("got %+v", r)
	}
}

// TestVerifyTrigger: what trigger sends is valid, with the secrets made for development.
func TestVerifyTrigger(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	base, last := recorder(t, 200, "{}")
	for _, name := range []string{"trustgate/applicant.reviewed", "trst/webhook.test", "legaltalent/kyc.session.approved", "trustist/payment.created"} {
		succeed(t, "trigger", name, "--url", base)
		var request bytes.Buffer
		request.WriteString("POST " + last.path + " HTTP/1.1\r\n")
		if err := last.header.Write(&request); err != nil {
			t.Fatal(err)
		}
		write(t, "delivery.http", request.String()+"\r\n"+string(last.body))
		if out := succeed(t, "verify", "--request", "delivery.http"); !strings.HasPrefix(out, "valid: "+strings.ReplaceAll(name, "/", " ")+"\n") {
			t.Errorf("%s: got %q", name, out)
		}
	}
}

func TestVerifyUsage(t *testing.T) {
	delivered(t, verifyHead+verifyBody)
	write(t, "nothing", "")
	write(t, "nowhere.http", "POST /hooks HTTP/1.1\nA: b\n\n{}")
	write(t, "odd.http", "POST /webhooks/trst HTTP/1.1\nA: b\nsecret words\n\n{}")
	for want, args := range map[string][]string{
		`--at is "noon": want a time as 2026-02-04T15:00:00Z`:                                     {"--at", "noon"},
		`--request: open none: no such file or directory`:                                         {"--request", "none"},
		`parse request: it is empty`:                                                              {"--request", "nothing"},
		`parse request: line 3 is no header: want Name: value, and an empty line before the body`: {"--request", "odd.http"},
		`no request line leads to /webhooks/<provider>: say whose delivery it is with --provider`: {"--request", "nowhere.http"},
		`unknown provider "acme": want legaltalent, trst, trustgate, trustist`:                    {"--request", "nowhere.http", "--provider", "acme"},
		`trst: no secret: set TRST_WEBHOOK_SECRET or --secret-env`:                                {"--request", "nowhere.http", "--provider", "trst"},
		`--header wants --body, too: a file, or - for the standard input`:                         {"--header", "A: b"},
		`--header wants Name: value, each in a flag of its own`:                                   {"--header", "secret", "--body", "nothing"},
		`--request is the whole delivery: leave out --header and --body`:                          {"--request", "delivery.http", "--body", "nothing"},
		`--secret-file holds no secret`:                                                           {"--request", "delivery.http", "--secret-file", "nothing"},
		`--secret-env: a variable that it names holds no secret; it wants names, not secrets`:     {"--request", "delivery.http", "--secret-env", "whsec_canary"},
		`trustist is known by its path: give the raw request, with its request line`:              {"--provider", "trustist", "--body", "nothing"},
		`unknown command "delivery.http" for "identity-webhooks verify"`:                          {"delivery.http"},
	} {
		args = append([]string{"verify"}, args...)
		failsWith(t, want, args...)
		if r := execute(t, args...); r.code != exitUsage {
			t.Errorf("%q: exit code %d, want %d", args, r.code, exitUsage)
		}
	}
}

// TestVerifyWarning: a valid delivery whose second signature is wrong.
func TestVerifyWarning(t *testing.T) {
	var out bytes.Buffer
	f := diagnosis.Finding{Valid: true, Provider: "trustgate", Warning: "odd", Event: &diagnosis.Event{Type: "a\x1b[2J", ExternalID: "b\nc"}}
	if err := printFinding(&out, f, false); err != nil {
		t.Fatal(err)
	}
	want := "valid: trustgate a\ufffd[2J\n  event     b\ufffdc, occurred at 0001-01-01T00:00:00Z, generation \n  warning   odd\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
