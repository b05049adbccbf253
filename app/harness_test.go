package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// backend is a database and a queue to run on.
type backend struct{ databaseURL, redisURL string }

// onBothBackends runs a test on SQLite with the embedded queue, and on Postgres with Redis.
func onBothBackends(t *testing.T, test func(t *testing.T, b backend)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sqlite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, backend{testservers.DatabaseURL(t), testservers.RedisURL(t)})
	})
}

func sqlite(t *testing.T) backend {
	return backend{"sqlite:" + filepath.Join(t.TempDir(), "webhooks.db"), ""}
}

// secret is every provider's in tests.
const secret = "whsec_test_9f3b61c07ad2"

// running is an app that runs in this process.
type running struct {
	t         testing.TB
	app       *app.App // nil for a program that runs as a process of its own
	addr      string
	adminAddr string
	providers map[string]handlers.Provider
	log       *buffer
	stop      func() error // shuts down and waits; a second call does nothing
	patient   bool         // with the admin API: a connection that died with its server costs a call
}

// start runs an app on b until the test ends. Further settings have the form NAME=value.
func start(t testing.TB, b backend, settings ...string) *running {
	t.Helper()
	r, err := tryStart(t, b, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryStart(t testing.TB, b backend, settings ...string) (*running, error) {
	t.Helper()
	environ := append([]string{
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATABASE_URL=" + b.databaseURL, "REDIS_URL=" + b.redisURL,
		"TRUSTIST_WEBHOOK_SECRET=" + secret, "TRUSTGATE_WEBHOOK_SECRET=" + secret,
		"TRST_WEBHOOK_SECRET=" + secret, "LEGALTALENT_WEBHOOK_SECRET=" + secret,
	}, settings...)
	c, err := app.ReadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, log: &buffer{}}
	if r.providers, err = c.Providers(); err != nil {
		t.Fatal(err)
	}
	if r.app, err = app.New(context.Background(), c, os.DirFS(filepath.Join("..", "testdata")), slog.New(slog.NewTextHandler(r.log, nil))); err != nil {
		return nil, err
	}
	r.addr, r.adminAddr = r.app.Addr(), r.app.AdminAddr()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.app.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log := r.log.String()
			t.Logf("end of the log of the app:\n%s", log[max(0, len(log)-20_000):])
		}
	})
	return r, nil
}

// buffer is a log that may be written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// sample reads a file below testdata and sets members of it, given as path and value in turn.
func sample(t testing.TB, name string, set ...any) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(set); i += 2 {
		if body, err = sjson.SetBytes(body, set[i].(string), set[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return body
}

// reviewed is a TrustGate verdict on a person, with an ID of its own.
func reviewed(t testing.TB, applicant, status string, at time.Time) []byte {
	t.Helper()
	return sample(t, "trustgate/applicant.reviewed", "event_id", uuid.NewString(), "timestamp", at.UTC().Format(time.RFC3339),
		"data.applicant_id", applicant, "data.status", status, "data.review_decision", "manual_"+status)
}

// send delivers a body as the provider would, and returns the status and the answer.
func (r *running) send(provider string, body []byte) (int, string) {
	r.t.Helper()
	status, answer, err := r.trySend(provider, body, func(http.Header) {})
	if err != nil {
		r.t.Fatal(err)
	}
	return status, answer
}

// trySend is send for goroutines, and for requests that are spoiled first.
func (r *running) trySend(provider string, body []byte, spoil func(http.Header)) (int, string, error) {
	signed := r.providers[provider].Sign(body, time.Now())
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost,
		"http://"+r.addr+"/webhooks/"+signed.Path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header = signed.Header
	spoil(req.Header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// accept sends a body that must be a new event.
func (r *running) accept(provider string, body []byte) {
	r.t.Helper()
	if status, answer := r.send(provider, body); status != http.StatusOK || answer != `{"status":"accepted"}` {
		r.t.Fatalf("%s answered %d %s, want 200 accepted", provider, status, answer)
	}
}

// get reads an admin call into answer.
func (r *running) get(path string, answer any) {
	r.t.Helper()
	r.call(http.MethodGet, path, http.StatusOK, answer)
}

func (r *running) call(method, path string, want int, answer any) {
	r.t.Helper()
	status, body := r.ask(method, path)
	for range 20 { // no more connections than that
		if !r.patient || status != http.StatusServiceUnavailable {
			break
		}
		status, body = r.ask(method, path)
	}
	if status != want {
		r.t.Fatalf("%s %s: %d %s, want %d", method, path, status, body, want)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// ask makes an admin call and returns the answer.
func (r *running) ask(method, path string) (status int, body []byte) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+r.adminAddr+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, body
}

func (r *running) events(query string) []models.Event {
	r.t.Helper()
	var list struct{ Events []models.Event }
	r.get("/api/events?limit=500&"+query, &list)
	return list.Events
}

func (r *running) customers(query string) []models.Customer {
	r.t.Helper()
	var list struct{ Customers []models.Customer }
	r.get("/api/customers?limit=500&"+query, &list)
	return list.Customers
}

// customer returns the only customer of that subject.
func (r *running) customer(subject string) models.Customer {
	r.t.Helper()
	list := r.customers("subject_id=" + subject)
	if len(list) != 1 {
		r.t.Fatalf("subject %s has %d customers, want 1", subject, len(list))
	}
	return list[0]
}

// settle waits until no event is on its way.
func (r *running) settle() {
	r.t.Helper()
	r.eventually("all events are processed", func() bool {
		return len(r.events("status=received"))+len(r.events("status=queued")) == 0
	})
}

// eventually waits for a condition, a minute at most: long enough for a machine that is busy with other tests.
func (r *running) eventually(what string, condition func() bool) {
	r.t.Helper()
	r.within(time.Minute, what, condition)
}

// within is eventually for what takes longer.
func (r *running) within(limit time.Duration, what string, condition func() bool) {
	r.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("after %s it is still not true that %s", limit, what)
		}
	}
}

// applied fails the test unless every event of the provider with these IDs was applied exactly once.
func (r *running) applied(ids []string) {
	r.t.Helper()
	for _, id := range ids {
		list := r.events("provider=trustgate&external_id=" + id)
		if len(list) != 1 || list[0].Status != models.Processed || list[0].Outcome != models.Applied {
			r.t.Fatalf("event %s: %s, want it applied once", id, fmt.Sprint(list))
		}
	}
}
