package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// testdata is the folder of the samples. It is made absolute before a test changes the current folder.
var testdata = func() string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		panic(err)
	}
	return dir
}()

func samples() fs.FS { return os.DirFS(testdata) }

// secretFile writes a secret into a file, for --secret-file.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// result is what a command printed, and its error.
type result struct {
	stdout, stderr string
	err            error
}

// usage reports whether the command line was wrong.
func (r result) usage() bool { _, is := errors.AsType[app.UsageError](r.err); return is }

// runIn runs a command until it ends or ctx does.
func runIn(ctx context.Context, e Env, stdout, stderr io.Writer, args ...string) error {
	root := &cobra.Command{SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands(e)...)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// run runs a command.
func run(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := runIn(t.Context(), Env{Samples: samples()}, &stdout, &stderr, args...)
	return result{stdout.String(), stderr.String(), err}
}

// succeed runs a command that must not fail, and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := run(t, args...)
	if r.err != nil {
		t.Fatalf("%q: %v, printed %q", args, r.err, r.stdout)
	}
	return r.stdout
}

// fails runs a command that must fail with an error that contains each of the texts.
func fails(t *testing.T, r result, usage bool, texts ...string) {
	t.Helper()
	if r.err == nil || r.usage() != usage {
		t.Errorf("error %v, usage error %t, want %t", r.err, r.usage(), usage)
		return
	}
	for _, text := range texts {
		if !strings.Contains(r.err.Error(), text) {
			t.Errorf("error %q does not contain %q", r.err, text)
		}
	}
}

// apiDouble is the URL of a double of the providers' APIs.
var apiDouble = sync.OnceValue(func() string { return httptest.NewServer(testservers.API(samples())).URL })

// isolate makes an empty folder the current one, and clears the environment but for addresses at which nothing listens.
func isolate(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, variable := range os.Environ() {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "PATH", "HOME", "TMPDIR", "USER", "REQUIRE_SERVERS", "TEST_SERVERS", "TEST_DATABASE_URL", "TEST_REDIS_URL", "GOCACHE":
		default:
			t.Setenv(name, "")
		}
	}
	t.Setenv("ADDR", testservers.FreeAddress(t)) // a server may be running at the default addresses
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
}

// server runs the whole program in this process until the test ends. The environment names it, so that commands find it.
func server(t *testing.T) admin {
	t.Helper()
	isolate(t)
	return serve(t, "sqlite:"+filepath.Join(t.TempDir(), "db"))
}

// serve is server with the environment and the folder as they are.
func serve(t *testing.T, database string) admin {
	t.Helper()
	t.Setenv("ADDR", "127.0.0.1:0")
	t.Setenv("ADMIN_ADDR", "127.0.0.1:0")
	t.Setenv("DATABASE_URL", database)
	for provider, api := range jobs.NewRegistry().APIs() {
		t.Setenv(strings.ToUpper(provider)+"_API_URL", apiDouble()+"/"+provider)
		for _, credential := range api.Credentials {
			t.Setenv(credential, "token-of-the-double")
		}
	}
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	c = start(t, c)
	t.Setenv("ADDR", c.Addr)
	t.Setenv("ADMIN_ADDR", c.AdminAddr)
	return newAdmin(c)
}

