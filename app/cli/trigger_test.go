package cli

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// events asks for the events that a query selects, newest first.
func events(t *testing.T, admin *adminClient, query string) []models.Event {
	t.Helper()
	var list struct{ Events []models.Event }
	if err := admin.get(t.Context(), "/api/events?"+query, &list); err != nil {
		t.Fatal(err)
	}
	return list.Events
}

// TestTriggerEverySample sends each of them once. The only one that is not processed says two things at once.
func TestTriggerEverySample(t *testing.T) {
	admin := server(t)
	names := walk(t)
	for _, name := range names {
		out := succeed(t, "trigger", name)
		first, rest, _ := strings.Cut(out, "\n")
		if want := name + ` → 200 OK {"status":"accepted"}`; first != want {
			t.Errorf("got %q, want %q", first, want)
		}
		outcome, _, _ := strings.Cut(rest, "\n")
		_, outcome, _ = strings.Cut(outcome, ": ")
		want := []string{"processed, applied", "processed, stale", "processed, ignored", "processed, sandbox"}
		if name == "trst/variants/webhook.test.conflicting" {
			want = []string{"quarantined: contradictory body: event_type at the top and in data differ"}
		}
		if !slices.Contains(want, outcome) {
			t.Errorf("%s: got %q, want one of %q", name, outcome, want)
		}
	}
	var stats struct{ Events map[models.EventStatus]int }
	if err := admin.get(t.Context(), "/api/stats", &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Events[models.Processed] != len(names)-1 || stats.Events[models.Quarantined] != 1 {
		t.Errorf("of %d events the inbox has %v, want 1 quarantined and the others processed", len(names), stats.Events)
	}
}

func TestTriggerCount(t *testing.T) {
	admin := server(t)
	for _, name := range []string{"legaltalent/kyc.session.processed", "trustist/onboard.session.completed", "trst/enrollment.completed"} {
		out := succeed(t, "trigger", name, "--count", "3")
		if n := strings.Count(out, name+` → 200 OK {"status":"accepted"}`); n != 3 {
			t.Errorf("%s: %d accepted, want 3:\n%s", name, n, out)
		}
		provider, _, _ := strings.Cut(name, "/")
		got := events(t, admin, "provider="+provider)
		if len(got) != 3 || got[0].Deliveries+got[1].Deliveries+got[2].Deliveries != 3 {
			t.Errorf("%s: got %+v, want three events of one delivery each", name, got)
		}
	}
}

func TestTriggerRepeat(t *testing.T) {
	admin := server(t)
	for _, status := range []string{"accepted", "duplicate"} {
		out := succeed(t, "trigger", "trustgate/applicant.reviewed", "--repeat")
		if want := fmt.Sprintf(`→ 200 OK {"status":%q}`, status); !strings.Contains(out, want) {
			t.Errorf("got %q, want %s", out, want)
		}
	}
	got := events(t, admin, "")
	if len(got) != 1 || got[0].Deliveries != 2 || got[0].ExternalID != "3d474e02-6012-4b5d-ab69-9bb5c1f688c5" {
		t.Errorf("got %+v, want the sample's event with two deliveries", got)
	}
}

// recorded is what a recorder was sent.
type recorded struct {
	path   string
	header http.Header
	body   []byte
}

// recorder is a server that keeps what it is sent and gives one answer.
func recorder(t *testing.T, status int, answer string) (base string, last *recorded) {
	t.Helper()
	last = &recorded{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		*last = recorded{r.URL.EscapedPath(), r.Header, body}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, answer); err != nil {
			t.Errorf("answer: %v", err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, last
}

// TestTriggerFile: the bytes are sent as they are, signed with the secret that is given.
func TestTriggerFile(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	base, last := recorder(t, http.StatusOK, "{}")
	body := []byte("{ \"event_id\" : \"e\\u0031\",\r\n\t\"event_type\":\"x\", \"timestamp\":\"2026-01-02T03:04:05Z\",\"n\":1.0e2,\"n\":2 }\n\n")
	if err := os.WriteFile("body.json", body, 0o600); err != nil {
		t.Fatal(err)
	}
	out := succeed(t, "trigger", "trustgate", "--file", "body.json", "--secret", "whsec_x", "--url", base)
	if !bytes.Equal(last.body, body) {
		t.Errorf("sent %q, want %q", last.body, body)
	}
	mac := hmac.New(sha256.New, []byte("whsec_x"))
	mac.Write([]byte(last.header.Get("X-Webhook-Timestamp") + "."))
	mac.Write(body)
	if got, want := last.header.Get("X-Webhook-Signature"), hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
	if !strings.HasPrefix(out, "trustgate → 200 OK {}\n  what came of it cannot be shown: ask the admin API: ") {
		t.Errorf("got %q, want the answer and why there is no more", out)
	}
}

func TestTriggerFileProblems(t *testing.T) {
	admin := server(t)
	failsWith(t, "--file: open none.json: no such file or directory", "trigger", "trustgate", "--file", "none.json")
	failsWith(t, "--file wants to know whose it is: trigger <provider> --file none.json", "trigger", "--file", "none.json")
	if err := os.WriteFile("body.json", []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	failsWith(t, `unknown provider "acme": want legaltalent, trst, trustgate, trustist`, "trigger", "acme", "--file", "body.json")
	r := execute(t, "trigger", "trst", "--file", "body.json")
	want := "error: trst is stored as failed, since it cannot be read: unreadable body: it is not a JSON object: "
	if r.code != 1 || !strings.HasPrefix(r.stderr, want) || r.stdout != "trst → 200 OK {\"status\":\"accepted\"}\n" {
		t.Errorf("got %+v, want %s", r, want)
	}
	if got := events(t, admin, "provider=trst"); len(got) != 1 || got[0].Status != models.Failed {
		t.Errorf("got %+v, want one failed event", got)
	}
}

func TestTriggerURL(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	base, last := recorder(t, http.StatusOK, "{}")
	for suffix, want := range map[string]string{
		"":                    "/webhooks/trst",
		"/":                   "/webhooks/trst",
		"/webhooks":           "/webhooks/trst",
		"/webhooks/":          "/webhooks/trst",
		"/webhooks/trst":      "/webhooks/trst",
		"/kyc":                "/kyc/webhooks/trst",
		"/kyc/webhooks/trst/": "/kyc/webhooks/trst",
	} {
		succeed(t, "trigger", "trst/webhook.test", "--url", base+suffix)
		if last.path != want {
			t.Errorf("%s led to %s, want %s", suffix, last.path, want)
		}
	}
	for _, bad := range []string{"localhost:8080", "ftp://localhost", "http://", "://", "http://a b"} {
		failsWith(t, fmt.Sprintf("--url is %q: want http://host or https://host", bad), "trigger", "trst/webhook.test", "--url", bad)
	}
}

// TestTriggerElsewhere: what a second server was sent is not looked for in the first one's database until time is up.
func TestTriggerElsewhere(t *testing.T) {
	admin := server(t)
	base, _ := recorder(t, http.StatusOK, "{}")
	out := succeed(t, "trigger", "trst/webhook.test", "--url", base)
	want := "trst/webhook.test → 200 OK {}\n  what came of it cannot be shown: " + admin.base + " is the admin API of another server (see ADMIN_ADDR)\n"
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestTriggerRefused(t *testing.T) {
	server(t)
	base := "http://" + os.Getenv("ADDR") + "/webhooks/"
	failsWith(t, base+`trustgate answers 401 Unauthorized {"error":"unverified"}: sign with the server's TRUSTGATE_WEBHOOK_SECRET `+
		`(--secret does); its log and GET /api/rejections say what was wrong`, "trigger", "trustgate/applicant.reviewed", "--secret", "canary")
	failsWith(t, base+`trustist answers 404 Not Found {"error":"not_found"}: it has no TRUSTIST_WEBHOOK_SECRET, or another one than was used here`,
		"trigger", "trustist/payment.created", "--secret", "canary")
	t.Setenv("TRST_WEBHOOK_SECRET", "s") // with one secret set, none are made for the others
	failsWith(t, "trustgate: no secret: set TRUSTGATE_WEBHOOK_SECRET or --secret", "trigger", "trustgate/test.ping")
}

// TestTriggerOtherAnswers: a page of HTML is left out, since each problem is one line.
func TestTriggerOtherAnswers(t *testing.T) {
	isolate(t)
	base, _ := recorder(t, http.StatusBadGateway, "<html>\n<h1>nginx</h1>\n</html>")
	failsWith(t, base+"/webhooks/trst answers 502 Bad Gateway", "trigger", "trst/webhook.test", "--url", base)
	base, _ = recorder(t, http.StatusServiceUnavailable, `{"error":"unavailable"}`)
	failsWith(t, base+`/webhooks/trst answers 503 Service Unavailable {"error":"unavailable"}: its database does not answer in time; its log says more`,
		"trigger", "trst/webhook.test", "--url", base)
}

// TestTriggerWithoutServer: the error says what to do, and keeps the secret that is part of Trustist's URL.
func TestTriggerWithoutServer(t *testing.T) {
	isolate(t)
	addr := testservers.FreeAddress(t)
	t.Setenv("ADDR", addr)
	t.Setenv("TRUSTIST_WEBHOOK_SECRET", "canary")
	failsWith(t, "send to http://"+addr+"/webhooks/trustist: dial tcp "+addr+": connect: connection refused (is the server running? start it with: go run .)",
		"trigger", "trustist/payment.created")
}

// TestTriggerEscapesToken: a token is sent as it is, whatever characters it has.
func TestTriggerEscapesToken(t *testing.T) {
	const token = "to ken?%41/+="
	isolate(t)
	t.Setenv("TRUSTIST_WEBHOOK_SECRET", token)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	base, last := recorder(t, http.StatusOK, "{}")
	succeed(t, "trigger", "trustist/payment.created", "--url", base)
	if got, err := url.PathUnescape(strings.TrimPrefix(last.path, "/webhooks/trustist/")); err != nil || got != token {
		t.Errorf("sent the token %q, %v, want %q", got, err, token)
	}
}

// TestTriggerAsksWithPassword: the admin API of a server that others can reach.
func TestTriggerAsksWithPassword(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_PASSWORD", "canary")
	asked := false
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		asked = ok && user == "admin" && password == "canary"
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(admin.Close)
	t.Setenv("ADMIN_ADDR", admin.Listener.Addr().String())
	base, _ := recorder(t, http.StatusOK, "{}")
	out := succeed(t, "trigger", "trst/webhook.test", "--url", base)
	if !asked || !strings.Contains(out, "answers 401 Unauthorized") || strings.Contains(out, "canary") {
		t.Errorf("asked with the password: %t; got %q", asked, out)
	}
}

// TestTriggerUsesTheServersSecret: commands find the secrets that the server made, in the folder it runs in.
func TestTriggerUsesTheServersSecret(t *testing.T) {
	server(t)
	c, err := app.LoadConfig()
	if err != nil || c.SecretsFile != filepath.Join("data", "secrets.env") {
		t.Fatalf("secrets come from %q, %v", c.SecretsFile, err)
	}
	succeed(t, "trigger", "trst/webhook.test")
	succeed(t, "trigger", "trst/webhook.test", "--secret", c.Secrets["trst"][0])
}
