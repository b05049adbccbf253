// Package app reads the configuration and puts the parts together: store, queue, relay, worker and HTTP servers. Its
// sub-package cli is the command line.
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

	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

// drainTimeout is how long a shutdown waits for answers under way.
const drainTimeout = 5 * time.Second

// App is the program, set up and not yet running. A receiver without a worker, or the reverse, lacks the other's parts.
type App struct {
	log      *slog.Logger
	store    *models.Store
	queue    *jobs.Queue
	relay    *jobs.Relay
	worker   *jobs.Worker // nil in a receiver, as is drift
	drift    *jobs.Drift
	intake   *intake
	missed   *missed
	watch    *subscriptions.Watch
	public   listening
	admin    listening
	closings []func() error
}

// New opens the database and brings it up to date, takes the ports, and prepares the queue. Its error lists all that is in
// the way, one problem per line. The samples are those of testdata: they say which fields of a payload are known.
func New(ctx context.Context, c Config, samples fs.FS, log *slog.Logger) (*App, error) {
	a := &App{log: log}
	if err := a.open(ctx, c); err != nil {
		return nil, errors.Join(err, a.close())
	}
	applied, err := migrations.Up(ctx, a.store.DB(), a.store.Dialect())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %w", err), a.close())
	}
	if len(applied) > 0 {
		log.Info("database migrated", "applied", applied)
	}
	registry, rejections, uses := jobs.NewRegistry(), &handlers.Rejections{}, &handlers.SecretUses{}
	a.relay = jobs.NewRelay(a.store, a.queue, log)
	if c.Role != RoleReceiver {
		if a.drift, err = jobs.NewDrift(a.store, samples, log); err != nil {
			return nil, errors.Join(err, a.close())
		}
		a.worker = jobs.NewWorker(a.store, a.queue, registry, a.drift, c.TrustGateSandbox == "on", log)
	}
	if c.Role == RoleWorker {
		c.API.CheckInterval, c.Secrets, c.Loaded = 0, nil, false // receivers have the secrets
	}
	receiver := handlers.NewReceiver(a.store, registry.Queue, a.relay.Wake, rejections, uses, log)
	a.intake = &intake{receiver: receiver, uses: uses, ready: a.store.Ping, log: log}
	if c.Loaded {
		a.intake.read = LoadConfig
	}
	if err := a.intake.use(c); err != nil {
		return nil, errors.Join(err, a.close())
	}
	a.watch = subscriptions.NewWatch(c.API, a.intake.secrets, a.store, log)
	a.missed = newMissed(c, pollers, a.intake.providers, receiver, log)
	a.public.serve(a.intake, maxConnections, log)
	a.admin.serve(handlers.NewAdmin(a.store, rejections, uses, a.watch.States, a.relay.Wake, c.AdminPassword, log), maxConnections, log)
	return a, nil
}

// Probe reports what else is in the way of a start whose configuration has problems, so that all of it can be mended at
// once. It leaves out the variables that the problems name already.
func Probe(ctx context.Context, c Config, problems error) error {
	a := &App{log: slog.New(slog.DiscardHandler)}
	err := a.open(ctx, c)
	if closing := a.close(); err == nil {
		return closing
	}
	var further []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, ":")
		if !strings.Contains("\n"+problems.Error(), "\n"+name+" ") {
			further = append(further, errors.New(line))
		}
	}
	return errors.Join(further...)
}

// open takes what the program needs from the machine, and tries all of it before it reports what it did not get.
func (a *App) open(ctx context.Context, c Config) error {
	var errs []error
	var err error
	if a.public.Listener, err = listen(ctx, "ADDR", c.Addr); err != nil {
		errs = append(errs, err)
	} else {
		a.closings = append(a.closings, ignoreClosed(a.public.Close))
	}
	if a.admin.Listener, err = listen(ctx, "ADMIN_ADDR", c.AdminAddr); err != nil {
		errs = append(errs, err)
	} else {
		a.closings = append(a.closings, ignoreClosed(a.admin.Close))
	}
	if err := a.openStore(ctx, c.DatabaseURL); err != nil {
		errs = append(errs, fmt.Errorf("DATABASE_URL: %w", err))
	}
	if a.queue, err = jobs.OpenQueue(c.RedisURL); err != nil {
		errs = append(errs, fmt.Errorf("REDIS_URL: %w", err))
	} else {
		a.closings = append(a.closings, a.queue.Close)
	}
	return errors.Join(errs...)
}

func (a *App) openStore(ctx context.Context, url string) (err error) {
	opening, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if a.store, err = models.Open(opening, url); err != nil {
		return err
	}
	a.closings = append(a.closings, a.store.Close)
	return nil
}

// Migrate brings the database up to date and returns what it applied.
func Migrate(ctx context.Context, c Config) (applied []string, err error) {
	store, err := models.Open(ctx, c.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return migrations.Up(ctx, store.DB(), store.Dialect())
}

func listen(ctx context.Context, name, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s (stop what does, or set %s to another port): %w", name, addr, name, err)
	}
	return l, nil
}

// ignoreClosed lets a listener be closed by its server, too.
func ignoreClosed(closing func() error) func() error {
	return func() error {
		if err := closing(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// Addr is where the webhooks come in.
func (a *App) Addr() string { return a.public.Addr().String() }

// AdminAddr is where the admin API answers.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// Run serves and works until ctx is done, then finishes what is in flight and closes everything. It can be called once.
//
// Order matters at the end: no new deliveries, then no new offers, then the workers finish, and only then do queue and
// database close under them.
func (a *App) Run(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	relayCtx, stopRelay := context.WithCancel(context.WithoutCancel(ctx))
	for _, l := range []*listening{&a.public, &a.admin} {
		g.Go(func() error {
			if err := l.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	g.Go(func() error { return a.relay.Run(relayCtx) })
	g.Go(func() error { return a.intake.Run(running) })
	g.Go(func() error { return a.missed.Run(relayCtx) })
	if a.worker != nil {
		g.Go(func() error { return a.worker.Run(relayCtx) })
		g.Go(func() error { return a.drift.Run(relayCtx) })
	}
	g.Go(func() error { return a.watch.Run(running) })
	<-running.Done()
	if ctx.Err() != nil {
		a.log.Info("shutting down; press Ctrl+C again to stop at once")
	}
	err := a.drain()
	stopRelay()
	err = errors.Join(err, g.Wait(), a.close())
	a.log.Info("stopped")
	return err
}

// drain lets the servers finish the answers under way.
func (a *App) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	var errs []error
	for _, l := range []*listening{&a.public, &a.admin} {
		errs = append(errs, l.shutdown(ctx))
	}
	return errors.Join(errs...)
}

// close gives back what open took, newest first.
func (a *App) close() error {
	var errs []error
	for i := len(a.closings) - 1; i >= 0; i-- {
		errs = append(errs, a.closings[i]())
	}
	return errors.Join(errs...)
}
