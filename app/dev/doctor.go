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
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

const (
	checkTimeout = 5 * time.Second // for one check
	longWait     = time.Minute     // it is a problem if an event waits longer
)

// finding is the result of a check.
type finding struct {
	Check   string `json:"check"`
	Result  string `json:"result"`        // ok, warning (it works, but may cause trouble) or error
	Message string `json:"message"`       // contains no secret
	Fix     string `json:"fix,omitempty"` // what to do, unless the result is ok
}

func fine(message string) []finding { return []finding{{Result: "ok", Message: message}} }

func warn(message, fix string) []finding { return []finding{{"", "warning", message, fix}} }

func fail(message, fix string) []finding { return []finding{{"", "error", message, fix}} }

// checks are all checks except that of the configuration. They also run if the configuration is invalid. A check returns
// nothing if it does not apply, and changes nothing permanently.
var checks = []struct {
	name string
	run  func(context.Context, app.Config) []finding
}{
	{"PUBLIC_URL", checkPublicURL}, {"files", checkFiles}, {"database", checkDatabase}, {"queue", checkRedis},
	{"APIs", checkAPIs}, {"ADDR", checkServer}, {"ADMIN_ADDR", checkAdminAPI},
}

func newDoctor(Env) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything the server needs, and say how to fix problems",
		Long: `Checks the configuration, secrets, files, database, Redis and ports, and the
server if it is running, and says how to fix each problem. It changes nothing,
with one exception: in development, like most commands, it creates secrets if
there are none.

Exit codes: 0 if there are only warnings, 1 if there is an error, 2 if the
configuration is wrong.`,
		Example: `  go run . doctor
  APP_ENV=production DATABASE_URL=postgres://me@localhost/webhooks \
    go run . doctor
  go run . doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := examine(cmd.Context())
			w := cmd.OutOrStdout()
			counts, painter := map[string]int{}, newPainter(w)
			for i, f := range found {
				counts[f.Result]++
				if asJSON {
					err = errors.Join(err, printJSON(w, f))
					continue
				}
				text := wrap(fmt.Sprintf("%-8s %-13s ", f.Result, f.Check), clean(f.Message))
				fmt.Fprintln(w, strings.Replace(text, f.Result, painter.word(f.Result), 1))
				if f.Fix != "" && (i+1 == len(found) || found[i+1].Fix != f.Fix) { // findings in a row with the same fix print it once
					fmt.Fprintln(w, wrap(strings.Repeat(" ", 23)+"→ ", clean(f.Fix)))
				}
			}
			if !asJSON {
				fmt.Fprintf(w, "\nok: %d, warnings: %d, errors: %d\n", counts["ok"], counts["warning"], counts["error"])
			}
			if err == nil && counts["error"] > 0 {
				err = errors.New("some checks failed")
			}
			return err
		},
	}
	addJSON(cmd, &asJSON, "check")
	return cmd
}

// examine checks the configuration, and then everything else. It returns an error if the configuration is wrong.
func examine(ctx context.Context) (found []finding, wrong error) {
	const fix = "change it in .env or the environment; .env.example explains the variables"
	add := func(check string, some []finding) {
		for _, f := range some {
			f.Check = check
			found = append(found, f)
		}
	}
	c, err := app.LoadConfig()
	if err != nil {
		wrong = usagef("the configuration is wrong")
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			add("configuration", fail(problem, fix))
		}
	}
	for _, warning := range c.Warnings {
		add("configuration", warn(warning, fix))
	}
	if len(found) == 0 {
		var providers []string
		for _, name := range sortedKeys(c.Secrets) {
			if !slices.ContainsFunc(c.Secrets[name], func(s handlers.Secret) bool { return !s.Sandbox }) {
				name += " (sandbox only)"
			}
			providers = append(providers, name)
		}
		list := cmp.Or(strings.Join(providers, ", "), "none")
		add("configuration", fine(fmt.Sprintf("APP_ENV %s, ROLE %s, secrets for %s", c.Env, c.Role, list)))
	}
	if c.Addr == "" { // .env cannot be read
		return found, wrong
	}
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		add(check.name, check.run(ctx, c))
		cancel()
	}
	return found, wrong
}

func checkPublicURL(_ context.Context, c app.Config) []finding {
	if c.API.PublicURL == "" {
		return nil
	}
	if _, err := subscriptions.TargetURL(c.API.PublicURL, handlers.ProviderNames()[0], ""); err != nil {
		return warn(err.Error(), "set it to the URL where providers reach this server: https://host")
	}
	return fine("it is a public https URL")
}

// secretLine matches a line of .env that sets a secret, or a URL that may contain a password.
var secretLine = regexp.MustCompile(
	`(?m)^[^#\n]*((SECRET|SECRET_SANDBOX|PASSWORD|API_KEY|API_TOKEN|SLACK_WEBHOOK_URL|ENCRYPTION_KEYS)[ \t]*[=:][ \t]*[^\s#]|://[^/\s]*@|[?&]password=)`)

// checkFiles finds files with secrets or personal data that other users of this computer can read.
func checkFiles(_ context.Context, c app.Config) (found []finding) {
	files := append(slices.Sorted(maps.Values(c.SecretPaths)), c.TLSKey, filepath.Join("data", "secrets.env"))
	if text, err := os.ReadFile(".env"); err == nil && secretLine.Match(text) {
		files = append(files, ".env")
	}
	if path, isSQLite := sqlitePath(c); isSQLite {
		files = append(files, path, path+"-wal")
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" { // Windows has no such modes
			problem := fmt.Sprintf("%s has mode %04o: other users can read it", file, info.Mode().Perm())
			found = append(found, warn(problem, "chmod 600 "+file)...)
		}
	}
	if len(found) == 0 {
		return fine("only their owner can read the files with secrets and data")
	}
	return found
}

