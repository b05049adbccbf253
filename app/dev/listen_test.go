package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// listen shows deliveries that come, with what they change, and not those from before it started.
func TestListen(t *testing.T) {
	a := server(t)
	fill(t)
	sample := verifying(t)
	l, asJSON := launch(t, Env{}, "listen"), launch(t, Env{}, "listen", "--json")
	l.waitFor("listening to the server at " + a.base + "; press Ctrl+C to stop\n")
	asJSON.waitFor("listening")
	writeFile(t, "unreadable", "another")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const verified = `{"status":"verified","aml_hold":false}`
	var want, got []string
	for _, step := range []struct {
		args                 []string
		shown, kind, was, is string
	}{
		{[]string{sample, "--repeat"}, "verified (customer 1)", "event", "", verified},
		{[]string{sample, "--repeat"}, "delivery 2", "repeat", "", ""},
		{[]string{sample}, "still verified (custome", "event", verified, verified},
		{[]string{ignored(t)}, "ignored", "event", "", ""},
		{[]string{sample, "--bad-signature"}, "wrong ", "rejection", "", ""},
		{[]string{providerOf(sample), "--file", "unreadable"}, "unreadable body", "event", "", ""},
	} {
		run(t, append([]string{"trigger"}, step.args...)...)
		l.waitFor(step.shown)
		want = append(want, fmt.Sprintf("%s %s: %s > %s", step.kind, providerOf(step.args[0]), step.was, step.is))
		complete := func() (bool, error) { return strings.Count(asJSON.stdout.String(), "\n") == len(want), nil }
		if err := until(ctx, complete); err != nil {
			t.Fatalf("%v: want %d lines:\n%s", step.args, len(want), &asJSON.stdout)
		}
	}
	r := l.end()
	if lines := strings.Count(r.stdout, "\n"); r.err != nil || lines != 7 {
		t.Errorf("%v, %d lines, want the titles and six deliveries:\n%s", r.err, lines, r.stdout)
	}
	narrow(t, r.stdout)
	for line := range strings.Lines(asJSON.end().stdout) {
		v := gjson.Parse(line)
		before, after := v.Get("customer_before"), v.Get("customer_after")
		got = append(got, fmt.Sprintf("%s %s: %s > %s", v.Get("kind"), v.Get("provider"), before, after))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A change of a customer is shown with the status and the hold before and after it.
func TestListenShowsChanges(t *testing.T) {
	t.Parallel()
	held, verified := state{models.StatusInReview, true}, state{Status: models.StatusVerified}
	x := entry{Outcome: models.Applied, CustomerID: new(int64(1)), Before: &held, After: &verified}
	if got := x.row()[5]; got != "in_review, on hold → verified (customer 1)" {
		t.Errorf("got %q", got)
	}
}

// An event without an outcome is shown, and again when it has one. Restarts of the server are no problem.
func TestWatch(t *testing.T) {
	t.Parallel()
	stored := []models.Event{{ID: 1, Status: models.Processed, ReceivedAt: models.At(testTime)}} // the newest first
	rejections := []handlers.Rejection{{ID: 2}, {ID: 1}}
	list := listOf(&stored)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch id := strings.TrimPrefix(r.URL.Path, "/api/events/"); {
		case r.URL.Path == "/api/events":
			list(w, r)
		case r.URL.Path == "/api/rejections":
			_ = json.NewEncoder(w).Encode(map[string]any{"rejections": rejections})
		default:
			i := slices.IndexFunc(stored, func(e models.Event) bool { return strconv.FormatInt(e.ID, 10) == id })
			_ = json.NewEncoder(w).Encode(stored[i])
		}
	})
	w, err := newWatch(t.Context(), admin{base: f.url})
	if err != nil {
		t.Fatal(err)
	}
	w.wait = 5 * pollInterval
	look := func(want string) {
		t.Helper()
		entries, err := w.next(t.Context())
		var got []string
		for _, x := range entries {
			got = append(got, strings.Trim(fmt.Sprintf("%s %d %s", x.Kind, x.EventID, x.Status), " 0"))
		}
		if text := strings.Join(got, ", "); err != nil || text != want {
			t.Errorf("got %q, %v, want %q", text, err, want)
		}
	}
	look("")
	stored = append([]models.Event{{ID: 2, Status: models.Queued, ReceivedAt: models.At(testTime), Deliveries: 1}}, stored...)
	rejections = []handlers.Rejection{{ID: 3}, {ID: 2}, {ID: 1}}
	look("rejection, event 2 queued")
	look("")
	stored[0].Status, stored[0].Deliveries = models.Failed, 2
	look("event 2 failed, repeat 2 failed")
	rejections = rejections[2:] // the server was started again
	look("rejection")
	stored[0].ReceivedAt = models.At(testTime.Add(patience)) // another database
	look("event 2 failed")
	look("")
}

