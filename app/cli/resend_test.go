package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

func TestResendIDs(t *testing.T) {
	admin := server(t)
	fill(t)
	succeed(t, "trigger", "trst/webhook.test", "--repeat")
	golden(t, "resend-ids", succeed(t, "resend", "4", "7"))
	golden(t, "resend-dry-run", succeed(t, "resend", "4", "5", "6", "7", "--dry-run"))
	r := execute(t, "resend", "5", "6")
	golden(t, "resend-bad", r.stdout)
	if r.code != exitError || r.stderr != "error: 2 of 2 events did not get through\n" {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	failsWith(t, "there is no event 99", "resend", "99", "--dry-run")
	if got := fails(t, "resend", "6", "98", "99"); !slices.Equal(got, []string{"there is no event 98", "there is no event 99"}) {
		t.Errorf("got %q, want both unknown ids", got)
	}
	if e := events(t, admin, "status=failed")[0]; e.ID != 6 || e.Attempts != 1 {
		t.Errorf("got %+v, want event 6 after the one attempt of its replay", e)
	}
}

func TestResendAll(t *testing.T) {
	admin := server(t)
	fill(t)
	succeed(t, "trigger", "trst/webhook.test", "--count", "3")
	golden(t, "resend-all-dry-run", succeed(t, "resend", "--provider", "trst", "--dry-run"))
	if got := succeed(t, "resend", "--type", "enrollment.completed"); !strings.HasSuffix(got, "0 events would be replayed\n") {
		t.Errorf("got %q, want nothing to be replayed", got)
	}
	for args, want := range map[string]string{
		"--failed": "1 event will be replayed; go run . events shows what comes of them\n",
		"--type webhook.test --outcome ignored --limit 2 --rate 100": "2 events will be replayed, 100 a second, the last in 10ms; go run . events shows what comes of them\n",
	} {
		if got := succeed(t, append([]string{"resend"}, strings.Fields(args)...)...); got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
	until(t, func() bool { return len(events(t, admin, "status=processed&outcome=ignored")) == 3 }, func() string { return "their outcomes" })
}

// TestResendGoesOn: what the server does not get done in one call it does in the next, within the limit.
func TestResendGoesOn(t *testing.T) {
	isolate(t)
	var asked []string
	api(t, "", func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch {
		case r.FormValue("dry_run") == "true":
			fmt.Fprint(w, `{"would_replay":50}`)
		case r.FormValue("limit") == "50":
			fmt.Fprint(w, `{"replayed":20,"more":true}`)
		default:
			fmt.Fprint(w, `{"replayed":30}`)
		}
	})
	out := succeed(t, "resend", "--failed", "--limit", "50")
	want := []string{"limit=50&status=failed&dry_run=true", "limit=50&status=failed", "limit=30&status=failed"}
	if !slices.Equal(asked, want) || !strings.HasPrefix(out, "50 events will be replayed;") {
		t.Errorf("asked for %q, want %q; printed %q", asked, want, out)
	}
	r := execute(t, "resend", "--failed", "--limit", "50", "--rate", "10")
	if r.code != exitError || r.stderr != "error: there are more than the server takes at this rate at once: call it again after that time\n" ||
		!strings.HasPrefix(r.stdout, "20 events will be replayed, 10 a second, the last in 1.9s;") {
		t.Errorf("got %+v", r)
	}
}

func TestAgree(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "YES\r\n": true, "n\n": false, "\n": false, "": false, "y": true} {
		var out bytes.Buffer
		err := agree(strings.NewReader(answer), &out, "Replay 101 events?")
		if (err == nil) != want || out.String() != "Replay 101 events? [y/N] " {
			t.Errorf("%q: %v, want agreed %t; printed %q", answer, err, want, out.String())
		}
	}
}

// received are the deliveries that another server was sent.
type received struct {
	mu         sync.Mutex
	deliveries []recorded
}

