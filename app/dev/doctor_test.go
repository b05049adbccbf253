package dev

import (
	"context"
	"database/sql"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
)

// diagnosed runs doctor, and returns its findings by check, the results in front.
func diagnosed(t *testing.T) (found map[string]string, failed bool) {
	t.Helper()
	r := run(t, "doctor", "--json")
	found = map[string]string{}
	for line := range strings.Lines(r.stdout) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		if f.Result != resultOK && f.Fix == "" && f.Check != "configuration" {
			t.Errorf("%+v does not say what to do", f)
		}
		found[f.Check] += f.Result + ": " + f.Message + "\n"
	}
	return found, r.err != nil
}

// expect checks that the findings of a check contain a text.
func expect(t *testing.T, found map[string]string, check, text string) {
	t.Helper()
	if !strings.Contains(found[check], text) {
		t.Errorf("%s: got %q, want %q", check, found[check], text)
	}
}

// TestDoctorWithoutServer: in an empty folder all is well, and nothing stays but the development secrets.
func TestDoctorWithoutServer(t *testing.T) {
	isolate(t)
	t.Setenv("ADDR", testservers.FreeAddress(t))
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	found, failed := diagnosed(t)
	if failed {
		t.Errorf("it failed: %v", found)
	}
	for check, text := range map[string]string{
		"configuration": "ok: APP_ENV development, ROLE all, secrets for " + strings.Join(handlers.ProviderNames(), ", "), "files": "ok: ", "disk": "ok: ",
		"database": "ok: data/webhooks.db is made at the first start", "queue": "ok: embedded", "ADDR": "is free", "ADMIN_ADDR": "is free",
	} {
		expect(t, found, check, text)
	}
	if _, err := os.Stat("data/webhooks.db"); err == nil {
		t.Error("a database was made")
	}
	for line := range strings.Lines(succeed(t, "doctor")) {
		if len([]rune(line)) > 81 && !strings.Contains(line, t.TempDir()) {
			t.Errorf("a line is longer than 80 characters: %s", line)
		}
	}
}

// TestDoctorConfiguration: all problems at once, and what is only odd.
func TestDoctorConfiguration(t *testing.T) {
	isolate(t)
	name := strings.ToUpper(handlers.ProviderNames()[0])
	t.Setenv("ADDR", testservers.FreeAddress(t))
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	t.Setenv(name+"_WEBHOOK_SECRET", "short")
	t.Setenv(name+"_WEBHOOK_SECRT", "whsec_0123456789abcdef")
	t.Setenv("PUBLIC_URL", "http://localhost:8080")
	writeFile(t, ".env", "LOG_LEVEL=warn\n")
	if err := os.Chmod(".env", 0o644); err != nil {
		t.Fatal(err)
	}
	found, failed := diagnosed(t)
	if failed {
		t.Errorf("warnings made it fail: %v", found)
	}
	expect(t, found, "configuration", "warning: "+name+"_WEBHOOK_SECRET is shorter than 16 bytes")
	expect(t, found, "configuration", "warning: "+name+"_WEBHOOK_SECRT is not read: did you mean")
	expect(t, found, "PUBLIC_URL", "warning: providers send to https only")
	expect(t, found, "files", "warning: .env has mode 0644: others can read it")

	t.Setenv("APP_ENV", "production")
	t.Setenv("LOG_FORMAT", "xml")
	t.Setenv("PUBLIC_URL", "nowhere")
	found, failed = diagnosed(t)
	if !failed {
		t.Error("errors did not make it fail")
	}
	expect(t, found, "configuration", "error: "+name+"_WEBHOOK_SECRET is shorter than 16 bytes")
	expect(t, found, "configuration", `error: LOG_FORMAT is "xml"`)
	expect(t, found, "configuration", "error: PUBLIC_URL")
	expect(t, found, "database", "ok: ")
}

// TestDoctorWithServer: what waits or failed in a running server.
func TestDoctorWithServer(t *testing.T) {
	server(t)
	found, failed := diagnosed(t)
	if failed {
		t.Errorf("it failed: %v", found)
	}
	expect(t, found, "ADDR", "answers and can store deliveries")
	expect(t, found, "ADMIN_ADDR", "the admin API answers")
	expect(t, found, "database", "ok: SQLite file")
	expect(t, found, "migrations", "ok: all are applied")

	stats := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer := `{"events":{"failed":2,"quarantined":1},"follow_ups":{"failed":3},"oldest_waiting_seconds":300.5,
			"subscriptions":[{"provider":"acme","id":"w1","problem":"it is not active","mend":"go run . fix"}]}`
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(stats.Close)
	t.Setenv("ADMIN_ADDR", strings.TrimPrefix(stats.URL, "http://"))
	found, failed = diagnosed(t)
	if failed {
		t.Errorf("warnings made it fail: %v", found)
	}
	expect(t, found, "events", "warning: one has been waiting for 5m0s\nwarning: failed: 2\nwarning: quarantined: 1\n")
	expect(t, found, "follow-ups", "warning: failed: 3")
	expect(t, found, "subscriptions", "warning: acme w1: it is not active")
}

