package dev

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// bench is the bench command's flags, and what follows from them.
type bench struct {
	Env
	url, admin, database, redis, dup string
	providers                        []string
	connections, customers           int
	rate                             float64
	duration                         time.Duration
	shuffle, json                    bool

	repeat  float64 // the share of dup
	signers map[string]handlers.Provider
	show    func(format string, args ...any) // the progress
}

func newBench(e Env) *cobra.Command {
	b := &bench{Env: e, signers: map[string]handlers.Provider{}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the speed, and check that nothing is lost",
		Long: `Sends signed, unique events, waits until they are processed, and checks through
the admin API that every acknowledged one was processed exactly once. If not,
the exit code is 1. In the same run it measures a bare net/http server that
checks an HMAC.

It runs a server of its own in the same process, on a new SQLite file in data/.
--database and --redis, or DATABASE_URL and REDIS_URL in the environment, name
others; --url measures a server that is running. Both keep the events. Ctrl+C
ends the sending, and the report covers what was sent.`,
		Example: `  go run . bench
  go run . bench --rate 1000 --duration 30s --dup 5% --shuffle
  go run . bench --database postgres://me@localhost/bench \
    --redis redis://localhost:6379/9
  go run . bench --url http://localhost:8080 --providers stripe,trst`,
		Args: cobra.NoArgs,
		RunE: b.run,
	}
	f := cmd.Flags()
	f.StringVar(&b.url, "url", "", "measure the running server there, with the secrets of this configuration")
	f.StringVar(&b.admin, "admin", "", "with --url: its admin API (default: ADMIN_ADDR)")
	f.StringVar(&b.database, "database", "", "the database to use (default: DATABASE_URL of the environment)")
	f.StringVar(&b.redis, "redis", "", "the Redis to use (default: REDIS_URL of the environment)")
	f.StringSliceVar(&b.providers, "providers", handlers.ProviderNames(), "send events of these providers (default: all)")
	f.Lookup("providers").DefValue = "[]" // all would be long
	f.StringVar(&b.dup, "dup", "0%", "send this share of the acknowledged events again")
	f.IntVar(&b.connections, "connections", 32, "send over this many connections")
	f.IntVar(&b.customers, "customers", 10_000, "about this many customers")
	f.Float64Var(&b.rate, "rate", 0, "events per second; latency counts from when each is due")
	f.DurationVar(&b.duration, "duration", 10*time.Second, "send for this long; the bare server gets a third, twice")
	f.BoolVar(&b.shuffle, "shuffle", false, "send the events of a customer in any order")
	f.BoolVar(&b.json, "json", false, "print one JSON object")
	cmd.MarkFlagsMutuallyExclusive("url", "database")
	cmd.MarkFlagsMutuallyExclusive("url", "redis")
	return cmd
}

// check reports all that is wrong with the flags.
func (b *bench) check() error {
	var problems []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	share, err := strconv.ParseFloat(strings.TrimSuffix(b.dup, "%"), 64)
	if b.repeat = share; strings.HasSuffix(b.dup, "%") {
		b.repeat /= 100
	}
	want(err == nil && b.repeat >= 0 && b.repeat <= 1, "--dup is %q: want a share such as 5%%", b.dup)
	want(b.connections > 0, "--connections is %d: want 1 or more", b.connections)
	want(b.customers > 0, "--customers is %d: want 1 or more", b.customers)
	want(b.duration > 0, "--duration is %s: want a time such as 10s", b.duration)
	want(b.rate >= 0, "--rate is %g: want events per second", b.rate)
	want(b.url != "" || b.admin == "", "--admin needs --url")
	for _, name := range b.providers {
		problems = append(problems, checkProvider(name))
	}
	return usage(errors.Join(problems...))
}

func (b *bench) run(cmd *cobra.Command, _ []string) (err error) {
	if err := b.check(); err != nil {
		return err
	}
	b.show = progress(cmd.ErrOrStderr())
	ctx, r := cmd.Context(), &benchReport{Connections: b.connections, Rate: b.rate, Providers: b.providers}
	if b.url != "" {
		err = b.measureRunning(ctx, r)
	} else {
		err = b.measureOwn(ctx, cmd.ErrOrStderr(), r)
	}
	b.show("")
	if r.Interrupted = ctx.Err() != nil; r.Interrupted && r.Acknowledged > 0 {
		err = nil // the rest could not be measured
	}
	if err != nil {
		return err
	}
	if b.json {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		r.print(cmd.OutOrStdout())
	}
	return errors.Join(err, r.problem())
}

// progress returns a function that shows on a terminal how far the work is, on one line. An empty text clears it.
func progress(w io.Writer) func(format string, args ...any) {
	f, isFile := w.(*os.File)
	if !isFile || !isatty.IsTerminal(f.Fd()) {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) {
		fmt.Fprint(w, "\r\x1b[K"+shorten(fmt.Sprintf(format, args...), defaultWidth-1))
	}
}

// measureRunning measures the server at --url.
func (b *bench) measureRunning(ctx context.Context, r *benchReport) error {
	base, err := serverURL("url", b.url)
	if err != nil {
		return err
	}
	c, err := loadConfig()
	if err != nil {
		return err
	}
	if b.admin != "" {
		c.AdminAddr = b.admin
	}
	for _, name := range b.providers {
		if b.signers[name], err = signer(c, name, ""); err != nil {
			return err
		}
	}
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	r.Server = u.Redacted()
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() // on another machine, the bare server would have another speed
	return b.compare(ctx, r, local, func() error { return b.measure(ctx, r, base, newAdmin(c)) })
}

