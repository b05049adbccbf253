package dev

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// bench is the command that measures a server.
type bench struct {
	Env
	url, admin, dup        string
	providers              []string
	all                    bool // no providers were named
	connections, customers int
	rate, repeat           float64 // repeat is dup as a fraction
	duration               time.Duration
	shuffle, json          bool

	stderr  io.Writer
	signers map[string]handlers.Provider

	// The events of a run are numbered from 0, and the number of an event determines its content.
	runID    string // part of all IDs
	start    time.Time
	prepared []benchSample
	order    []int // the order in which the events of a crowd are sent
	next     atomic.Int64
}

func newBench(e Env) *cobra.Command {
	b := &bench{Env: e, signers: map[string]handlers.Provider{}, runID: strings.ToLower(rand.Text()), start: time.Now().UTC()}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the speed, and check that nothing is lost",
		Long: `Sends signed, unique events, waits until they are processed, and checks through
the admin API that each acknowledged event was processed exactly once. If not,
the exit code is 1. Before and after that, it measures a bare net/http server in
this process that only checks an HMAC, for comparison.

It starts its own server with a new SQLite file in data/, and deletes the file
at the end. DATABASE_URL and REDIS_URL in the environment select another
database and another Redis. --url measures a server that is already running. In
both cases the events stay in the database. Ctrl+C stops the sending; the report
then covers what was sent.`,
		Example: `  go run . bench
  go run . bench --rate 1000 --duration 30s --dup 5% --shuffle
  DATABASE_URL=postgres://me@localhost/bench \
    REDIS_URL=redis://localhost:6379/9 go run . bench
  go run . bench --url http://localhost:8080 --providers stripe,trst`,
		Args: cobra.NoArgs,
		RunE: b.run,
	}
	f := cmd.Flags()
	f.StringVar(&b.url, "url", "", "measure the server at this URL; it must have the same secrets")
	f.StringVar(&b.admin, "admin", "", "with --url: the address of its admin API (default: ADMIN_ADDR)")
	f.StringSliceVar(&b.providers, "providers", nil, "send events of these providers (default: all that need no API)")
	f.StringVar(&b.dup, "dup", "0%", "send this percentage of the acknowledged events again")
	f.IntVar(&b.connections, "connections", 32, "send over this many connections")
	f.IntVar(&b.customers, "customers", 10_000, "spread the events over this many customers of each provider")
	f.Float64Var(&b.rate, "rate", 0, "events per second; latency is measured from when an event is due (default: no limit)")
	f.DurationVar(&b.duration, "duration", 10*time.Second, "how long to send; each run of the bare server takes a third of it")
	f.BoolVar(&b.shuffle, "shuffle", false, "send the events of each customer in random order")
	f.BoolVar(&b.json, "json", false, "print one JSON object")
	return cmd
}

// check reports everything that is wrong with the flags.
func (b *bench) check() error {
	problems := []error{atLeastOne("connections", b.connections), atLeastOne("customers", b.customers)}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(b.dup, "%"), 64)
	if err != nil || percent < 0 || percent > 100 {
		problems = append(problems, usagef("--dup is %q: want a percentage such as 5%%", b.dup))
	}
	b.repeat = percent / 100
	if b.duration <= 0 || b.rate < 0 {
		problems = append(problems, usagef("--duration is %s and --rate is %g: want more than 0s, and at least 0", b.duration, b.rate))
	}
	if b.admin != "" && b.url == "" {
		problems = append(problems, usagef("--admin needs --url"))
	}
	if b.all = len(b.providers) == 0; b.all {
		b.providers = handlers.ProviderNames()
	}
	for _, name := range b.providers {
		problems = append(problems, checkProvider(name))
	}
	return errors.Join(problems...)
}

func (b *bench) run(cmd *cobra.Command, _ []string) error {
	if err := b.check(); err != nil {
		return err
	}
	b.stderr = cmd.ErrOrStderr()
	r := &benchReport{}
	err := b.compare(cmd.Context(), r)
	b.show("")
	if err != nil {
		return err
	}
	if r.Interrupted = cmd.Context().Err() != nil; b.json {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		b.print(cmd.OutOrStdout(), r)
	}
	return errors.Join(err, r.problem())
}

// show shows what bench is doing, if standard error is a terminal. The text replaces what it showed before.
func (b *bench) show(format string, args ...any) {
	if isTerminal(b.stderr) {
		fmt.Fprint(b.stderr, "\r\x1b[K"+shorten(fmt.Sprintf(format, args...), defaultWidth-1))
	}
}

