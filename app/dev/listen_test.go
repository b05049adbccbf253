package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
	l := launch(t, Env{}, "listen")
	l.waitFor("listening to the server at " + a.base + "; Ctrl+C ends it\n")
	for _, step := range []struct {
		want string
		args []string
	}{
		{"customer 1: verified", []string{sample, "--repeat"}},
		{"delivery 2", []string{sample, "--repeat"}},
		{"customer 1: still ver", []string{sample}},
		{"ignored", []string{ignored(t)}},
		{"wrong ", []string{sample, "--bad-signature"}},
		{"unreadable body", []string{providerOf(sample), "--file", "unreadable", "--set-new=a=b"}},
	} {
		if step.want == "unreadable body" {
			if err := os.WriteFile("unreadable", []byte("another"), 0o600); err != nil {
				t.Fatal(err)
			}
			step.args = step.args[:3]
		}
		run(t, append([]string{"trigger"}, step.args...)...)
		l.waitFor(step.want)
	}
	r := l.end()
	if lines := strings.Count(r.stdout, "\n"); r.err != nil || lines != 7 {
		t.Errorf("%v, %d lines, want the titles and six deliveries:\n%s", r.err, lines, r.stdout)
	}
	for line := range strings.Lines(r.stdout) {
		if n := len([]rune(line)); n > 81 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

func TestListenJSON(t *testing.T) {
	server(t)
	sample := verifying(t)
	l := launch(t, Env{}, "listen", "--json")
	l.waitFor("listening")
	succeed(t, "trigger", sample)
	l.waitFor(`"customer_after"`)
	succeed(t, "trigger", sample)
	l.waitFor(`"customer_before"`)
	succeed(t, "trigger", sample, "--bad-signature")
	l.waitFor(`"rejection"`)
	var got []string
	for line := range strings.Lines(l.end().stdout) {
		v := gjson.Parse(line)
		got = append(got, fmt.Sprintf("%s %s: %s > %s", v.Get("kind"), v.Get("provider"), v.Get("customer_before"), v.Get("customer_after")))
	}
	const verified = `{"status":"verified","aml_hold":false}`
	p := providerOf(sample)
	want := []string{"event " + p + ":  > " + verified, "event " + p + ": " + verified + " > " + verified, "rejection " + p + ":  > "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// How a change of a customer reads.
func TestEntries(t *testing.T) {
	t.Parallel()
	ok, review, held := state{models.StatusVerified, false}, state{models.StatusInReview, false}, state{models.StatusInReview, true}
	for _, c := range []struct {
		before, after *state
		want          string
	}{
		{nil, nil, ""},
		{nil, &ok, "customer 1: verified"},
		{nil, &held, "customer 1: in_review, on hold"},
		{&ok, &ok, "customer 1: still verified"},
		{&review, &ok, "customer 1: in_review → verified"},
		{&review, &held, "customer 1: in_review, on hold"},
		{&held, &ok, "customer 1: in_review → verified, hold lifted"},
	} {
		x := entry{Kind: "event", Status: models.Processed, Outcome: models.Applied, CustomerID: new(int64(1)), Before: c.before, After: c.after}
		if status, got := x.detail(); got != c.want || status != "applied" {
			t.Errorf("got %s, %q, want %q", status, got, c.want)
		}
	}
}

// A round finds what waits for its outcome, even if it is no longer among the newest, and gets over a server that starts again
// and a database that is another one.
func TestWatch(t *testing.T) {
	t.Parallel()
	var stored []models.Event // the newest first
	var rejections []handlers.Rejection
	list := listOf(&stored)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch id := strings.TrimPrefix(r.URL.Path, "/api/events/"); {
		case r.URL.Path == "/api/events":
			list(w, r)
		case r.URL.Path == "/api/rejections":
			_ = json.NewEncoder(w).Encode(map[string]any{"rejections": rejections})
		default:
			for _, e := range stored {
				if fmt.Sprint(e.ID) == id {
					_ = json.NewEncoder(w).Encode(e)
					return
				}
			}
			says(404, `{"error":"not found"}`)(w, r)
		}
	})
	event := func(id int64, s models.EventStatus) models.Event {
		return models.Event{ID: id, Status: s, ReceivedAt: models.At(testTime.Add(time.Duration(id) * time.Second)), Deliveries: 1}
	}
	add := func(events ...models.Event) {
		for _, e := range events {
			stored = append([]models.Event{e}, stored...)
		}
	}
	rejected := func(ids ...int64) {
		rejections = nil
		for _, id := range ids {
			rejections = append(rejections, handlers.Rejection{ID: id, Time: models.At(testTime.Add(time.Duration(id)*time.Second + time.Millisecond))})
		}
	}
	add(event(1, models.Processed))
	rejected(2, 1)
	w := newWatch(admin{base: f.url})
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	round := func(want string) {
		t.Helper()
		entries, err := w.round(t.Context())
		var got []string
		for _, x := range entries {
			got = append(got, fmt.Sprintf("%s %d", x.Kind, x.EventID))
		}
		if text := strings.Join(got, ", "); err != nil || text != want {
			t.Errorf("got %q, %v, want %q", text, err, want)
		}
	}
	round("")
	add(event(2, models.Received), event(3, models.Processed))
	rejected(3, 2, 1)
	round("event 3, rejection 0")
	for id := range int64(window) {
		add(event(4+id, models.Queued))
	}
	round("")
	stored[len(stored)-2].Status = models.Failed // number 2, which is no longer among the newest
	stored[0].Status, stored[1].Deliveries = models.Processed, 2
	round("event 2, event 203, repeat 202")
	rejected(1) // the server was started again
	round("rejection 0")
	stored, rejections = []models.Event{{ID: 1, Status: models.Processed, ReceivedAt: models.At(testTime.Add(time.Hour))}}, nil
	round("event 1")
	round("")
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

// agent answers as a local ngrok agent does. Each tunnel is its public URL and where it leads.
func agent(t *testing.T, tunnels ...[2]string) *fake {
	t.Helper()
	list := []any{}
	for _, tunnel := range tunnels {
		list = append(list, map[string]any{"public_url": tunnel[0], "config": map[string]any{"addr": tunnel[1]}})
	}
	text, err := json.Marshal(map[string]any{"tunnels": list})
	if err != nil {
		t.Fatal(err)
	}
	return newFake(t, says(200, string(text)))
}

// port is that of the server.
func port() string {
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	return port
}

// The URLs are those of the tunnel that leads to the server, and show a secret only on demand.
func TestListenPrintsURLs(t *testing.T) {
	server(t)
	e := Env{ngrokAPI: agent(t, [2]string{"https://other.ngrok.app", "http://localhost:1"}, [2]string{"http://plain.ngrok.app", "localhost:" + port()},
		[2]string{"https://ours.ngrok.app", "http://localhost:" + port()}).url}
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
			if want := handlers.TokenInPath(name) && len(args) > 0 && args[0] == "--print-secret"; strings.Contains(r.stdout+r.stderr, secret) != want {
				t.Errorf("%q: the secret of %s is printed: %t, want %t", args, name, !want, want)
			}
		}
	}
}