// measureOwn measures a server that runs in this process. It gets no configuration but its own: what tells others about customers, such
// as the callback, is not for made-up ones.
func (b *bench) measureOwn(ctx context.Context, warnings io.Writer, r *benchReport) (err error) {
	if err := os.MkdirAll("data", 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("data", "bench-*") // the system's temporary folder may be in memory, where syncing costs nothing
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	environ := map[string]string{
		"ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "QUEUE_PREFIX": "bench-" + strings.ToLower(rand.Text()),
		"DATABASE_URL": "sqlite:" + filepath.Join(dir, "bench.db"),
	}
	r.Server = "a server in this process, on a new SQLite file"
	if database := orVariable(b.database, "DATABASE_URL"); database != "" {
		environ["DATABASE_URL"], r.Server = database, "a server in this process, on the given database"
		fmt.Fprintln(warnings, "warning: the events stay in the given database")
	}
	if redis := orVariable(b.redis, "REDIS_URL"); redis != "" {
		environ["REDIS_URL"], r.Server = redis, r.Server+" and the given Redis"
	}
	for _, name := range b.providers {
		environ[app.SecretName(name)] = "bench_" + rand.Text()
	}
	var variables []string
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		variables = append(variables, name+"="+environ[name])
	}
	c, err := app.ReadConfig(variables)
	if err != nil {
		return usage(err)
	}
	if b.signers, err = c.Providers(); err != nil {
		return err
	}
	return b.compare(ctx, r, true, func() (err error) {
		running, stop := context.WithCancel(context.WithoutCancel(ctx)) // Ctrl+C ends the sending first
		a, err := app.New(running, c, b.Samples, slog.New(slog.NewTextHandler(warnings, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			stop()
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- a.Run(running) }()
		defer func() {
			stop()
			err = errors.Join(err, <-ended)
		}()
		return b.measure(ctx, r, "http://"+a.Addr(), admin{base: "http://" + a.AdminAddr()})
	})
}

func orVariable(flag, name string) string {
	if flag != "" {
		return flag
	}
	return os.Getenv(name)
}

// compare measures the bare server before and after another one, each for a third of the time.
func (b *bench) compare(ctx context.Context, r *benchReport, bare bool, measure func() error) error {
	if !bare {
		return measure()
	}
	var err error
	if r.BaselineBefore, err = b.baseline(ctx, "before"); err != nil {
		return err
	}
	if err = measure(); err != nil {
		return err
	}
	if r.BaselineAfter, err = b.baseline(ctx, "after"); err == nil && b.rate == 0 { // at a rate, the share would say how much was asked for
		r.AckRatio = new(2 * r.AcksPerSecond / (r.BaselineBefore.PerSecond + r.BaselineAfter.PerSecond))
	}
	return err
}

// baselineKey is the key of the bare server, which has nothing to protect.
var baselineKey = []byte("baseline")

func baselineMAC(body []byte) string {
	h := hmac.New(sha256.New, baselineKey)
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// signBaseline signs for the bare server.
func signBaseline(provider string, body []byte, _ time.Time) handlers.Request {
	return handlers.Request{Path: provider, Header: http.Header{"X-Signature": {baselineMAC(body)}}, Body: body}
}

// baseline measures the bare server: net/http and one HMAC over the body, and nothing else. It gets the same bodies.
func (b *bench) baseline(ctx context.Context, when string) (*speed, error) {
	s, err := b.newSource()
	if err != nil {
		return nil, err
	}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !hmac.Equal([]byte(r.Header.Get("X-Signature")), []byte(baselineMAC(body))) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"accepted"}`)) // a sender that is gone needs no answer
	}))
	defer bare.Close()
	l := &load{base: bare.URL, source: s, sign: signBaseline, connections: b.connections, duration: b.duration / 3}
	all, err := l.send(ctx, func(rate float64) { b.show("bare net/http + HMAC, %s: %s/s", when, thousands(rate)) })
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	return new(all.speed()), nil
}

// measure sends to a server, waits until all is processed, and checks.
func (b *bench) measure(ctx context.Context, r *benchReport, base string, a admin) error {
	check, err := newChecker(ctx, a)
	if err != nil {
		return err
	}
	s, err := b.newSource()
	if err != nil {
		return err
	}
	l := &load{base: base, source: s, connections: b.connections, rate: b.rate, duration: b.duration, repeat: b.repeat}
	l.sign = func(provider string, body []byte, at time.Time) handlers.Request {
		return b.signers[provider].Sign(body, at)
	}
	all, err := l.send(ctx, func(rate float64) {
		b.show("sending: %s/s, %s acknowledged", thousands(rate), thousands(float64(l.acknowledged.Load())))
	})
	if err != nil {
		return err
	}
	// Whoever interrupts the sending wants the report; whoever interrupts the waiting gets what is known by then.
	waiting := ctx
	if ctx.Err() != nil {
		waiting = context.WithoutCancel(ctx)
	}
	if err := check.drain(waiting, func(n int64) { b.show("%s events wait to be processed", thousands(float64(n))) }); err != nil {
		return err
	}
	b.show("checking %s events", thousands(float64(len(all.events))))
	return check.check(context.WithoutCancel(ctx), s, all, r)
}