// sqlitePath returns the file of the database, unless it is Postgres.
func sqlitePath(c app.Config) (path string, isSQLite bool) {
	path, isSQLite = strings.CutPrefix(c.DatabaseURL, "sqlite:")
	return strings.TrimPrefix(path, "//"), isSQLite
}

func checkDatabase(ctx context.Context, c app.Config) []finding {
	path, isSQLite := sqlitePath(c)
	if !isSQLite {
		return checkPostgres(ctx, c.DatabaseURL)
	}
	if err := writable(path); err != nil {
		return fail(err.Error(), "allow the server's user to write there, or change DATABASE_URL")
	}
	if _, err := os.Stat(path); err != nil {
		return fine(path + " will be created at the first start")
	}
	// Reading does not need the lock that a running server holds.
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_query_only=1&_busy_timeout=2000")
	if err != nil {
		panic(err) // there is no such driver
	}
	defer db.Close() //nolint:errcheck // it is only read
	return checkMigrations(ctx, db, "sqlite", path)
}

// writable returns an error if a file can neither be written nor created.
func writable(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		return file.Close()
	}
	for dir := filepath.Dir(path); errors.Is(err, fs.ErrNotExist); dir = filepath.Dir(dir) { // the server creates missing folders
		if file, err = os.CreateTemp(dir, ".doctor-*"); err == nil {
			return errors.Join(file.Close(), os.Remove(file.Name()))
		}
	}
	return err
}

// checkMigrations checks that the database at a place is readable and has all tables.
func checkMigrations(ctx context.Context, db *sql.DB, dialect, place string) []finding {
	pending, err := migrations.Pending(ctx, db, dialect)
	switch {
	case err != nil:
		return fail(place+": "+err.Error(), "check that DATABASE_URL is correct and that its user can read the tables")
	case len(pending) > 0:
		return warn(place+" needs migrations: "+strings.Join(pending, ", "), "start the server, or run: go run . migrate")
	}
	return fine(place + " has all migrations")
}

func checkPostgres(ctx context.Context, address string) []finding {
	cfg, err := pgx.ParseConfig(address)
	if err != nil { // it may contain the password
		return fail("DATABASE_URL is not a postgres:// URL", "percent-encode special characters in the user and the password")
	}
	prepares := cfg.DefaultQueryExecMode != pgx.QueryExecModeExec && cfg.DefaultQueryExecMode != pgx.QueryExecModeSimpleProtocol
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // works through PgBouncer as well
	var backend uint32
	var readOnly bool
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		defer conn.Close(ctx) //nolint:errcheck // it is only read
		err = conn.QueryRow(ctx, "SELECT pg_backend_pid(), current_setting('transaction_read_only')::bool").Scan(&backend, &readOnly)
	}
	if err != nil {
		reasons := slices.Compact(strings.Split(err.Error(), "\n")) // pgx tries with TLS and without
		return fail("Postgres: "+strings.Join(reasons, " "), "start Postgres, and check address, user and password in DATABASE_URL")
	}
	db := stdlib.OpenDB(*cfg)
	defer db.Close() //nolint:errcheck // it is only read
	found := checkMigrations(ctx, db, "postgres", "Postgres at "+cfg.Host)
	if readOnly {
		found = append(found, fail("Postgres is read-only: nothing can be stored",
			"use the primary, or turn default_transaction_read_only off")...)
	}
	if prepares && conn.PgConn().PID() != backend { // the process that the server named is not the one that answers
		found = append(found, warn("PgBouncer or another pooler is in front of Postgres; in transaction mode, prepared statements fail",
			"add ?default_query_exec_mode=exec to DATABASE_URL")...)
	}
	return found
}

