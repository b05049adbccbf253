// Package app reads the configuration and connects the parts: store, queue, relay, worker and HTTP servers. Its sub-package cli is the
// command line.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/handlers/inspector"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

// drainTimeout is how long a shutdown waits for requests in progress.
const drainTimeout = 5 * time.Second

// App is the program: New sets it up, Run runs it.
type App struct {
	log    *slog.Logger
	store  *models.Store
	queue  *jobs.Queue
	relay  *jobs.Relay
	worker *jobs.Worker // nil if the role is receiver, as is drift
	drift  *jobs.Drift
	expiry *jobs.Retention // nil if payloads are kept forever, or the role is receiver
	watch  *subscriptions.Watch
	keys   keyrings

	certificate *certificate // nil without TLS
	public      listening
	admin       listening
	closings    []func() error
}

// New opens the ports, the database and the queue, and migrates the database. The error has one line per problem. samples is the folder
// testdata, which defines the known fields of each payload.
func New(ctx context.Context, c Config, samples fs.FS, log *slog.Logger) (*App, error) {
	a := &App{log: log}
	if err := a.open(ctx, c); err != nil {
		return nil, errors.Join(err, a.close())
	}
	if err := a.connect(ctx, c, samples); err != nil {
		return nil, errors.Join(err, a.close())
	}
	for _, w := range c.Warnings {
		log.Warn("check the configuration", "problem", w)
	}
	return a, nil
}

// open opens the ports and the database. It tries all of them before it returns the errors.
func (a *App) open(ctx context.Context, c Config) error {
	var err1, err2, err3 error
	if a.public.Listener, err1 = listen(ctx, "ADDR", c.Addr); err1 == nil {
		a.closings = append(a.closings, a.public.release)
	}
	if a.admin.Listener, err2 = listen(ctx, "ADMIN_ADDR", c.AdminAddr); err2 == nil {
		a.closings = append(a.closings, a.admin.release)
	}
	if a.store, err3 = openStore(ctx, c); err3 == nil {
		a.closings = append(a.closings, a.store.Close)
		a.store.LogSlow(a.log, time.Second)
	}
	return errors.Join(err1, err2, err3)
}

// connect migrates the database, opens the queue and creates the other parts.
func (a *App) connect(ctx context.Context, c Config, samples fs.FS) error {
	applied, err := migrations.Up(ctx, a.store.DB(), a.store.Dialect())
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	if len(applied) > 0 {
		a.log.Info("database migrated", "applied", applied)
	}
	if err := a.openQueue(ctx, c); err != nil {
		return err
	}
	tracer, err := a.openTracing(ctx, c.TraceURL)
	if err != nil {
		return fmt.Errorf("open tracing: %w", err)
	}
	if c.Role == RoleWorker { // only receivers need the secrets and check the subscriptions
		c.Secrets, c.PublicKeys, c.API.CheckInterval = nil, nil, 0
	}
	active, err := c.Providers()
	if err != nil {
		return err
	}
	registry, rejections := jobs.NewRegistry(), &handlers.Rejections{}
	outage := jobs.NewOutage("the database does not work", a.log)
	a.relay = jobs.NewRelay(a.store, a.queue, outage, a.log)
	if c.Role != RoleReceiver {
		if a.drift, err = jobs.NewDrift(a.store, samples, a.log); err != nil {
			return err
		}
		clients, err := jobs.NewClients(c.Clients())
		if err != nil {
			return err
		}
		a.worker = jobs.NewWorker(jobs.WorkerConfig{
			Store: a.store, Queue: a.queue, Registry: registry, Drift: a.drift, Clients: clients, APIs: c.APIs,
			ApplySandbox: func(provider string) bool { return c.ApplySandbox[provider] },
			Wake:         a.relay.Wake, Outage: outage, Log: a.log, Tracer: tracer,
		})
		if c.PayloadRetention > 0 {
			a.expiry = jobs.NewRetention(a.store, c.PayloadRetention, a.log)
		}
	}
	a.watch = subscriptions.NewWatch(c.API, c.Secrets, a.store, a.log)
	receiver := handlers.NewReceiver(a.store, registry.Queue, a.relay.Wake, rejections, a.log)
	receiver.Trace(tracer)
	a.keys = newKeyrings(c, a.log)
	receiver.AskForKeys(a.keys.ask)
	router := handlers.NewRouter(receiver, active, newReadiness(a.store.Ready, outage).check, a.log)
	a.public.prepare(behindProxies(c.TrustedProxies, router), maxConnections, a.log)
	if c.TLSCert != "" {
		if a.certificate, err = newCertificate(c.TLSCert, c.TLSKey, a.log); err != nil {
			return err
		}
		a.public.useTLS(a.certificate)
	}
	parts := [][]prometheus.Collector{a.store.Metrics(), receiver.Metrics()}
	if a.worker != nil {
		parts = append(parts, a.worker.Metrics())
	}
	pages, err := a.inspectorConfig(c, active, registry, rejections, samples)
	if err != nil {
		return err
	}
	a.admin.prepare(behindProxies(c.TrustedProxies, handlers.NewAdmin(handlers.AdminConfig{
		Store: a.store, Rejections: rejections, Subscriptions: a.watch.States, Wake: a.relay.Wake, Pages: inspector.New(pages),
		Metrics: a.metrics(parts...), Password: c.AdminPassword, Log: a.log,
	})), maxConnections, a.log)
	return nil
}