// compare measures the bare server, then the server, and then the bare server again.
func (b *bench) compare(ctx context.Context, r *benchReport) (err error) {
	// The system's folder for temporary files may be in memory, where a sync costs nothing.
	folder := filepath.Join("data", "bench-"+b.runID)
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	c, err := b.configure("sqlite:" + filepath.Join(folder, "bench.db"))
	if err != nil {
		return err
	}
	for _, name := range b.providers {
		if b.signers[name], err = signer(c, name, ""); err != nil {
			return err
		}
	}
	if err := b.prepare(); err != nil {
		return err
	}
	if r.BaselineBefore, err = b.baseline(ctx); err != nil {
		return err
	}
	if b.url != "" {
		err = b.measure(ctx, b.url, newAdmin(c), r)
	} else {
		err = b.measureOwn(ctx, c, r)
	}
	if err != nil {
		return err
	}
	r.BaselineAfter, err = b.baseline(ctx)
	if ctx.Err() != nil {
		return nil // the rest of the report is complete
	}
	if err == nil && b.rate == 0 { // with --rate, the ratio would only reflect the rate
		r.AckRatio = 2 * r.PerSecond / (r.BaselineBefore.PerSecond + r.BaselineAfter.PerSecond)
	}
	return err
}

// configure returns the configuration of the server to measure. The server that bench starts takes only the database and
// Redis from the environment: otherwise it might send callbacks about made-up customers.
func (b *bench) configure(newDatabase string) (c app.Config, err error) {
	if b.url != "" {
		if b.url, err = serverURL("url", b.url); err != nil {
			return c, err
		}
		c, err = app.LoadConfig()
		c.AdminAddr = cmp.Or(b.admin, c.AdminAddr)
		return c, err
	}
	database := os.Getenv("DATABASE_URL")
	if database != "" {
		fmt.Fprintln(b.stderr, "warning: the events stay in the given database")
	}
	variables := []string{
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "QUEUE_PREFIX=bench-" + b.runID,
		"DATABASE_URL=" + cmp.Or(database, newDatabase), "REDIS_URL=" + os.Getenv("REDIS_URL"),
	}
	for _, name := range b.providers {
		variables = append(variables, app.SecretName(name)+"="+app.RandomSecret())
	}
	c, err = app.ReadConfig(variables)
	return c, usage(err)
}

// baselineMAC is the signature that the bare server expects. Its key need not be secret.
func baselineMAC(body []byte) string {
	h := hmac.New(sha256.New, []byte("baseline"))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// baseline measures the bare server: net/http and one HMAC over the body, and nothing else. It gets the same kind of events.
func (b *bench) baseline(ctx context.Context) (*speed, error) {
	b.show("measuring a bare server")
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
	l := &load{bench: b, base: bare.URL, duration: b.duration / 3}
	l.sign = func(provider string, body []byte) handlers.Request {
		return handlers.Request{Path: provider, Header: http.Header{"X-Signature": {baselineMAC(body)}}, Body: body}
	}
	if err := cmp.Or(l.send(ctx), ctx.Err()); err != nil {
		return nil, err
	}
	return new(l.speed()), nil
}

// measureOwn measures a server that it starts in this process.
func (b *bench) measureOwn(ctx context.Context, c app.Config, r *benchReport) (err error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // Ctrl+C stops only the sending
	defer stop()
	log := slog.New(slog.NewTextHandler(b.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.New(running, c, b.Samples, log)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	c.AdminAddr = a.AdminAddr()
	return b.measure(ctx, "http://"+a.Addr(), newAdmin(c), r)
}

// measure sends to a server, waits until all events are processed, and checks them.
func (b *bench) measure(ctx context.Context, base string, a admin, r *benchReport) error {
	before, err := newest[models.Event](ctx, a, "events", nil, 1)
	if err != nil {
		return err
	}
	b.show("sending for %s", b.duration)
	l := &load{bench: b, base: base, duration: b.duration, rate: b.rate, repeat: b.repeat}
	l.sign = func(provider string, body []byte) handlers.Request { return b.signers[provider].Sign(body, time.Now()) }
	if err := l.send(ctx); err != nil {
		return err
	}
	waiting := ctx // from here on, Ctrl+C stops only the waiting
	if ctx.Err() != nil {
		waiting = context.WithoutCancel(ctx) // Ctrl+C has stopped the sending; still wait for the events that were sent
	}
	if err := b.drain(waiting, a); err != nil {
		return err
	}
	b.show("checking %d events", len(l.acknowledged))
	last := int64(0)
	if len(before) > 0 {
		last = before[0].ID
	}
	return l.check(context.WithoutCancel(ctx), a, last, r)
}
