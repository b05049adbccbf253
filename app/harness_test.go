package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // a connection beside the app's
	_ "github.com/mattn/go-sqlite3"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) {
	// Most tests wait rather than compute. A flag of the command line counts all the same.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	code := testservers.Main(m)
	if err := os.RemoveAll(buildDir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// now is the provider's time in these tests.
var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// at is n hours later, in the form that most providers use.
func at(n int) string { return now.Add(time.Duration(n) * time.Hour).Format(time.RFC3339) }

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

func sqlite(t testing.TB) backend {
	return backend{"sqlite:" + filepath.Join(t.TempDir(), "webhooks.db"), ""}
}

// open connects to the database beside the app. Such a connection sees only what is committed.
func (b backend) open(t testing.TB) *sql.DB {
	t.Helper()
	driver, source := "pgx", b.databaseURL
	if path, isSQLite := strings.CutPrefix(b.databaseURL, "sqlite:"); isSQLite {
		driver, source = "sqlite3", "file:"+path+"?mode=ro"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func (b backend) count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	db := b.open(t)
	if err := db.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// secret is every provider's in tests.
const secret = "whsec_aWRlbnRpdHktd2ViaG9va3MtdGVzdHMh"

// providers returns all providers, with that secret.
func providers(t testing.TB) map[string]handlers.Provider {
	t.Helper()
	all := map[string]handlers.Provider{}
	for _, name := range handlers.ProviderNames() {
		p, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: secret}}})
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

// environment configures a program on b with all providers. Further settings have the form NAME=value.
func environment(b backend, settings ...string) []string {
	environ := []string{
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATABASE_URL=" + b.databaseURL, "REDIS_URL=" + b.redisURL, "PATH=" + os.Getenv("PATH"),
	}
	for _, name := range handlers.ProviderNames() {
		environ = append(environ, app.SecretName(name)+"="+secret)
	}
	for provider, api := range jobs.NewRegistry().APIs() {
		environ = append(environ, strings.ToUpper(provider)+"_API_URL="+apiDouble()+"/"+provider)
		for _, credential := range api.Credentials {
			environ = append(environ, credential+"="+secret)
		}
	}
	return append(environ, settings...)
}

// apiDouble is the URL of a double of the providers' APIs.
var apiDouble = sync.OnceValue(func() string {
	return httptest.NewServer(testservers.API(os.DirFS(filepath.Join("..", "testdata")))).URL
})

// running is an app that runs, in this process or in one of its own.
type running struct {
	t               testing.TB
	addr, adminAddr string
	providers       map[string]handlers.Provider
	log             *buffer
	stop            func() error // shuts down and waits; a second call does nothing
	password        string       // of the admin API; empty means none
	patient         bool         // with the admin API: a connection that died with its server costs a call
}

// start runs an app in this process until the test ends.
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
	c, err := app.ReadConfig(environment(b, settings...))
	if err != nil {
		return nil, err
	}
	r := &running{t: t, log: &buffer{}, providers: providers(t), password: c.AdminPassword}
	a, err := app.New(context.Background(), c, os.DirFS(filepath.Join("..", "testdata")), slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: c.LogLevel})))
	if err != nil {
		return nil, err
	}
	r.addr, r.adminAddr = a.Addr(), a.AdminAddr()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
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
			t.Logf("end of the app's log:\n%s", log[max(0, len(log)-8000):])
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

// send delivers a body as the provider would, and returns the status and the answer.
func (r *running) send(provider string, body []byte) (int, string) {
	r.t.Helper()
	status, answer, err := r.trySend(provider, body, func(http.Header) {})
	if err != nil {
		r.t.Fatal(err)
	}
	return status, answer
}

// trySend is send for goroutines, and for requests whose header is changed first.
func (r *running) trySend(provider string, body []byte, change func(http.Header)) (int, string, error) {
	signed := r.providers[provider].Sign(body, time.Now())
	change(signed.Header)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return request(ctx, http.MethodPost, "http://"+r.addr+"/webhooks/"+signed.Path, signed.Header, signed.Body)
}

func request(ctx context.Context, method, url string, header http.Header, body []byte) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

const (
	accepted  = `{"status":"accepted"}`
	duplicate = `{"status":"duplicate"}`
)

// accept sends a body that must be a new event.
func (r *running) accept(provider string, body []byte) {
	r.t.Helper()
	if status, answer := r.send(provider, body); status != http.StatusOK || answer != accepted {
		r.t.Fatalf("%s answered %d %s, want 200 accepted", provider, status, answer)
	}
}

// ready returns the status of /readyz.
func (r *running) ready() int {
	r.t.Helper()
	status, _, err := request(context.Background(), http.MethodGet, "http://"+r.addr+"/readyz", nil, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return status
}

// get reads an admin call into answer.
func (r *running) get(path string, answer any) {
	r.t.Helper()
	r.call(http.MethodGet, path, http.StatusOK, answer)
}

func (r *running) call(method, path string, want int, answer any) {
	r.t.Helper()
	status, body := 0, ""
	for range 20 { // no more connections than that
		var err error
		if status, body, err = request(context.Background(), method, "http://admin:"+r.password+"@"+r.adminAddr+path, nil, nil); err != nil {
			r.t.Fatal(err)
		}
		if !r.patient || status != http.StatusServiceUnavailable {
			break
		}
	}
	if status != want {
		r.t.Fatalf("%s %s: %d %s, want %d", method, path, status, body, want)
	}
	if err := json.Unmarshal([]byte(body), answer); err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
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

// stats returns how many events there are of each status.
func (r *running) stats() map[models.EventStatus]int {
	r.t.Helper()
	var stats struct{ Events map[models.EventStatus]int }
	r.get("/api/stats", &stats)
	return stats.Events
}

// settle waits until no event is in work.
func (r *running) settle() {
	r.t.Helper()
	r.eventually("all events are processed", func() bool {
		s := r.stats()
		return s[models.Received]+s[models.Queued] == 0
	})
}

// eventually waits for a condition for up to a minute: long enough for a machine that is busy with other tests.
func (r *running) eventually(what string, condition func() bool) {
	r.t.Helper()
	within(r.t, time.Minute, what, condition)
}

func within(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(limit)
	for wait := 5 * time.Millisecond; !condition(); wait = min(wait*5/4, 200*time.Millisecond) { // rarer by and by: asking costs the others time
		select {
		case <-time.After(wait):
		case <-deadline:
			t.Fatalf("after %s it is still not true that %s", limit, what)
		}
	}
}