// TestDoctorTakenPorts: other programs answer where the server should.
func TestDoctorTakenPorts(t *testing.T) {
	isolate(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	t.Setenv("ADDR", strings.TrimPrefix(other.URL, "http://"))
	t.Setenv("ADMIN_ADDR", strings.TrimPrefix(other.URL, "http://"))
	found, failed := diagnosed(t)
	if !failed {
		t.Error("it did not fail")
	}
	expect(t, found, "ADDR", "error: no server of ours answers on 127.0.0.1:")
	expect(t, found, "ADMIN_ADDR", "error: call the admin API: ")
}

// TestDoctorSQLite: files that are no database, or cannot be written.
func TestDoctorSQLite(t *testing.T) {
	isolate(t)
	t.Setenv("ADDR", testservers.FreeAddress(t))
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	t.Setenv("DATABASE_URL", "sqlite:db")
	writeFile(t, "db", strings.Repeat("this is not a database", 1000))
	found, failed := diagnosed(t)
	if !failed {
		t.Error("it did not fail")
	}
	expect(t, found, "database", "error: db: file is not a database")
	t.Setenv("DATABASE_URL", "sqlite:db/below")
	found, _ = diagnosed(t)
	expect(t, found, "disk", "error: ")
}

// TestDoctorPostgres: a database without tables, one that is read-only, one behind PgBouncer, and none.
func TestDoctorPostgres(t *testing.T) {
	isolate(t)
	pg := testservers.NewPostgres(t)
	t.Setenv("ADDR", testservers.FreeAddress(t))
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	t.Setenv("DATABASE_URL", pg.URL())
	found, failed := diagnosed(t)
	if failed || strings.Contains(found["database"], "warning") {
		t.Errorf("it failed: %v", found)
	}
	expect(t, found, "database", "ok: Postgres at ")
	expect(t, found, "migrations", "warning: pending: ")
	expect(t, found, "clock", "ok: the database's clock is ")

	pooled := testservers.NewPgBouncer(t, pg)
	t.Setenv("DATABASE_URL", pooled)
	found, _ = diagnosed(t)
	expect(t, found, "database", "warning: there is a pooler such as PgBouncer")
	u, err := url.Parse(pooled)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("default_query_exec_mode", "exec")
	u.RawQuery = q.Encode()
	t.Setenv("DATABASE_URL", u.String())
	if found, _ = diagnosed(t); strings.Contains(found["database"], "warning") {
		t.Errorf("with the remedy: %v", found)
	}

	t.Setenv("DATABASE_URL", pg.URL())
	db, err := sql.Open("pgx", pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the server ends with the test
	if _, err := db.ExecContext(t.Context(), "ALTER SYSTEM SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := until(ctx, func() (bool, error) {
		found, failed = diagnosed(t)
		return strings.Contains(found["database"], "is read-only: nothing can be stored") && failed, nil
	}); err != nil {
		t.Errorf("a read-only database: %v", found)
	}

	t.Setenv("DATABASE_URL", "postgres://app:CANARY%25pw@"+testservers.FreeAddress(t)+"/app")
	found, failed = diagnosed(t)
	if !failed || strings.Contains(found["database"], "CANARY") {
		t.Errorf("no database: %v", found)
	}
	expect(t, found, "database", "error: Postgres: ")
}

// TestDoctorRedis: a user without INFO is enough, one that may not write is not.
func TestDoctorRedis(t *testing.T) {
	isolate(t)
	r := testservers.NewRedis(t)
	t.Setenv("ADDR", testservers.FreeAddress(t))
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	t.Setenv("REDIS_URL", r.URL())
	found, failed := diagnosed(t)
	if failed {
		t.Errorf("it failed: %v", found)
	}
	expect(t, found, "queue", "ok: Redis ")

	admin, err := openRedis(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close() //nolint:errcheck // the server ends with the test
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) {
		t.Helper()
		u, err := url.Parse(r.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, "pw")
		t.Setenv("REDIS_URL", u.String())
		found, failed = diagnosed(t)
	}
	do("ACL", "SETUSER", "uninformed", "on", ">pw", "~asynq:*", "&asynq:*", "+@all", "-@dangerous")
	if as("uninformed"); failed {
		t.Errorf("a user without INFO made it fail: %v", found)
	}
	expect(t, found, "queue", "warning: Redis works, but its version and memory policy cannot be read")
	do("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read", "+@connection")
	as("reader")
	expect(t, found, "queue", "error: Redis answers, but cannot write: NOPERM")
	do("ACL", "SETUSER", "unscripted", "on", ">pw", "~*", "&*", "+@all", "-@scripting")
	as("unscripted")
	expect(t, found, "queue", "error: Redis answers, but cannot run scripts")
	do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	t.Setenv("REDIS_URL", r.URL())
	found, failed = diagnosed(t)
	if failed {
		t.Errorf("a warning made it fail: %v", found)
	}
	expect(t, found, "queue", "warning: Redis drops tasks when its memory is full")
	t.Setenv("REDIS_URL", "redis://"+testservers.FreeAddress(t))
	if found, failed = diagnosed(t); !failed {
		t.Errorf("no Redis did not make it fail: %v", found)
	}
	expect(t, found, "queue", "error: Redis: ")
}