// ngrokScript puts a shell script named ngrok on the PATH, and nothing else.
func ngrokScript(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "ngrok"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// If no agent runs, one is started for the server's port, and stopped with the command.
func TestListenStartsNgrok(t *testing.T) {
	server(t)
	called := filepath.Join(t.TempDir(), "called")
	ngrokScript(t, `echo "$$ $*" > `+called+".new\n/bin/mv "+called+".new "+called+"\nexec /bin/sleep 600\n")
	l := launch(t, Env{ngrokAPI: "http://127.0.0.1:1"}, "listen", "--ngrok")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var text []byte
	if err := until(ctx, func() (bool, error) {
		var err error
		text, err = os.ReadFile(called)
		return err == nil, nil
	}); err != nil {
		t.Fatal("ngrok was not started")
	}
	id, args, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if args != "http "+port() {
		t.Errorf("called with %q, want http %s", args, port())
	}
	pid, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	if r := l.end(); r.err != nil || r.stdout != "" || r.stderr != "" {
		t.Errorf("got %+v, want a quiet end", r)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("ngrok runs on, %v", err)
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
	ngrokScript(t, "")
	try(gone, "no ngrok agent is running, and ngrok is not installed: see https://ngrok.com/download")
	ngrokScript(t, "echo 'ERROR:  token canary ERR_NGROK_4018'\nexit 1\n")
	try(gone, "ngrok has ended with ERR_NGROK_4018; this shows why: ngrok http "+port())
	try(Env{ngrokAPI: agent(t, [2]string{"https://other.ngrok.app", "http://localhost:1"}).url},
		"the running ngrok agent forwards to http://localhost:1, but the server listens on port "+port())
	try(Env{ngrokAPI: agent(t).url}, "the running ngrok agent has no https tunnel")
	try(Env{ngrokAPI: newFake(t, says(404, "x")).url}, "does not answer as an ngrok agent does: 404 Not Found")
	fails(t, run(t, "listen", "--subscribe", "x"), true, "--print-secret and --subscribe need --ngrok")
}
