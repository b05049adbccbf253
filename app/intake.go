package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"example.com/identity-webhooks/handlers"
)

// rereadEvery is how often the secrets are read again. They count when they read the same twice: a file may be half written.
const rereadEvery = time.Second

// intake is the public handler. The secrets of its providers may change while it runs, so that a rotation needs no restart.
type intake struct {
	receiver *handlers.Receiver
	uses     *handlers.SecretUses
	ready    func(context.Context) error
	log      *slog.Logger
	current  atomic.Pointer[verifying]

	read func() (Config, error) // nil: the secrets stay
	seen map[string][]string    // when they were read last
	told string                 // the problem that the log has
}

// verifying is what follows from the secrets.
type verifying struct {
	config    Config
	providers map[string]handlers.Provider
	router    http.Handler
}

// ServeHTTP implements http.Handler.
func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in.current.Load().router.ServeHTTP(w, r)
}

// providers are those that deliveries are taken from now.
func (in *intake) providers() map[string]handlers.Provider { return in.current.Load().providers }

// secrets are those that are active now.
func (in *intake) secrets() map[string][]string { return in.current.Load().config.Secrets }

// use takes deliveries that the secrets of c verify from now on. Those under way go on with the secrets of before.
func (in *intake) use(c Config) error {
	providers, err := c.Providers()
	if err != nil {
		return err
	}
	in.uses.Set(c.Secrets)
	in.current.Store(&verifying{c, providers, handlers.NewRouter(in.receiver, providers, in.ready, in.log)})
	return nil
}

// Run reads the secrets again and again, until ctx is done.
func (in *intake) Run(ctx context.Context) error {
	if in.read == nil {
		return nil
	}
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			in.reread()
		case <-ctx.Done():
			return nil
		}
	}
}

// reread takes over secrets that have changed. Where they cannot be read, those of before stay, and the log has it once.
func (in *intake) reread() {
	c, err := in.read()
	if err == nil {
		err = in.change(c)
	}
	switch {
	case err == nil:
		in.told = ""
	case err.Error() != in.told:
		in.told = err.Error()
		in.log.Warn("secrets cannot be taken over; those of before stay active", "err", err)
	}
}

func (in *intake) change(c Config) error {
	same := func(a, b map[string][]string) bool { return maps.EqualFunc(a, b, slices.Equal) }
	settled := same(c.Secrets, in.seen)
	in.seen = c.Secrets
	old := in.current.Load().config
	if !settled || same(c.Secrets, old.Secrets) {
		return nil
	}
	for _, provider := range slices.Sorted(maps.Keys(old.Secrets)) {
		if len(c.Secrets[provider]) == 0 && old.SecretsFile == "" {
			return fmt.Errorf("%s has no secret any more: to take nothing from it, restart", provider)
		}
	}
	next := old // the rest of the configuration stays as it was at the start
	next.Secrets, next.SecretPaths, next.SecretsFile = c.Secrets, c.SecretPaths, c.SecretsFile
	if err := in.use(next); err != nil {
		return err
	}
	for _, provider := range handlers.ProviderNames() {
		if !slices.Equal(c.Secrets[provider], old.Secrets[provider]) {
			var fingerprints []string
			for _, s := range c.Secrets[provider] {
				fingerprints = append(fingerprints, handlers.Fingerprint(s))
			}
			in.log.Info("secrets changed", "provider", provider, "active", fingerprints)
		}
	}
	return nil
}