// openQueue opens the queue. If QUEUE_PREFIX is empty, the prefix is made from the database's installation ID, so that several
// installations can share a Redis.
func (a *App) openQueue(ctx context.Context, c Config) error {
	prefix := c.QueuePrefix
	if prefix == "" {
		id, err := a.store.InstallationID(ctx)
		if err != nil {
			return fmt.Errorf("DATABASE_URL: %w", err)
		}
		prefix = "webhooks-" + id
	}
	queue, err := jobs.OpenQueue(c.RedisURL, prefix)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	a.queue = queue
	a.closings = append(a.closings, queue.Close)
	return nil
}

// openStore opens the database. The error is a single line: Postgres reports each address that was tried, and only the last one is kept.
func openStore(ctx context.Context, c Config) (*models.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	store, err := models.Open(ctx, c.DatabaseURL, c.EncryptionKeys...)
	if err == nil {
		return store, nil
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) > 1 {
		err = fmt.Errorf("cannot connect to Postgres (%s): start it, or correct the URL", strings.TrimSpace(lines[len(lines)-1]))
	}
	return nil, fmt.Errorf("DATABASE_URL: %w", err)
}

// Migrate brings the database up to date and returns the names of the migrations it applied.
func Migrate(ctx context.Context, c Config) (applied []string, err error) {
	store, err := openStore(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return migrations.Up(ctx, store.DB(), store.Dialect())
}

// Addr is the address of the webhook server.
func (a *App) Addr() string { return a.public.Addr().String() }

// AdminAddr is the address of the admin API.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// Run serves requests and processes events until ctx is done, then finishes what is in flight and closes everything. It can be called once.
//
// The order of the shutdown matters: first no new deliveries, then no new offers, then the workers finish, and only then the queue and the
// database close.
func (a *App) Run(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	offering, stopOffering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOffering()
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	for _, l := range []*listening{&a.public, &a.admin} {
		g.Go(func() error {
			if err := l.serve(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	g.Go(func() error { return a.watch.Run(running) })
	g.Go(func() error { return a.keys.Run(running) })
	g.Go(func() error {
		defer stopWorking()
		return a.relay.Run(offering)
	})
	if a.worker != nil {
		g.Go(func() error { return a.worker.Run(working) })
		g.Go(func() error { return a.drift.Run(working) })
	}
	if a.expiry != nil {
		g.Go(func() error { return a.expiry.Run(running) })
	}
	<-running.Done()
	if ctx.Err() != nil {
		a.log.Info("shutting down; press Ctrl+C again to stop at once")
	}
	err := a.drain()
	stopOffering()
	err = errors.Join(err, g.Wait(), a.close())
	a.log.Info("stopped")
	return err
}

// drain lets the servers finish the requests in progress. A request that takes longer than drainTimeout is cut off, and the provider sends
// it again.
func (a *App) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	var errs []error
	for _, l := range []*listening{&a.public, &a.admin} {
		finished, err := l.shutdown(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("shut down %s: %w", l.Addr(), err))
		}
		if !finished {
			a.log.Warn("requests cut off at shutdown", "addr", l.Addr().String(), "after", drainTimeout.String())
		}
	}
	return errors.Join(errs...)
}

// close closes everything that was opened, newest first.
func (a *App) close() error {
	var errs []error
	for i := len(a.closings) - 1; i >= 0; i-- {
		errs = append(errs, a.closings[i]())
	}
	return errors.Join(errs...)
}

// release closes the port. The server may have closed it already.
func (l *listening) release() error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