// start runs the whole program until the test ends, and returns the configuration with the addresses it listens on.
func start(t *testing.T, c app.Config) app.Config {
	t.Helper()
	a, err := app.New(t.Context(), c, samples(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // t's own ends before the answers are read
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		client.CloseIdleConnections() // a shutdown waits for them
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	c.Addr, c.AdminAddr = a.Addr(), a.AdminAddr()
	return c
}

// live is a command that runs until it is stopped.
type live struct {
	t              *testing.T
	stdout, stderr output
	stop           context.CancelFunc
	done           chan error
}

// launch runs a command beside the test.
func launch(t *testing.T, e Env, args ...string) *live {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &live{t: t, stop: cancel, done: make(chan error, 1)}
	e.Samples = samples()
	go func() { l.done <- runIn(ctx, e, &l.stdout, &l.stderr, args...) }()
	t.Cleanup(cancel)
	return l
}

// output is a text that is read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor waits until the command has printed a text.
func (l *live) waitFor(text string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	err := until(ctx, func() (bool, error) { return strings.Contains(l.stdout.String()+l.stderr.String(), text), nil })
	if err != nil {
		l.t.Fatalf("it did not print %q but:\n%s%s", text, &l.stdout, &l.stderr)
	}
}

// end stops the command as Ctrl+C does.
func (l *live) end() result {
	l.t.Helper()
	l.stop()
	select {
	case err := <-l.done:
		return result{l.stdout.String(), l.stderr.String(), err}
	case <-time.After(patience):
		l.t.Fatal("the command goes on")
		return result{}
	}
}

// sample is a sample of testdata, and what our code reads in it.
type sample struct {
	name       string
	envelope   handlers.Envelope
	facts      models.Facts
	unreadable error // of reading the envelope
}

// allSamples returns every sample, whatever providers there are.
func allSamples(t *testing.T) (list []sample) {
	t.Helper()
	names, err := sampleNames(samples())
	if err != nil {
		t.Fatal(err)
	}
	registry := jobs.NewRegistry()
	for _, name := range names {
		p, err := withSecret(providerOf(name), "")
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := findSample(samples(), name)
		if err != nil {
			t.Fatal(err)
		}
		e, unreadable := p.Envelope(body)
		facts, _ := registry.Translate(models.Event{Provider: providerOf(name), Generation: e.Generation, Type: e.Type, Body: body})
		list = append(list, sample{name, e, facts, unreadable})
	}
	return list
}

// sampleWhere returns the name of the first sample that matches.
func sampleWhere(t *testing.T, match func(sample) bool) string {
	t.Helper()
	all := allSamples(t)
	i := slices.IndexFunc(all, match)
	if i < 0 {
		t.Skip("there is no such sample")
	}
	return all[i].name
}

// onePerProvider returns a sample of each provider.
func onePerProvider(t *testing.T) (names []string) {
	t.Helper()
	for _, s := range allSamples(t) {
		if len(names) == 0 || providerOf(names[len(names)-1]) != providerOf(s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// verifying is a sample that verifies a person.
func verifying(t *testing.T) string {
	t.Helper()
	isVerified := func(d models.Decision) bool { return d.Status == models.StatusVerified }
	return sampleWhere(t, func(s sample) bool {
		isPlain := !s.envelope.Sandbox && !s.facts.Sandbox && !s.envelope.Derived
		return isPlain && s.facts.SubjectID != "" && slices.ContainsFunc(s.facts.Decisions, isVerified)
	})
}

// ignored is a sample that means nothing for a customer.
func ignored(t *testing.T) string {
	t.Helper()
	return sampleWhere(t, func(s sample) bool { return s.unreadable == nil && !s.envelope.Derived && s.facts.Ignored != "" })
}

// contradictory is a sample that is quarantined, since it says two things at once.
func contradictory(t *testing.T) string {
	t.Helper()
	return sampleWhere(t, func(s sample) bool { return errors.Is(s.unreadable, handlers.ErrContradictory) })
}

func providerOf(sample string) string {
	provider, _, _ := strings.Cut(sample, "/")
	return provider
}

// unreadableFile writes a body that is not JSON and returns the file's name.
func unreadableFile(t *testing.T) string {
	t.Helper()
	if err := os.WriteFile("unreadable", []byte("canary\x1b[31m"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "unreadable"
}

// events asks for the events that a query selects, newest first.
func events(t *testing.T, a admin, query string) []models.Event {
	t.Helper()
	list, err := get[struct{ Events []models.Event }](t.Context(), a, "/api/events?"+query)
	if err != nil {
		t.Fatal(err)
	}
	return list.Events
}

// ids are those of the JSON lines that a list printed.
func ids(t *testing.T, printed string) (list []int64) {
	t.Helper()
	for line := range strings.Lines(printed) {
		if !gjson.Valid(line) {
			t.Fatalf("not JSON: %s", line)
		}
		list = append(list, gjson.Get(line, "id").Int())
	}
	return list
}

// fake answers as a server would, and keeps what it was sent.
type fake struct {
	url    string
	mu     sync.Mutex
	bodies [][]byte
	last   *http.Request
}

// newFake starts a server that gives one answer.
func newFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		f.mu.Lock()
		f.bodies, f.last = append(f.bodies, body), r
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

// says is an answer with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// received is how many requests came, and the last of them.
func (f *fake) received() (n int, last *http.Request, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n = len(f.bodies); n > 0 {
		body = f.bodies[n-1]
	}
	return n, f.last, body
}

// testTime is some time.
var testTime = time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC)

// listOf answers with pages of events as the admin API does.
func listOf(stored *[]models.Event) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from, _ := strconv.Atoi(q.Get("cursor"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		to := min(from+limit, len(*stored))
		next := ""
		if to < len(*stored) {
			next = strconv.Itoa(to)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"events": (*stored)[from:to], "next_cursor": next})
	}
}