// checkRedis tries what asynq needs: keys, scripts and channels whose names begin with asynq.
func checkRedis(ctx context.Context, c app.Config) []finding {
	if c.RedisURL == "" {
		return fine("embedded, since REDIS_URL is not set")
	}
	o, err := jobs.RedisOptions(c.RedisURL)
	if err != nil {
		return nil // it is a finding of the configuration
	}
	logging.Disable() // go-redis prints to standard error
	r := redis.NewUniversalClient(o)
	defer r.Close() //nolint:errcheck // what it wrote expires
	key := "asynq:{" + c.QueuePrefix + ":doctor-" + strings.ToLower(rand.Text()) + "}"
	err = cmp.Or(
		r.Set(ctx, key, 1, time.Minute).Err(),
		r.Eval(ctx, "return redis.call('DEL', KEYS[1])", []string{key}).Err(),
		r.Publish(ctx, "asynq:cancel", key).Err(),
	)
	switch {
	case err == nil:
	case strings.HasPrefix(err.Error(), "OOM"):
		return fail("Redis is full: "+err.Error(), "raise maxmemory")
	case strings.HasPrefix(err.Error(), "NOPERM"):
		return fail("Redis refuses what asynq needs: "+err.Error(), "give the user the rights ~asynq:* &asynq:* +@all -@dangerous")
	default:
		return fail("Redis: "+err.Error()+"; events are stored, but not processed",
			"start Redis, and check the address and password in REDIS_URL")
	}
	info, err := r.Info(ctx, "memory").Result()
	_, rest, _ := strings.Cut(info, "maxmemory_policy:")
	policy, _, _ := strings.Cut(rest, "\r\n")
	switch {
	case err != nil:
		return warn("Redis works, but its memory policy cannot be read: "+err.Error(), "check that maxmemory-policy is noeviction")
	case policy != "" && policy != "noeviction":
		return warn("if Redis is full, it drops tasks, and events are processed late: maxmemory-policy is "+policy,
			"CONFIG SET maxmemory-policy noeviction, and the same in redis.conf")
	}
	return fine("Redis answers, and we can write to it")
}

// checkAPIs checks that there are credentials to read what events name, for each provider that sends such events to us.
func checkAPIs(_ context.Context, c app.Config) (found []finding) {
	if c.SecretsFile != "" || c.Role == app.RoleReceiver { // no provider knows a random secret; a receiver does not read
		return nil
	}
	registry := jobs.NewRegistry().APIs()
	for _, provider := range sortedKeys(registry) {
		missing := strings.Join(registry[provider].Missing(c.APIs[provider]), " and ")
		_, isOn := c.Secrets[provider]
		switch {
		case !isOn:
		case missing != "":
			found = append(found, warn(fmt.Sprintf("%s: %s is not set, so events that only name what changed fail", provider, missing),
				"set it and restart; then replay them: go run . resend --failed")...)
		default:
			found = append(found, fine("there are credentials to read from "+provider)...)
		}
	}
	return found
}

// checkServer checks that our server answers at ADDR and can write to the database, or that the port is free.
func checkServer(ctx context.Context, c app.Config) []finding {
	server := admin{base: publicURL(c)}
	if _, err := server.call(ctx, http.MethodGet, "/healthz"); isWrongCertificate(err) {
		return fine("a server answers at " + c.Addr + "; its certificate is not valid for that address, so /readyz was not called")
	} else if err != nil {
		return checkPort(ctx, c.Addr)
	}
	if _, err := server.call(ctx, http.MethodGet, "/readyz"); err != nil {
		return fail("the server at "+c.Addr+" answers, but cannot store deliveries now", "read its log")
	}
	return fine("the server at " + c.Addr + " answers and can store deliveries")
}

// checkPort checks that a server can listen on an address.
func checkPort(ctx context.Context, addr string) []finding {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		return fail(fmt.Sprintf("our server does not answer at %s, and cannot start there: %v", addr, err),
			"stop the program that uses the port, or change this variable")
	}
	return fine(addr + " is free: the server is not running")
}

// checkAdminAPI checks that our server answers at ADMIN_ADDR and has no problems, or that the port is free.
func checkAdminAPI(ctx context.Context, c app.Config) []finding {
	s, err := get[struct {
		models.Stats
		Waiting       float64                      `json:"oldest_waiting_seconds"`
		Subscriptions []handlers.SubscriptionState `json:"subscriptions"`
	}](ctx, newAdmin(c), "/api/stats")
	switch e, isAPI := errors.AsType[apiError](err); {
	case isAPI && e.status == 0:
		return checkPort(ctx, c.AdminAddr)
	case err != nil:
		return fail(err.Error(), "if another program answers there, change ADMIN_ADDR")
	}
	found := fine("the admin API answers at " + c.AdminAddr)
	add := func(isProblem bool, fix, message string, args ...any) {
		if isProblem {
			found = append(found, warn(fmt.Sprintf(message, args...), fix)...)
		}
	}
	waiting := time.Duration(s.Waiting) * time.Second
	failed, quarantined, followUps := s.Events[models.Failed], s.Events[models.Quarantined], s.FollowUps[models.FollowUpFailed]
	add(waiting > longWait, "check that a worker runs and Redis answers", "an event has been waiting for %s", waiting)
	add(failed > 0, "go run . events --status failed; fix the cause; go run . resend --failed", "failed events: %d", failed)
	add(quarantined > 0, "go run . events --status quarantined; ask the provider", "quarantined events: %d", quarantined)
	add(followUps > 0, "see /api/follow_ups?status=failed; fix the cause and replay them", "failed follow-ups: %d", followUps)
	for _, state := range s.Subscriptions {
		add(state.Problem != "", state.Fix, "subscription %s %s: %s", state.Provider, state.ID, state.Problem)
	}
	return found
}
