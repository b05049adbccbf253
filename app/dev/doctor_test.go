package dev

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// The exit codes of doctor.
const (
	healthy = iota
	broken
	misconfigured
)

// diagnosed runs doctor and checks its exit code. It returns the findings by check, the results in front.
func diagnosed(t *testing.T, exit int) map[string]string {
	t.Helper()
	r, found := run(t, "doctor", "--json"), map[string]string{}
	for line := range strings.Lines(r.stdout) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		if (f.Result == "ok") != (f.Fix == "") {
			t.Errorf("%+v: an error or a warning must say what to do", f)
		}
		found[f.Check] += f.Result + ": " + f.Message + "\n"
	}
	if (r.err != nil) != (exit != healthy) || r.usage() != (exit == misconfigured) {
		t.Errorf("error %v, want exit code %d: %v", r.err, exit, found)
	}
	return found
}

// expect checks that the findings of a check contain a text.
func expect(t *testing.T, found map[string]string, check, text string) {
	t.Helper()
	if !strings.Contains(found[check], text) {
		t.Errorf("%s: got %q, want %q", check, found[check], text)
	}
}

// In an empty folder all is well, and nothing is created but the development secrets.
func TestDoctorWithoutServer(t *testing.T) {
	isolate(t)
	found := diagnosed(t, healthy)
	for check, text := range map[string]string{
		"configuration": "ok: APP_ENV development, ROLE all, secrets for " + strings.Join(handlers.ProviderNames(), ", "),
		"files":         "ok: ", "database": "ok: data/webhooks.db will be created", "queue": "ok: embedded", "ADDR": "is free", "ADMIN_ADDR": "is free",
	} {
		expect(t, found, check, text)
	}
	if files, err := os.ReadDir("data"); err != nil || len(files) != 1 {
		t.Errorf("it created %v, %v", files, err)
	}
	narrow(t, succeed(t, "doctor"))
	name := handlers.ProviderNames()[0]
	t.Setenv(app.SandboxSecretName(name), app.RandomSecret())
	expect(t, diagnosed(t, healthy), "configuration", "secrets for "+name+" (sandbox only)")
}

// All problems of the configuration are found at once.
func TestDoctorConfiguration(t *testing.T) {
	isolate(t)
	name := strings.ToUpper(handlers.ProviderNames()[0]) + "_WEBHOOK_SECRET"
	t.Setenv(name, "short")
	t.Setenv(strings.Replace(name, "SECRET", "SECRT", 1), "whsec_0123456789abcdef")
	t.Setenv("PUBLIC_URL", "http://localhost:8080")
	found := diagnosed(t, healthy)
	expect(t, found, "configuration", "warning: "+name+" is shorter than 16 bytes")
	expect(t, found, "configuration", "SECRT is not read: did you mean")
	expect(t, found, "PUBLIC_URL", "warning: providers send to https only")

	t.Setenv("APP_ENV", "production")
	t.Setenv("LOG_FORMAT", "xml")
	t.Setenv("PUBLIC_URL", "nowhere")
	found = diagnosed(t, misconfigured)
	expect(t, found, "configuration", "error: "+name+" is shorter than 16 bytes")
	expect(t, found, "configuration", `error: LOG_FORMAT is "xml"`)
	expect(t, found, "configuration", "error: PUBLIC_URL")
	expect(t, found, "database", "ok: ")
}

