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

// Events are replayed by ID, and those for which a replay changes nothing are left as they are.
func TestResendByID(t *testing.T) {
	a := server(t)
	fill(t)
	for args, want := range map[string]string{
		"1":           "event 1 SAMPLE stays as it is: it is processed (applied), a replay would change nothing\n",
		"3":           "event 3 IGNORED: ignored: REASON\n",
		"1 --dry-run": "event 1 SAMPLE stays as it is: it is processed (applied), a replay would change nothing\n",
		"3 --dry-run": "event 3 IGNORED would be replayed\n",
	} {
		all := events(t, a, "")
		want = strings.NewReplacer("SAMPLE", all[3].Provider+"/"+all[3].Type, "IGNORED", all[1].Provider+"/"+all[1].Type, "REASON", all[1].Reason).Replace(want)
		if got := succeed(t, append([]string{"resend"}, strings.Fields(args)...)...); got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
	r := run(t, "resend", "1", "4")
	if fails(t, r, false, "1 of 2 events were not processed"); !strings.Contains(r.stdout, "\nevent 4 "+providerOf(verifying(t))+": failed: ") {
		t.Errorf("got %q", r.stdout)
	}
	fails(t, run(t, "resend", "4", "98", "99"), false, "there is no event 98\nthere is no event 99")
	if e := events(t, a, "status=failed")[0]; e.ID != 4 || e.Attempts != 1 {
		t.Errorf("got %+v, want event 4 after the one attempt of its replay", e)
	}
}

// A quarantined event is never applied, nor sent elsewhere without --force.
func TestResendQuarantined(t *testing.T) {
	server(t)
	sample := contradictory(t)
	succeed(t, "trigger", sample)
	r := run(t, "resend", "1")
	if fails(t, r, false, "1 of 1 events were not processed"); !strings.HasSuffix(r.stdout, "stays as it is: a quarantined event is never applied\n") {
		t.Errorf("got %q", r.stdout)
	}
	f := newFake(t, says(200, "{}"))
	r = run(t, "resend", "1", "--to", f.url)
	if fails(t, r, false, "1 of 1 events were not sent"); !strings.HasSuffix(r.stdout, "is not sent: it is quarantined (--force sends it)\n") {
		t.Errorf("got %q", r.stdout)
	}
	succeed(t, "resend", "1", "--to", f.url, "--force")
	if n, _, _ := f.received(); n != 1 {
		t.Errorf("%d deliveries, want that of --force", n)
	}
}

// Events are replayed by flags: all that match and can change something.
func TestResendByFlags(t *testing.T) {
	a := server(t)
	fill(t)
	succeed(t, "trigger", ignored(t), "--count", "2")
	for _, c := range []struct{ args, want string }{
		{"--outcome applied", "0 events would be replayed; applied and quarantined events stay as they are\n"},
		{"--outcome ignored --dry-run", "3 events would be replayed; applied and quarantined events stay as they are\n"},
		{"--failed", "1 event will be replayed; go run . events shows the outcomes\n"},
		{"--outcome ignored --limit 2 --rate 100", "2 events will be replayed, 100 a second (about 1s); go run . events shows the outcomes\n"},
	} {
		if got := succeed(t, append([]string{"resend"}, strings.Fields(c.args)...)...); got != c.want {
			t.Errorf("%s: got %q, want %q", c.args, got, c.want)
		}
	}
	for _, e := range events(t, a, "") {
		if e, err := a.await(t.Context(), e.ID); err != nil || e.Status != models.Processed && e.Status != models.Failed {
			t.Errorf("event %d is %s, %v", e.ID, e.Status, err)
		}
	}
}

// What the server does not get done in one call it does in the next, within the limit.
func TestResendInParts(t *testing.T) {
	isolate(t)
	var asked []string
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		answer := `{"replayed":30}`
		switch {
		case r.FormValue("dry_run") == "true":
			answer = `{"would_replay":50}`
		case r.FormValue("limit") == "50":
			answer = `{"replayed":20,"more":true}`
		}
		_, _ = io.WriteString(w, answer)
	})
	t.Setenv("ADMIN_ADDR", strings.TrimPrefix(f.url, "http://"))
	printed := succeed(t, "resend", "--failed", "--limit", "50")
	want := []string{"limit=50&status=failed&dry_run=true", "limit=50&status=failed", "limit=30&status=failed"}
	if !slices.Equal(asked, want) || !strings.HasPrefix(printed, "50 events will be replayed;") {
		t.Errorf("asked for %q, want %q; printed %q", asked, want, printed)
	}
	r := run(t, "resend", "--failed", "--limit", "50", "--rate", "10")
	fails(t, r, false, "there are more events than the server takes at this rate at once")
	if want := "20 events will be replayed, 10 a second (about 2s);"; !strings.HasPrefix(r.stdout, want) {
		t.Errorf("printed %q, want %q", r.stdout, want)
	}
}

