package subscriptions

import (
	"context"
	"fmt"
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

// Watch asks the providers at intervals whether they still send to us. To us, a provider that has given up, as Trustist does after
// five failures in a row, looks like one that has no news.
type Watch struct {
	providers []Provider
	public    string
	secrets   map[string][]handlers.Secret
	interval  time.Duration
	inbox     Inbox
	log       *slog.Logger
	now       func() time.Time

	mu     sync.Mutex
	states []handlers.SubscriptionState

	logged map[subject]problem // the problems of the last round
}

// subject is what a finding is about: a webhook or, without an ID, the provider.
type subject struct{ provider, id string }

// problem is what is wrong, without the numbers that change from round to round; empty if nothing is.
type problem string

// The problems of a subscription.
const (
	unchecked problem = "it cannot be checked: %v"
	absent    problem = "no webhook of ours is registered"
	disabled  problem = "it is disabled after %d failures in a row: nothing is sent to us"
	inactive  problem = "it is not active: nothing is sent to us"
	stranger  problem = "its path token is none of ours: all it sends is refused"
	failing   problem = "%d deliveries in a row failed: the log and GET /api/rejections say why"
	unlisted  problem = "its deliveries cannot be read: %v"
	missed    problem = "%d deliveries failed and never came"
)

// finding is a subscription and what is wrong with it.
type finding struct {
	problem problem
	state   handlers.SubscriptionState
}

// is sets the problem, and the command that fixes it.
func (f finding) is(p problem, fix string, args ...any) finding {
	f.problem, f.state.Problem, f.state.Mend = p, fmt.Sprintf(string(p), args...), fix
	return f
}

// NewWatch watches the providers that have credentials. The secrets are the active ones, by provider. With a check interval of 0 it
// does nothing.
func NewWatch(c Config, secrets map[string][]handlers.Secret, inbox Inbox, log *slog.Logger) *Watch {
	return &Watch{
		providers: c.Configured(), public: c.PublicURL, secrets: secrets, interval: c.CheckInterval, inbox: inbox, log: log,
		now: time.Now, logged: map[subject]problem{},
	}
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

// Check is one round. A problem is logged when it appears or turns into another one, and when it is gone.
func (w *Watch) Check(ctx context.Context) {
	var states []handlers.SubscriptionState
	logged := map[subject]problem{}
	for _, p := range w.providers {
		at, err := w.inbox.LastEvent(ctx, p.Name)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("last event not read", "provider", p.Name, "err", err)
		}
		found := w.findings(ctx, p)
		if ctx.Err() != nil { // errors of a shutdown are not findings
			return
		}
		for _, f := range found {
			f.state.Provider, f.state.LastEventAt, f.state.CheckedAt = p.Name, at, models.At(w.now())
			states = append(states, f.state)
			s := subject{p.Name, f.state.ID}
			if logged[s] = f.problem; f.problem != "" && f.problem != w.logged[s] {
				w.log.Warn("subscription has a problem", "provider", p.Name, "id", f.state.ID, "problem", f.state.Problem, "fix", f.state.Mend)
			}
		}
		if found[0].problem == unchecked { // what was wrong may still be
			for s, before := range w.logged {
				if _, known := logged[s]; !known && s.provider == p.Name {
					logged[s] = before
				}
			}
		}
	}
	for s, before := range w.logged {
		if logged[s] == "" && before != "" {
			w.log.Info("subscription is well again", "provider", s.provider, "id", s.id)
		}
	}
	w.logged = logged
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = states
}

// findings are those of one provider, at least one.
func (w *Watch) findings(ctx context.Context, p Provider) []finding {
	if p.List == nil {
		return []finding{{}}
	}
	all, err := p.List(ctx)
	if err != nil {
		return []finding{finding{}.is(unchecked, "", err)}
	}
	if target, err := TargetURL(w.public, p.Name, ""); err == nil {
		all = slices.DeleteFunc(all, func(s Subscription) bool { return s.Target() != target })
	}
	all = current(all)
	if len(all) == 0 {
		return []finding{finding{}.is(absent, createCommand(p.Name, w.public))}
	}
	var found []finding
	for _, s := range all {
		found = append(found, w.judge(ctx, p, s))
	}
	return found
}

// judge says what is wrong with a webhook, the worst first.
func (w *Watch) judge(ctx context.Context, p Provider, s Subscription) finding {
	f := finding{"", handlers.SubscriptionState{ID: s.ID, URL: s.Target(), Active: s.Active, ConsecutiveFailures: s.ConsecutiveFailures}}
	failures := 0
	if s.ConsecutiveFailures != nil {
		failures = *s.ConsecutiveFailures
	}
	token := s.Token()
	isOurs := func(secret handlers.Secret) bool { return secret.Value == token }
	switch {
	case s.Inactive() && failures > 0:
		return f.is(disabled, p.Restart(s), failures)
	case s.Inactive():
		return f.is(inactive, p.Restart(s))
	case token != "" && !slices.ContainsFunc(w.secrets[p.Name], isOurs):
		return f.is(stranger, p.Restart(s))
	case failures > 0:
		return f.is(failing, "", failures)
	case p.Deliveries == nil:
		return f
	}
	switch n, err := w.countMissed(ctx, p, s.ID); {
	case err != nil:
		return f.is(unlisted, "", err)
	case n > 0:
		return f.is(missed, "go run . subscriptions deliveries "+p.Name+" "+s.ID+" --missing", n)
	}
	return f
}

// maxFailed is how many failed deliveries are looked up in the inbox, in each round.
const maxFailed = 100

// countMissed counts the failed deliveries whose event is not in the inbox.
func (w *Watch) countMissed(ctx context.Context, p Provider, id string) (n int, err error) {
	deliveries, err := p.Deliveries(ctx, id)
	if err != nil {
		return 0, err
	}
	failed := slices.DeleteFunc(deliveries, func(d Delivery) bool { return !d.Failed() })
	for _, d := range failed[:min(len(failed), maxFailed)] {
		var have []models.Event
		if d.EventID != "" {
			have, err = w.inbox.Events(ctx, models.EventFilter{Provider: p.Name, ExternalID: d.EventID}, models.Page{Limit: 1})
		}
		if err != nil {
			return 0, err
		}
		if len(have) == 0 {
			n++
		}
	}
	return n, nil
}

// current leaves out inactive webhooks that another one with the same target has replaced: an active one, or a newer one. Trustist
// lists deleted webhooks for ever.
func current(all []Subscription) (list []Subscription) {
	for i, s := range all {
		replaced := false
		for j, o := range all {
			newer := o.Created > s.Created || o.Created == s.Created && j > i
			replaced = replaced || i != j && s.Inactive() && o.Target() == s.Target() && (!o.Inactive() || newer)
		}
		if !replaced {
			list = append(list, s)
		}
	}
	return list
}