// other is another server, which verifies what it is sent as ours does.
func other(t *testing.T, secrets map[string][]string) (base string, got *received) {
	t.Helper()
	got = &received{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		path := strings.TrimPrefix(r.URL.Path, "/kyc/webhooks/")
		name, _, _ := strings.Cut(path, "/")
		p, err := handlers.NewProvider(name, secrets[name], handlers.Settings{LegalTalentContent: handlers.FormEither})
		if err != nil {
			t.Error(err)
		}
		d := handlers.Delivery{Header: r.Header, Token: strings.TrimPrefix(path, name+"/"), Body: body, ReceivedAt: time.Now()}
		if _, err := p.Verify(d); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":%q}`, err)
			return
		}
		got.mu.Lock()
		defer got.mu.Unlock()
		got.deliveries = append(got.deliveries, recorded{path, r.Header, body})
		fmt.Fprint(w, `{"status":"accepted"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/kyc", got
}

func TestResendTo(t *testing.T) {
	admin := server(t)
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	base, got := other(t, c.Secrets)
	fill(t)
	succeed(t, "trigger", "trustist/payment.created", "--repeat")
	succeed(t, "trigger", "legaltalent/kyc.session.approved", "--repeat")
	out := succeed(t, "resend", "--status", "processed", "--to", base)
	golden(t, "resend-to", out)
	if strings.Contains(out, c.Secrets["trustist"][0]) {
		t.Error("it prints Trustist's secret")
	}
	want := events(t, admin, "status=processed")
	slices.Reverse(want)
	if len(got.deliveries) != len(want) {
		t.Fatalf("%d deliveries, want %d", len(got.deliveries), len(want))
	}
	for i, e := range want {
		body, err := admin.call(t.Context(), "GET", fmt.Sprintf("/api/events/%d/body", e.ID))
		if err != nil || !bytes.Equal(got.deliveries[i].body, body) {
			t.Errorf("delivery %d is not the stored body of event %d, %v", i, e.ID, err)
		}
	}
	if n := len(events(t, admin, "")); n != 8 {
		t.Errorf("the inbox has %d events, want the 8 of before", n)
	}
}

func TestResendToRefusesQuarantined(t *testing.T) {
	server(t)
	fill(t)
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	base, got := other(t, c.Secrets)
	r := execute(t, "resend", "3", "5", "--to", base+"/webhooks")
	want := "event 5 trst/webhook.test is not sent: it is quarantined (--force sends it)\n" +
		`event 3 trst/enrollment.completed → 200 OK {"status":"accepted"}` + "\n"
	if r.code != exitError || r.stdout != want || r.stderr != "error: 1 of 2 events were not sent\n" {
		t.Errorf("got %+v, want %s", r, want)
	}
	// This one says two things at once, which the other server tells, too.
	execute(t, "resend", "5", "--to", base, "--force")
	if len(got.deliveries) != 1 {
		t.Errorf("%d deliveries were accepted, want 1", len(got.deliveries))
	}
}

func TestResendToProblems(t *testing.T) {
	server(t)
	fill(t)
	base, _ := other(t, map[string][]string{"trst": {"canary"}})
	r := execute(t, "resend", "3", "--to", base)
	if r.code != exitError || r.stderr != "error: 1 of 1 events were not accepted\n" ||
		!strings.HasPrefix(r.stdout, `event 3 trst/enrollment.completed → 401 Unauthorized {"error":"unverified delivery: wrong secret or changed body"}: sign with`) {
		t.Errorf("got %+v, want that the signature is wrong", r)
	}
	succeed(t, "resend", "3", "--to", base, "--secret", "canary")
	if got := succeed(t, "resend", "--provider", "trst", "--status", "processed", "--to", base, "--dry-run"); got != "1 event would be sent to "+base+"/webhooks/\n" {
		t.Errorf("got %q", got)
	}
	addr := testservers.FreeAddress(t)
	want := []string{
		"send to http://" + addr + "/webhooks/trst: dial tcp " + addr + ": connect: connection refused", "ended after 0 of 1 events",
	}
	if got := fails(t, "resend", "3", "--to", "http://"+addr); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestResendUsage(t *testing.T) {
	isolate(t)
	for args, want := range map[string]string{
		"":                           "say which events: their ids, --failed, or a flag such as --type",
		"--limit 3":                  "say which events: their ids, --failed, or a flag such as --type",
		"3 --failed":                 "ids and flags that select events exclude each other",
		"3 --rate 5":                 "--rate is for events that flags select, not for ids",
		"3 --limit 5":                "--limit is for events that flags select, not for ids",
		"-- -3":                      `"-3" is no id: want a number, as events lists them`,
		"--failed --status received": "--failed and --status received exclude each other",
		"--failed --rate 0":          "--rate is 0: want 1 or more",
		"--failed --limit -1":        "--limit is -1: want 1 or more",
		"--failed --force":           "--secret and --force are for --to",
		"3 --to localhost:8080":      `--to is "localhost:8080": want http://host or https://host`,
		"--status done":              `--status is "done": want ` + join(models.EventStatuses),
	} {
		r := execute(t, append([]string{"resend"}, strings.Fields(args)...)...)
		if r.code != exitUsage || r.stderr != "error: "+want+"\n" {
			t.Errorf("%s: exit code %d, %q, want %s", args, r.code, r.stderr, want)
		}
	}
}