func TestResendAsksFirst(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "YES\r\n": true, "n\n": false, "\n": false, "": false, "y": true} {
		var out bytes.Buffer
		err := agree(strings.NewReader(answer), &out, "Replay 101 events?")
		if (err == nil) != want || out.String() != "Replay 101 events? [y/N] " {
			t.Errorf("%q: %v, want agreed %t; printed %q", answer, err, want, out.String())
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
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `{"status":"accepted"}`) })
	printed := succeed(t, "resend", "--status", "processed", "--to", f.url+"/kyc/webhooks")
	stored := events(t, a, "status=processed")
	slices.Reverse(stored)
	if n := strings.Count(printed, ` → 200 OK {"status":"accepted"}`); n != len(stored) || len(f.bodies) != n {
		t.Fatalf("%d accepted, %d bodies, want %d:\n%s", n, len(f.bodies), len(stored), printed)
	}
	for i, e := range stored {
		body, err := a.call(t.Context(), "GET", fmt.Sprintf("/api/events/%d/body", e.ID))
		if err != nil || !bytes.Equal(f.bodies[i], body) {
			t.Errorf("delivery %d is not the body of event %d, %v", i, e.ID, err)
		}
	}
	_, last, body := f.received()
	provider := stored[len(stored)-1].Provider
	p, err := handlers.NewProvider(provider, handlers.Settings{Secrets: c.Secrets[provider], Options: c.Options})
	if err != nil {
		t.Fatal(err)
	}
	d := handlers.Delivery{Header: last.Header, Token: strings.TrimPrefix(last.URL.Path, "/kyc/webhooks/"+provider+"/"), Body: body, ReceivedAt: time.Now()}
	if _, err := p.Verify(d); err != nil {
		t.Errorf("what was sent does not verify: %v", err)
	}
	for _, secrets := range c.Secrets {
		if strings.Contains(printed, secrets[0].Value) {
			t.Error("a secret is printed")
		}
	}
}

// A redirect is not followed, a refusal counts, and a server that is not there ends it.
func TestResendToProblems(t *testing.T) {
	server(t)
	succeed(t, "trigger", verifying(t))
	other := newFake(t, says(200, "{}"))
	f := newFake(t, http.RedirectHandler(other.url, http.StatusPermanentRedirect).ServeHTTP)
	r := run(t, "resend", "1", "--to", f.url)
	fails(t, r, false, "1 of 1 events were not accepted")
	if n, _, _ := other.received(); n > 0 || !strings.Contains(r.stdout, "a redirect to "+other.url+", which is not followed") {
		t.Errorf("the other server got %d requests; printed %q", n, r.stdout)
	}
	f = newFake(t, says(401, `{"error":"unverified"}`))
	r = run(t, "resend", "1", "--to", f.url)
	if fails(t, r, false, "1 of 1 events were not accepted"); !strings.Contains(r.stdout, `→ 401 Unauthorized {"error":"unverified"}: sign with the server's `) {
		t.Errorf("printed %q", r.stdout)
	}
	if got, want := succeed(t, "resend", "--status", "processed", "--to", f.url, "--dry-run"), "1 event would be sent to "+f.url+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	fails(t, run(t, "resend", "1", "--to", "http://127.0.0.1:1"), false, "connection refused", "stopped after 0 of 1 events")
}

func TestResendUsage(t *testing.T) {
	isolate(t)
	for args, want := range map[string]string{
		"":                           "select the events: by IDs, or by --failed or another flag such as --type",
		"--limit 3":                  "select the events: by IDs, or by --failed or another flag such as --type",
		"3 --failed":                 "select the events: by IDs, or by --failed or another flag such as --type",
		"3 --rate 5":                 "--limit and --rate are for events that flags select, not for IDs",
		"-- -3":                      `"-3" is not an ID: want a number`,
		"--failed --status received": "[failed status] were all set",
		"--failed --rate 0":          "--limit and --rate must be 1 or more",
		"--failed --force":           "--secret and --force need the URL of a server: --to https://host",
		"3 --to localhost:8080":      `--to is "localhost:8080": want http://host or https://host`,
		"--status done":              `--status is "done": want received`,
	} {
		fails(t, run(t, append([]string{"resend"}, strings.Fields(args)...)...), true, want)
	}
}
