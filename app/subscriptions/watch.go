package subscriptions

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// Inbox is what Watch asks of the store.
type Inbox interface {
	LastEvent(ctx context.Context, provider string) (models.Time, error)
	Events(ctx context.Context, f models.EventFilter, p models.Page) ([]models.Event, error)
}

// Watch asks the providers now and then whether they still send to us. One that has given up, as Trustist does after five
// failures in a row, looks from here like one to which nothing happens.
type Watch struct {
	providers []Provider
	public    string
	secrets   func() map[string][]string
	interval  time.Duration
	inbox     Inbox
	log       *slog.Logger
	now       func() time.Time

	mu     sync.Mutex
	states []handlers.SubscriptionState

	told map[subject]kind // the problem that the log has
}

// subject is what a finding is about: a webhook or, without ID, the provider.
type subject struct{ provider, id string }

// NewWatch watches the providers that have credentials; secrets returns those that are active. With an interval of 0 it does
// nothing.
func NewWatch(c Config, secrets func() map[string][]string, inbox Inbox, log *slog.Logger) *Watch {
	w := &Watch{
		public: c.PublicURL, secrets: secrets, interval: c.CheckInterval, inbox: inbox, log: log, now: time.Now,
		told: map[subject]kind{},
	}
	for _, name := range c.Configured() {
		w.providers = append(w.providers, contents[name].open(c))
	}
	return w
}

// Run checks at once and then at each interval, until ctx is done.
func (w *Watch) Run(ctx context.Context) error {
	if w.interval == 0 || len(w.providers) == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	for {
		w.Check(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// States returns what the last check found.
func (w *Watch) States() []handlers.SubscriptionState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]handlers.SubscriptionState{}, w.states...)
}

// Check is one round. A problem is logged when it appears or becomes another one, and when it is gone.
func (w *Watch) Check(ctx context.Context) {
	var states []handlers.SubscriptionState
	told := map[subject]kind{}
	for _, p := range w.providers {
		at, err := w.inbox.LastEvent(ctx, p.Name())
		if err != nil && ctx.Err() == nil {
			w.log.Warn("last event not read", "provider", p.Name(), "err", err)
		}
		found := w.findings(ctx, p)
		if ctx.Err() != nil { // the errors of a shutdown are no findings
			return
		}
		for _, f := range found {
			f.state.LastEventAt, f.state.CheckedAt = at, models.At(w.now())
			states = append(states, f.state)
			told[subject{p.Name(), f.state.ID}] = f.kind
			w.tell(f)
		}
		if found[0].kind == unchecked {
			w.keep(told, p.Name())
		}
	}
	for s, before := range w.told {
		if told[s] == well && before != well {
			w.log.Info("subscription is well again", "provider", s.provider, "id", s.id)
		}
	}
	w.told = told
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = states
}

// tell logs a problem that the last round did not have.
func (w *Watch) tell(f finding) {
	if f.kind != well && f.kind != w.told[subject{f.state.Provider, f.state.ID}] {
		w.log.Warn("subscription has a problem", "provider", f.state.Provider, "id", f.state.ID, "problem", f.state.Problem, "mend", f.state.Mend)
	}
}

// keep remembers what was wrong at a provider that does not answer: it may be so still.
func (w *Watch) keep(told map[subject]kind, provider string) {
	for s, before := range w.told {
		if _, known := told[s]; !known && s.provider == provider {
			told[s] = before
		}
	}
}

// relevant leaves out what other webhooks replace: of those with one target the inactive ones, if any is active, and else all
// but the newest. Trustist lists what was deleted for ever.
func relevant(all []Subscription) (list []Subscription) {
	for i, s := range all {
		replaced := slices.ContainsFunc(all[:i], func(o Subscription) bool { return replaces(o, s, false) }) ||
			slices.ContainsFunc(all[i+1:], func(o Subscription) bool { return replaces(o, s, true) })
		if !replaced {
			list = append(list, s)
		}
	}
	return list
}

// replaces reports whether o makes the inactive s of no interest. Of two that were created at once, the later in the list does.
func replaces(o, s Subscription, later bool) bool {
	if !s.Inactive() || o.Target() != s.Target() {
		return false
	}
	return !o.Inactive() || o.Created > s.Created || o.Created == s.Created && later
}