// A .env that others can read is a problem once it contains a secret.
func TestDoctorFiles(t *testing.T) {
	isolate(t)
	example, err := os.ReadFile(testdata + "/../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"": "ok: ", "LOG_LEVEL=warn\n": "ok: ",
		"ADMIN_PASSWORD=0123456789abcdef\n":                              "warning: .env has mode 0644: other users can read it",
		"DATABASE_URL=postgres://me:secret@localhost/webhooks\n":         "warning: .env has mode 0644: other users can read it",
		"DATABASE_URL=postgres://localhost/webhooks?password=x\n":        "warning: .env has mode 0644: other users can read it",
		"ENCRYPTION_KEYS=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n": "warning: .env has mode 0644: other users can read it",
	} {
		writeFile(t, ".env", string(example)+line)
		if err := os.Chmod(".env", 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DATABASE_URL", "sqlite:db") // the environment wins
		expect(t, diagnosed(t, healthy), "files", want)
	}
	writeFile(t, "db", "")
	if err := errors.Join(os.Chmod("db", 0o644), os.Remove(".env")); err != nil {
		t.Fatal(err)
	}
	expect(t, diagnosed(t, healthy), "files", "warning: db has mode 0644: other users can read it")
}

// What failed or waits in a running server is a warning.
func TestDoctorWithServer(t *testing.T) {
	server(t)
	found := diagnosed(t, healthy)
	expect(t, found, "ADDR", "answers and can store deliveries")
	expect(t, found, "ADMIN_ADDR", "the admin API answers")
	expect(t, found, "database", "has all migrations")
	t.Run("a worker listens there, too", func(t *testing.T) {
		t.Setenv("ROLE", "worker") // which needs Postgres and Redis
		expect(t, diagnosed(t, misconfigured), "ADDR", "answers and can store deliveries")
	})

	stats := newFake(t, says(200, `{"events":{"failed":2,"quarantined":1},"follow_ups":{"failed":3},"oldest_waiting_seconds":300.5,
		"subscriptions":[{"provider":"acme","id":"w1","problem":"it is not active","fix":"go run . fix"}]}`))
	t.Setenv("ADMIN_ADDR", strings.TrimPrefix(stats.url, "http://"))
	expect(t, diagnosed(t, healthy), "ADMIN_ADDR", "warning: an event has been waiting for 5m0s\nwarning: failed events: 2\n"+
		"warning: quarantined events: 1\nwarning: failed follow-ups: 3\nwarning: subscription acme w1: it is not active\n")
}

// Other programs use the ports.
func TestDoctorTakenPorts(t *testing.T) {
	isolate(t)
	other := httptest.NewServer(says(404, "not found"))
	t.Cleanup(other.Close)
	t.Setenv("ADDR", strings.TrimPrefix(other.URL, "http://"))
	t.Setenv("ADMIN_ADDR", strings.TrimPrefix(other.URL, "http://"))
	found := diagnosed(t, broken)
	expect(t, found, "ADDR", "error: our server does not answer at 127.0.0.1:")
	expect(t, found, "ADMIN_ADDR", "error: call the admin API: ")
}

// A file that is not a database, and one that cannot be created.
func TestDoctorSQLite(t *testing.T) {
	isolate(t)
	t.Setenv("DATABASE_URL", "sqlite:db")
	writeFile(t, "db", strings.Repeat("this is not a database", 1000))
	expect(t, diagnosed(t, broken), "database", "error: db: read table of migrations: file is not a database")
	t.Setenv("DATABASE_URL", "sqlite:db/below")
	expect(t, diagnosed(t, broken), "database", "error: open db/below: not a directory")
}

// A database without tables, one behind PgBouncer, one that is read-only, and none.
func TestDoctorPostgres(t *testing.T) {
	isolate(t)
	pg := testservers.NewPostgres(t)
	t.Setenv("DATABASE_URL", pg.URL())
	if found := diagnosed(t, healthy); !strings.HasPrefix(found["database"], "warning: Postgres at ") ||
		!strings.Contains(found["database"], "needs migrations") || strings.Count(found["database"], "\n") != 1 {
		t.Errorf("without tables: %v", found)
	}

	pooled := testservers.NewPgBouncer(t, pg)
	t.Setenv("DATABASE_URL", pooled)
	expect(t, diagnosed(t, healthy), "database", "warning: PgBouncer or another pooler")
	t.Setenv("DATABASE_URL", pooled+"&default_query_exec_mode=exec")
	if found := diagnosed(t, healthy); strings.Contains(found["database"], "pooler") {
		t.Errorf("with the fix: %v", found)
	}

	t.Setenv("DATABASE_URL", pg.URL())
	db, err := sql.Open("pgx", pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the server ends with the test
	for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := until(ctx, func() (bool, error) {
		var readOnly bool
		err := db.QueryRowContext(ctx, "SELECT current_setting('transaction_read_only')::bool").Scan(&readOnly)
		return readOnly, err
	}); err != nil {
		t.Fatal(err)
	}
	expect(t, diagnosed(t, broken), "database", "error: Postgres is read-only")

	t.Setenv("DATABASE_URL", "postgres://app:CANARY%25pw@"+testservers.FreeAddress(t)+"/app")
	found := diagnosed(t, broken)
	if expect(t, found, "database", "error: Postgres: "); strings.Contains(found["database"], "CANARY") {
		t.Errorf("the password is shown: %v", found)
	}
}

// A user without INFO is enough, one that may not write is not.
func TestDoctorRedis(t *testing.T) {
	isolate(t)
	r := testservers.NewRedis(t)
	address := r.URL()
	o, err := jobs.RedisOptions(address)
	if err != nil {
		t.Fatal(err)
	}
	admin := redis.NewUniversalClient(o)
	defer admin.Close() //nolint:errcheck // the server ends with the test
	for _, c := range []struct {
		rights, command string
		exit            int
		want            string
	}{
		{"", "", healthy, "ok: Redis "},
		{"~asynq:* &asynq:* +@all -@dangerous", "", healthy, "warning: Redis works, but its memory policy cannot be read"},
		{"~* &* +@read +@connection", "", broken, "error: Redis refuses what asynq needs: NOPERM"},
		{"~* &* +@all -@scripting", "", broken, "error: Redis refuses what asynq needs: NOPERM"},
		{"", "maxmemory-policy allkeys-lru", healthy, "maxmemory-policy is allkeys-lru"},
		{"", "maxmemory-policy noeviction maxmemory 1", broken, "error: Redis is full: OOM"},
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		command := []any{"CONFIG", "SET"}
		if c.rights != "" {
			command = []any{"ACL", "SETUSER", "someone", "reset", "on", ">pw"}
			u.User = url.UserPassword("someone", "pw")
		}
		for word := range strings.FieldsSeq(c.rights + c.command) {
			command = append(command, word)
		}
		if len(command) > 2 {
			if err := admin.Do(t.Context(), command...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("REDIS_URL", u.String())
		expect(t, diagnosed(t, c.exit), "queue", c.want)
	}
	t.Setenv("REDIS_URL", "redis://"+testservers.FreeAddress(t))
	expect(t, diagnosed(t, broken), "queue", "error: Redis: ")
}
