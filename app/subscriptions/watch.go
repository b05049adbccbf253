package subscriptions

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
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

	mu     sync.Mutex
	states []handlers.SubscriptionState

	problems map[string]map[string]string // of the last round, by provider and ID; the ID of the provider itself is empty
}

// NewWatch watches the providers that have credentials. The secrets are the active ones, by provider. With a check interval of 0 it
// does nothing.
func NewWatch(c Config, secrets map[string][]handlers.Secret, inbox Inbox, log *slog.Logger) *Watch {
	return &Watch{
		providers: c.Configured(), public: c.PublicURL, secrets: secrets, interval: c.CheckInterval, inbox: inbox, log: log,
		problems: map[string]map[string]string{},
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
	for _, p := range w.providers {
		last, err := w.inbox.LastEvent(ctx, p.Name)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("last event not read", "provider", p.Name, "err", err)
		}
		found, err := w.inspect(ctx, p)
		if ctx.Err() != nil { // errors of a shutdown are not findings
			return
		}
		w.report(p.Name, found, err == nil)
		for _, s := range found {
			s.Provider, s.LastEventAt, s.CheckedAt = p.Name, last, models.At(time.Now())
			states = append(states, s)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = states
}

// report logs what has changed since the last round. If the provider did not answer, no problem is gone.
func (w *Watch) report(provider string, found []handlers.SubscriptionState, answered bool) {
	before, now := w.problems[provider], map[string]string{}
	for _, s := range found {
		now[s.ID] = s.Problem
		if s.Problem != "" && s.Problem != before[s.ID] {
			w.log.Warn("subscription has a problem", "provider", provider, "id", s.ID, "problem", s.Problem, "fix", s.Mend)
		}
	}
	for id, problem := range before {
		if answered && problem != "" && now[id] == "" {
			w.log.Info("subscription works again", "provider", provider, "id", id)
		}
	}
	w.problems[provider] = now
}

// inspect returns the states of a provider's webhooks, or one without an ID if there are none or the provider cannot list them.
func (w *Watch) inspect(ctx context.Context, p Provider) (states []handlers.SubscriptionState, err error) {
	if p.List == nil {
		return []handlers.SubscriptionState{{}}, nil
	}
	all, err := p.List(ctx)
	if err != nil {
		return []handlers.SubscriptionState{{Problem: "it cannot be checked: " + err.Error()}}, err
	}
	if target, err := TargetURL(w.public, p.Name, ""); err == nil {
		all = slices.DeleteFunc(all, func(s Subscription) bool { return s.Target != target })
	}
	for _, s := range current(all) {
		states = append(states, w.judge(ctx, p, s))
	}
	if len(states) == 0 {
		return []handlers.SubscriptionState{{Problem: "no webhook of ours is registered", Mend: p.fix("", w.public)}}, nil
	}
	return states, nil
}

// judge says what is wrong with a webhook, the worst first. The problem has no number that changes from round to round.
func (w *Watch) judge(ctx context.Context, p Provider, s Subscription) handlers.SubscriptionState {
	state := handlers.SubscriptionState{ID: s.ID, URL: s.Target, Active: s.Active, ConsecutiveFailures: s.ConsecutiveFailures}
	failures := 0
	if s.ConsecutiveFailures != nil {
		failures = *s.ConsecutiveFailures
	}
	isToken := func(secret handlers.Secret) bool { return secret.Value == s.Token }
	switch {
	case s.Inactive() && failures > 0:
		state.Problem = fmt.Sprintf("it is disabled after %d failures in a row: nothing is sent to us", failures)
		state.Mend = p.fix(s.ID, s.Target)
	case s.Inactive():
		state.Problem, state.Mend = "it is not active: nothing is sent to us", p.fix(s.ID, s.Target)
	case s.Token != "" && !slices.ContainsFunc(w.secrets[p.Name], isToken):
		state.Problem, state.Mend = "its path token is none of ours: all it sends is refused", p.fix(s.ID, s.Target)
	case failures > 0:
		state.Problem = "its last deliveries failed: the log and GET /api/rejections say why"
	case p.Deliveries != nil:
		isMissed, err := w.hasMissed(ctx, p, s.ID)
		if err != nil {
			state.Problem = fmt.Sprintf("its deliveries cannot be read: %v", err)
		} else if isMissed {
			state.Problem = "deliveries failed, and their events never arrived"
			state.Mend = "go run . subscriptions deliveries " + p.Name + " " + s.ID + " --missing"
		}
	}
	return state
}

// maxFailed is how many failed deliveries are looked up in the inbox, in each round.
const maxFailed = 100

// failedStatus matches the status of a delivery that did not succeed: an HTTP status or a word. No list of the words is documented.
var failedStatus = regexp.MustCompile(`(?i)fail|error|dead|exhaust|^[345]\d\d$`)

// hasMissed reports whether a failed delivery is of an event that is not in the inbox.
func (w *Watch) hasMissed(ctx context.Context, p Provider, id string) (bool, error) {
	deliveries, err := p.Deliveries(ctx, id)
	if err != nil {
		return false, err
	}
	failed := slices.DeleteFunc(deliveries, func(d Delivery) bool { return !failedStatus.MatchString(d.Status) })
	for _, d := range failed[:min(len(failed), maxFailed)] {
		if d.EventID == "" {
			return true, nil
		}
		have, err := w.inbox.Events(ctx, models.EventFilter{Provider: p.Name, ExternalID: d.EventID}, models.Page{Limit: 1})
		if err != nil || len(have) == 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// current leaves out inactive webhooks with the same target as an active or a newer one: Trustist lists deleted webhooks for ever.
func current(all []Subscription) []Subscription {
	return slices.DeleteFunc(slices.Clone(all), func(s Subscription) bool {
		return s.Inactive() && slices.ContainsFunc(all, func(other Subscription) bool {
			return other.Target == s.Target && (!other.Inactive() || other.Created > s.Created)
		})
	})
}

// fix is the command that makes the provider send again to a webhook or, without an ID, for the first time.
func (p Provider) fix(id, address string) string {
	create := "go run . subscriptions create " + p.Name
	if base, _, _ := strings.Cut(address, "/webhooks"); base != "" {
		create += " --url " + base
	}
	switch {
	case id == "" || p.Single:
		return create
	case p.Update != nil:
		return fmt.Sprintf("go run . subscriptions update %s %s --enabled", p.Name, id)
	case p.Delete != nil:
		return fmt.Sprintf("go run . subscriptions delete %s %s && %s", p.Name, id, create)
	}
	return create
}