// A developer stops the server beside the command and starts it again.
func TestPollOutlivesServer(t *testing.T) {
	t.Parallel()
	away := apiError{text: "connection refused"}
	answers := []error{nil, away, away, nil, away, nil, errors.New("other")}
	var printed strings.Builder
	err := poll(t.Context(), &printed, time.Microsecond, func(context.Context) error {
		err := answers[0]
		answers = answers[1:]
		return err
	})
	want := strings.Repeat("the server does not answer; waiting for it\nthe server answers again\n", 2)
	if printed.String() != want || err == nil || err.Error() != "other" {
		t.Errorf("printed %q, ended with %v", printed.String(), err)
	}
}

// agent answers as a local ngrok agent does. The tunnels are pairs of a public URL and where it leads.
func agent(t *testing.T, tunnels ...[2]string) Env {
	t.Helper()
	var list []string
	for _, tunnel := range tunnels {
		list = append(list, fmt.Sprintf(`{"public_url":%q,"config":{"addr":%q}}`, tunnel[0], tunnel[1]))
	}
	return Env{ngrokAPI: newFake(t, says(200, `{"tunnels":[`+strings.Join(list, ",")+`]}`)).url}
}

// port is that of the server.
func port() string {
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	return port
}

// The URLs are those of the tunnel that leads to the server, and show a secret only on demand.
func TestListenPrintsURLs(t *testing.T) {
	server(t)
	e := agent(t, [2]string{"https://other.ngrok.app", "http://localhost:1"},
		[2]string{"http://plain.ngrok.app", "localhost:" + port()},
		[2]string{"https://ours.ngrok.app", "http://localhost:" + port()})
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--print-secret"}, {"--json"}} {
		l := launch(t, e, append([]string{"listen", "--ngrok"}, args...)...)
		l.waitFor("listening")
		r := l.end()
		for _, name := range handlers.ProviderNames() {
			secret := c.Secrets[name][0].Value
			if !strings.Contains(r.stdout, "https://ours.ngrok.app/webhooks/"+name) || r.err != nil {
				t.Errorf("%q: no URL of %s in\n%s%v", args, name, r.stdout, r.err)
			}
			want := handlers.TokenInPath(name) && slices.Contains(args, "--print-secret")
			if strings.Contains(r.stdout+r.stderr, secret) != want {
				t.Errorf("%q: the secret of %s is printed: %t, want %t", args, name, !want, want)
			}
		}
	}
}

// ngrokScript puts a shell script named ngrok on the PATH, and nothing else.
func ngrokScript(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ngrok"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// If no agent runs, one is started for the server's port, and stopped with the command.
func TestListenStartsNgrok(t *testing.T) {
	server(t)
	ngrokScript(t, "trap 'echo stopped > state; exit' TERM\necho $* > state\nwhile :; do /bin/sleep 0.01; done\n")
	l := launch(t, Env{ngrokAPI: "http://127.0.0.1:1"}, "listen", "--ngrok")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	started := func() (bool, error) {
		state, _ := os.ReadFile("state")
		return string(state) == "http "+port()+"\n", nil
	}
	if err := until(ctx, started); err != nil {
		t.Fatal("ngrok was not started for the port")
	}
	if r := l.end(); r.err != nil || r.stdout != "" || r.stderr != "" {
		t.Errorf("got %+v, want a quiet end", r)
	}
	if state, err := os.ReadFile("state"); err != nil || string(state) != "stopped\n" {
		t.Errorf("ngrok was not stopped: %q, %v", state, err)
	}
}

// An agent that ends, or is not there, or leads elsewhere, is an error that says what to do and keeps the user's token.
func TestListenNgrokProblems(t *testing.T) {
	server(t)
	gone := Env{ngrokAPI: "http://127.0.0.1:1"}
	try := func(e Env, want string) {
		t.Helper()
		err := runIn(t.Context(), e, &output{}, &output{}, "listen", "--ngrok")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	try(gone, "no ngrok agent is running, and ngrok is not installed: see https://ngrok.com/download")
	ngrokScript(t, "echo 'ERROR:  token canary ERR_NGROK_4018'\nexit 1\n")
	try(gone, "ngrok has ended with ERR_NGROK_4018; run this to see why: ngrok http "+port())
	try(agent(t, [2]string{"https://other.ngrok.app", "http://localhost:1"}),
		"the running ngrok agent forwards to http://localhost:1, but the server listens on port "+port())
	try(agent(t), "the running ngrok agent has no https tunnel")
	try(Env{ngrokAPI: newFake(t, says(404, "x")).url}, "does not answer like an ngrok agent")
	fails(t, run(t, "listen", "--subscribe", "x"), true, "--print-secret and --subscribe need --ngrok")
}
