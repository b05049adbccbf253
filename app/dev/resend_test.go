package dev

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// flat is what was printed without line breaks.
func flat(printed string) string { return strings.Join(strings.Fields(printed), " ") }

// Events are replayed by ID. Those for which a replay changes nothing are skipped, and the output says why.
func TestResendByID(t *testing.T) {
	a := server(t)
	fill(t)
	for args, want := range map[string]string{
		"1 --dry-run": " is skipped: it was processed (applied), and a replay would change nothing",
		"1":           " is skipped: it was processed (applied), and a replay would change nothing",
		"3 --dry-run": " would be replayed",
		"3":           " → processed, ignored (" + events(t, a, "outcome=ignored")[0].Reason + ")",
	} {
		if got := flat(succeed(t, append([]string{"resend"}, strings.Fields(args)...)...)); !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
	r := run(t, "resend", "1", "4")
	fails(t, r, false, "1 of 2 events were not processed")
	if !strings.Contains(flat(r.stdout), " event 4 "+providerOf(verifying(t))+" → failed: ") {
		t.Errorf("got %q", r.stdout)
	}
	fails(t, run(t, "resend", "4", "98"), false, "there is no event 98")
	if e := events(t, a, "status=failed")[0]; e.ID != 4 || e.Attempts != 1 {
		t.Errorf("got %+v, want event 4 after the one attempt of its replay", e)
	}
}

// A quarantined event is not replayed, and only sent to another server with --force.
func TestResendQuarantined(t *testing.T) {
	server(t)
	succeed(t, "trigger", contradictory(t))
	f := newFake(t, says(200, "{}"))
	for args, want := range map[string]string{
		"":              "is skipped: it is quarantined",
		"--to " + f.url: "is skipped: it is quarantined (--force sends it)",
	} {
		r := run(t, append([]string{"resend", "1"}, strings.Fields(args)...)...)
		if fails(t, r, false, "1 of 1 events were not "); !strings.HasSuffix(flat(r.stdout), want) {
			t.Errorf("%s: got %q, want %q", args, r.stdout, want)
		}
	}
	succeed(t, "resend", "1", "--to", f.url, "--force")
	if n, _, _ := f.received(); n != 1 {
		t.Errorf("%d deliveries, want that of --force", n)
	}
}

// Flags select events. All that a replay can change are replayed.
func TestResendByFlags(t *testing.T) {
	a := server(t)
	fill(t)
	succeed(t, "trigger", ignored(t), "--count", "2")
	for _, c := range []struct{ args, want string }{
		{"--outcome applied --limit 1", " is skipped: it was processed (applied), and a replay would change nothing"},
		{"--outcome ignored --dry-run", " would be replayed"},
		{"--failed", "event 4 " + providerOf(verifying(t)) + " is replayed"},
		{"--outcome ignored --limit 2 --rate 100", " is replayed"},
		{"--outcome sandbox", "no events match"},
	} {
		if got := flat(succeed(t, append([]string{"resend"}, strings.Fields(c.args)...)...)); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.args, got, c.want)
		}
	}
	for _, e := range events(t, a, "") {
		if e, err := a.await(t.Context(), e.ID); err != nil || e.Status != models.Processed && e.Status != models.Failed {
			t.Errorf("event %d is %s, %v", e.ID, e.Status, err)
		}
	}
}

// The stored bytes go to the other server, signed anew, the oldest first.
func TestResendToAnotherServer(t *testing.T) {
	a := server(t)
	for _, name := range onePerProvider(t) {
		succeed(t, "trigger", name)
	}
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	var requests []*http.Request
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r)
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	})
	printed := succeed(t, "resend", "--status", "processed", "--rate", "100", "--to", f.url+"/kyc/webhooks")
	stored := events(t, a, "status=processed")
	slices.Reverse(stored)
	if n := strings.Count(flat(printed), ` → 200 OK {"status":"accepted"}`); n != len(stored) || len(requests) != n {
		t.Fatalf("%d accepted, %d requests, want %d:\n%s", n, len(requests), len(stored), printed)
	}
	for i, e := range stored {
		body, err := a.call(t.Context(), "GET", fmt.Sprintf("/api/events/%d/body", e.ID))
		if err != nil || !bytes.Equal(f.bodies[i], body) {
			t.Errorf("delivery %d is not the body of event %d, %v", i, e.ID, err)
		}
		p, err := signer(c, e.Provider, "")
		if err != nil {
			t.Fatal(err)
		}
		token := strings.TrimPrefix(requests[i].URL.Path, "/kyc/webhooks/"+e.Provider+"/")
		d := handlers.Delivery{Header: requests[i].Header, Token: token, Body: body, ReceivedAt: time.Now()}
		if _, err := p.Verify(d); err != nil {
			t.Errorf("delivery %d does not verify: %v", i, err)
		}
		if strings.Contains(printed, c.Secrets[e.Provider][0].Value) {
			t.Error("a secret is printed")
		}
	}
}

// A redirect is not followed, a refusal counts, and an unreachable server ends the command.
func TestResendToProblems(t *testing.T) {
	server(t)
	succeed(t, "trigger", verifying(t))
	other := newFake(t, says(200, "{}"))
	redirect := newFake(t, http.RedirectHandler(other.url, http.StatusPermanentRedirect).ServeHTTP)
	refusal := newFake(t, says(401, `{"error":"unverified"}`))
	for to, want := range map[string]string{
		redirect.url: "a redirect to " + other.url + ", which is not followed",
		refusal.url:  `→ 401 Unauthorized {"error":"unverified"}: sign with the server's `,
	} {
		r := run(t, "resend", "1", "--to", to)
		if fails(t, r, false, "1 of 1 events were not accepted"); !strings.Contains(flat(r.stdout), want) {
			t.Errorf("got %q, want %q", r.stdout, want)
		}
	}
	if got := succeed(t, "resend", "--status", "processed", "--to", other.url, "--dry-run"); !strings.HasSuffix(got, " would be sent\n") {
		t.Errorf("printed %q", got)
	}
	if n, _, _ := other.received(); n > 0 {
		t.Errorf("the other server got %d requests", n)
	}
	fails(t, run(t, "resend", "1", "--to", "http://127.0.0.1:1"), false, "connection refused", "stopped after 0 of 1 events")
}

func TestResendUsage(t *testing.T) {
	isolate(t)
	for args, want := range map[string]string{
		"":                           "select the events by ID or by flags such as --failed and --type, not by both",
		"--limit 3":                  "select the events by ID or by flags such as --failed and --type, not by both",
		"3 --failed":                 "select the events by ID or by flags such as --failed and --type, not by both",
		"-- -3":                      `"-3" is not an ID: want a number`,
		"--failed --status received": "[failed status] were all set",
		"--failed --rate 0":          "--limit and --rate must be 1 or more",
		"--failed --force":           "--secret-file and --force need the URL of a server: --to https://host",
		"3 --to localhost:8080":      `--to is "localhost:8080": want http://host or https://host`,
		"--status done":              `--status is "done": want received`,
	} {
		fails(t, run(t, append([]string{"resend"}, strings.Fields(args)...)...), true, want)
	}
}
