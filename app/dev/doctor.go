package dev

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

const (
	checkTimeout = 5 * time.Second // for all that one check asks of a server
	littleSpace  = 1 << 30         // bytes on the disk of the database
	tooLittle    = 64 << 20        // bytes that lead to a failure soon
	clockLimit   = 2 * time.Second // between the database's clock and ours
	longWait     = time.Minute     // of an event
	oldestRedis  = 4               // the first major version with all commands that asynq needs
)

// The results of a check.
const (
	resultOK      = "ok"
	resultWarning = "warning" // it works, and somebody should look at it
	resultError   = "error"   // it does not work
)

// finding is what a check found out.
type finding struct {
	Check   string `json:"check"`
	Result  string `json:"result"`
	Message string `json:"message"` // never contains a secret
	Fix     string `json:"fix,omitempty"`
}

// checks are all checks. Each gets the configuration, which may have problems, and returns at least one finding if it applies. None
// changes anything that stays.
var checks = []func(ctx context.Context, c app.Config) []finding{
	checkPublicURL, checkFiles, checkDisk, checkSQLite, checkPostgres, checkRedis, checkPublicServer, checkAdminServer,
}

func newDoctor(Env) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything the server needs, and say what to do",
		Long: `Checks the configuration, secrets, files, the disk, database, Redis, and a
running server, and says how to fix what it finds. It can run beside the server
and changes nothing, except that like every command it makes development
secrets if there are none.

The exit code is 1 if there is an error, and 0 if there are only warnings.`,
		Example: `  go run . doctor
  APP_ENV=production DATABASE_URL=postgres://me@localhost/webhooks \
    go run . doctor
  go run . doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, p, counts := cmd.OutOrStdout(), newPainter(cmd.OutOrStdout()), map[string]int{}
			for _, f := range examine(cmd.Context()) {
				counts[f.Result]++
				if asJSON {
					if err := printJSON(w, f); err != nil {
						return err
					}
					continue
				}
				line := wrap(fmt.Sprintf("%-8s %-13s ", f.Result, f.Check), clean(f.Message))
				fmt.Fprintln(w, strings.Replace(line, f.Result, p.word(f.Result), 1))
				if f.Fix != "" {
					fmt.Fprintln(w, wrap(strings.Repeat(" ", 23)+"→ ", clean(f.Fix)))
				}
			}
			if !asJSON {
				fmt.Fprintf(w, "\nok: %d, warnings: %d, errors: %d\n", counts[resultOK], counts[resultWarning], counts[resultError])
			}
			if counts[resultError] > 0 {
				return fmt.Errorf("%d errors found", counts[resultError])
			}
			return nil
		},
	}
	addJSON(cmd, &asJSON, "check")
	return cmd
}

// examine does all checks that the configuration allows.
func examine(ctx context.Context) (found []finding) {
	c, err := app.LoadConfig()
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			found = append(found, finding{"configuration", resultError, line, "fix it in .env or the environment; .env.example lists the variables"})
		}
	}
	for _, warning := range c.Warnings {
		found = append(found, finding{"configuration", resultWarning, warning, ""})
	}
	if len(found) == 0 {
		providers := cmp.Or(strings.Join(slices.Sorted(maps.Keys(c.Secrets)), ", "), "none")
		found = append(found, finding{"configuration", resultOK, fmt.Sprintf("APP_ENV %s, ROLE %s, secrets for %s", c.Env, c.Role, providers), ""})
	}
	if c.Addr == "" { // it could not be read at all
		return found
	}
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		found = append(found, check(ctx, c)...)
		cancel()
	}
	return found
}

// oneLine is an error without line breaks, which some drivers put in.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func checkPublicURL(_ context.Context, c app.Config) []finding {
	if c.API.PublicURL == "" {
		return nil
	}
	if _, err := subscriptions.TargetURL(c.API.PublicURL, handlers.ProviderNames()[0], ""); err != nil {
		return []finding{{"PUBLIC_URL", resultWarning, err.Error(), "set it to where providers reach this server: https://host"}}
	}
	return []finding{{"PUBLIC_URL", resultOK, "it is a public https URL", ""}}
}

// sqlitePath is the file of the database; empty if it is Postgres.
func sqlitePath(c app.Config) string {
	path, isSQLite := strings.CutPrefix(c.DatabaseURL, "sqlite:")
	if !isSQLite {
		return ""
	}
	return strings.TrimPrefix(path, "//")
}

// checkFiles finds files with secrets or personal data that other users of the machine can read.
func checkFiles(_ context.Context, c app.Config) (found []finding) {
	files := append([]string{".env", filepath.Join("data", "secrets.env")}, slices.Sorted(maps.Values(c.SecretPaths))...)
	if path := sqlitePath(c); path != "" {
		files = append(files, path, path+"-wal")
	}
	for _, file := range files {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist) || runtime.GOOS == "windows": // where modes mean nothing
		case err != nil:
			found = append(found, finding{"files", resultWarning, err.Error(), "make it readable for the server's user"})
		case info.Mode().Perm()&0o077 != 0:
			found = append(found, finding{"files", resultWarning, fmt.Sprintf("%s has mode %04o: others can read it", file, info.Mode().Perm()), "chmod 600 " + file})
		}
	}
	if len(found) == 0 {
		found = []finding{{"files", resultOK, "files with secrets and data are for their owner only", ""}}
	}
	return found
}

// checkDisk checks that the folder of a SQLite file can be written, and has room.
func checkDisk(_ context.Context, c app.Config) []finding {
	path := sqlitePath(c)
	if path == "" {
		return nil
	}
	dir := filepath.Dir(path)
	for { // the server makes those that are missing
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	file, err := os.CreateTemp(dir, ".doctor-*")
	if err == nil {
		err = errors.Join(file.Close(), os.Remove(file.Name()))
	}
	if err != nil {
		return []finding{{"disk", resultError, oneLine(err), "give the server's user the right to write there, or set DATABASE_URL to another place"}}
	}
	free, known := freeBytes(dir)
	f := finding{"disk", resultOK, fmt.Sprintf("%s can be written; %.1f GiB are free", dir, float64(free)/(1<<30)), ""}
	if known && free < littleSpace {
		f.Result, f.Fix = resultWarning, "make room: when the disk is full, deliveries are answered 503"
	}
	if known && free < tooLittle {
		f.Result = resultError
	}
	return []finding{f}
}

// checkSQLite opens the file read-only, without the lock of a server that may be running.
func checkSQLite(ctx context.Context, c app.Config) []finding {
	path := sqlitePath(c)
	if path == "" {
		return nil
	}
	const fix = "check that the file is a database, and that the server's user may write it"
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{{"database", resultOK, path + " is made at the first start", ""}}
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return []finding{{"database", resultError, oneLine(err), fix}}
	}
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_query_only=1&_busy_timeout=2000")
	if err != nil {
		return []finding{{"database", resultError, oneLine(err), fix}}
	}
	defer db.Close() //nolint:errcheck // it was only read
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return []finding{{"database", resultError, path + ": " + oneLine(err), fix}}
	}
	return []finding{{"database", resultOK, "SQLite file " + path, ""}, checkMigrations(ctx, db, "sqlite")}
}

func checkMigrations(ctx context.Context, db *sql.DB, dialect string) finding {
	pending, err := migrations.Pending(ctx, db, dialect)
	switch {
	case err != nil:
		return finding{"migrations", resultError, oneLine(err), "check that the user of DATABASE_URL may read the tables"}
	case len(pending) > 0:
		return finding{"migrations", resultWarning, "pending: " + strings.Join(pending, ", "), "the next start applies them, as does: go run . migrate"}
	}
	return finding{"migrations", resultOK, "all are applied", ""}
}

func checkPostgres(ctx context.Context, c app.Config) []finding {
	if sqlitePath(c) != "" {
		return nil
	}
	cfg, err := pgx.ParseConfig(c.DatabaseURL)
	if err != nil { // its error may show the password
		return []finding{{"database", resultError, "DATABASE_URL is not a postgres:// URL", "percent-encode special characters in user and password"}}
	}
	prepares := cfg.DefaultQueryExecMode != pgx.QueryExecModeExec && cfg.DefaultQueryExecMode != pgx.QueryExecModeSimpleProtocol
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // works through PgBouncer as well
	db := stdlib.OpenDB(*cfg)
	defer db.Close() //nolint:errcheck // it was only read
	db.SetMaxOpenConns(1)
	var sent, own uint32 // the process that the server named when it was called, and the one that answers
	var recovering bool
	var readOnly string
	var now time.Time
	err = db.QueryRowContext(ctx, "SELECT pg_backend_pid(), pg_is_in_recovery(), current_setting('transaction_read_only'), clock_timestamp()").
		Scan(&own, &recovering, &readOnly, &now)
	if err != nil {
		return []finding{{"database", resultError, "Postgres: " + oneLine(err), "start Postgres, and check address, user and password in DATABASE_URL"}}
	}
	skew := time.Until(now).Round(time.Millisecond)
	found := []finding{{"database", resultOK, fmt.Sprintf("Postgres at %s answers", cfg.Host), ""}}
	if recovering || readOnly == "on" {
		found[0] = finding{"database", resultError, "Postgres at " + cfg.Host + " is read-only: nothing can be stored", "name the primary in DATABASE_URL, or end default_transaction_read_only"}
	}
	if conn, err := db.Conn(ctx); err == nil {
		err = conn.Raw(func(driver any) error {
			sent = driver.(*stdlib.Conn).Conn().PgConn().PID()
			return nil
		})
		if err := errors.Join(err, conn.Close()); err != nil {
			return []finding{{"database", resultError, "Postgres: " + oneLine(err), "see the log of Postgres"}}
		}
	}
	if sent != own && prepares {
		found = append(found, finding{
			"database", resultWarning, "there is a pooler such as PgBouncer in front of Postgres; in transaction mode, prepared statements may fail",
			"add ?default_query_exec_mode=exec to DATABASE_URL",
		})
	}
	clock := finding{"clock", resultOK, fmt.Sprintf("the database's clock is %s from ours", skew), ""}
	if skew.Abs() > clockLimit {
		clock.Result, clock.Fix = resultWarning, "set both clocks by NTP: signatures and retries depend on ours"
	}
	return append(found, checkMigrations(ctx, db, "postgres"), clock)
}

// openRedis opens a Redis as package jobs does.
func openRedis(url string) (redis.UniversalClient, error) {
	logging.Disable()
	switch scheme, rest, _ := strings.Cut(url, "://"); scheme {
	case "redis-sentinel":
		o, err := redis.ParseFailoverURL("redis://" + rest)
		if err != nil {
			return nil, err
		}
		return redis.NewFailoverClient(o), nil
	case "redis-cluster":
		o, err := redis.ParseClusterURL("redis://" + rest)
		if err != nil {
			return nil, err
		}
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.MaxRetries, o.MaintNotificationsConfig = true, -1, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// checkRedis tries what asynq needs: keys, scripts and channels whose names begin with asynq.
func checkRedis(ctx context.Context, c app.Config) []finding {
	if c.RedisURL == "" {
		return []finding{{"queue", resultOK, "embedded, since REDIS_URL is not set", ""}}
	}
	r, err := openRedis(c.RedisURL)
	if err != nil { // its error may show the password
		return []finding{{"queue", resultError, "REDIS_URL is not a valid URL", "percent-encode special characters in user and password"}}
	}
	defer r.Close() //nolint:errcheck // what it wrote expires
	if err := r.Ping(ctx).Err(); err != nil && !strings.HasPrefix(err.Error(), "NOPERM") {
		return []finding{{"queue", resultError, "Redis: " + oneLine(err), "start Redis, and check address and password in REDIS_URL; until then events are stored and not processed"}}
	}
	key := "asynq:{" + c.QueuePrefix + ":doctor-" + strings.ToLower(rand.Text()) + "}"
	for _, need := range []struct {
		name string
		err  error
	}{
		{"write", r.Set(ctx, key, 1, time.Minute).Err()},
		{"run scripts", r.Eval(ctx, "return redis.call('DEL', KEYS[1])", []string{key}).Err()},
		{"publish", r.Publish(ctx, "asynq:cancel", key).Err()},
	} {
		if need.err != nil {
			fix := "give the user the rights ~asynq:* &asynq:* +@all -@dangerous"
			if strings.HasPrefix(need.err.Error(), "OOM") {
				fix = "raise maxmemory: Redis is full"
			}
			return []finding{{"queue", resultError, "Redis answers, but cannot " + need.name + ": " + oneLine(need.err), fix}}
		}
	}
	return []finding{judgeRedis(ctx, r)}
}

// judgeRedis reads the version and the memory policy, if the user may.
func judgeRedis(ctx context.Context, r redis.UniversalClient) finding {
	values := map[string]string{}
	for _, section := range []string{"server", "memory"} {
		text, err := r.Info(ctx, section).Result()
		if err != nil {
			return finding{"queue", resultWarning, "Redis works, but its version and memory policy cannot be read: " + oneLine(err), "check that maxmemory-policy is noeviction"}
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			values[name] = value
		}
	}
	version, policy := values["redis_version"], values["maxmemory_policy"]
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldestRedis {
		return finding{"queue", resultError, "Redis " + version + " is too old", fmt.Sprintf("use version %d or newer", oldestRedis)}
	}
	if policy != "" && policy != "noeviction" {
		return finding{"queue", resultWarning, "Redis drops tasks when its memory is full, and events are late: maxmemory-policy is " + policy, "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"}
	}
	return finding{"queue", resultOK, "Redis " + version + " answers, and may be written", ""}
}

// checkPublicServer checks that a server of ours answers on ADDR and can store deliveries, or that the port is free.
func checkPublicServer(ctx context.Context, c app.Config) []finding {
	if c.Role == app.RoleWorker {
		return nil
	}
	get := func(path string) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.Addr)+path, nil)
		if err != nil {
			return 0, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := get("/healthz"); err != nil || status != http.StatusOK {
		return []finding{checkFree(ctx, "ADDR", c.Addr)}
	}
	if status, err := get("/readyz"); err != nil || status != http.StatusOK {
		return []finding{{"ADDR", resultError, "the server on " + c.Addr + " answers, but cannot store deliveries now", "see its log"}}
	}
	return []finding{{"ADDR", resultOK, "the server on " + c.Addr + " answers and can store deliveries", ""}}
}

// checkFree checks that a server can listen on an address.
func checkFree(ctx context.Context, name, addr string) finding {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return finding{name, resultError, fmt.Sprintf("no server of ours answers on %s, and none can listen there: %v", addr, err),
			"stop the program that does, or set " + name + " to another port"}
	}
	return finding{name, resultOK, addr + " is free: the server is not running", ""}
}

// checkAdminServer checks ADMIN_ADDR and, if a server answers there, what it reports.
func checkAdminServer(ctx context.Context, c app.Config) []finding {
	s, err := get[struct {
		models.Stats
		Waiting       float64                      `json:"oldest_waiting_seconds"`
		Subscriptions []handlers.SubscriptionState `json:"subscriptions"`
	}](ctx, newAdmin(c), "/api/stats")
	e, isAPI := errors.AsType[apiError](err)
	switch {
	case isAPI && e.status == 0:
		return []finding{checkFree(ctx, "ADMIN_ADDR", c.AdminAddr)}
	case err != nil:
		return []finding{{"ADMIN_ADDR", resultError, oneLine(err), "if another program answers there, set ADMIN_ADDR to another port"}}
	}
	found := []finding{{"ADMIN_ADDR", resultOK, "the admin API answers on " + c.AdminAddr, ""}}
	add := func(check, message, fix string) { found = append(found, finding{check, resultWarning, message, fix}) }
	if waiting := time.Duration(s.Waiting) * time.Second; waiting >= longWait {
		add("events", fmt.Sprintf("one has been waiting for %s", waiting), "see the log: a worker must run, and Redis answer")
	}
	if n := s.Events[models.Failed]; n > 0 {
		add("events", fmt.Sprintf("failed: %d", n), "go run . events --status failed; fix the cause; go run . resend --failed")
	}
	if n := s.Events[models.Quarantined]; n > 0 {
		add("events", fmt.Sprintf("quarantined: %d", n), "go run . events --status quarantined; ask the provider which one is right")
	}
	if n := s.FollowUps[models.FollowUpFailed]; n > 0 {
		add("follow-ups", fmt.Sprintf("failed: %d", n), "GET /api/follow_ups?status=failed shows why; fix it and replay them")
	}
	for _, state := range s.Subscriptions {
		if state.Problem != "" {
			add("subscriptions", fmt.Sprintf("%s %s: %s", state.Provider, state.ID, state.Problem), state.Mend)
		}
	}
	return found
}
