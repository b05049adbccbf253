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

// Inbox is the part of the store that Watch uses.
type Inbox interface {
	LastEvent(ctx context.Context, provider string) (models.Time, error)
	Events(ctx context.Context, f models.EventFilter, p models.Page) ([]models.Event, error)
}

// Watch asks the providers at intervals whether they still send to us. Without asking, we could not tell a provider that has
// disabled our webhook, as Trustist does after five failures in a row, from a provider that has no events.
type Watch struct {
	providers []Provider
	config    Config
	secrets   map[string][]handlers.Secret
	inbox     Inbox
	log       *slog.Logger

	mu     sync.Mutex
	states []handlers.SubscriptionState
}

// NewWatch returns a Watch for the providers that have credentials. The secrets are the active ones, by provider. If the
// check interval is 0, the Watch does nothing.
func NewWatch(c Config, secrets map[string][]handlers.Secret, inbox Inbox, log *slog.Logger) *Watch {
	return &Watch{providers: c.Configured(), config: c, secrets: secrets, inbox: inbox, log: log}
}

// Run checks at once and then at each interval, until ctx is done.
func (w *Watch) Run(ctx context.Context) error {
	if w.config.CheckInterval == 0 || len(w.providers) == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(w.config.CheckInterval)
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

// Check runs one round of checks.
func (w *Watch) Check(ctx context.Context) {
	before := w.States()
	var states []handlers.SubscriptionState
	for _, p := range w.providers {
		last, err := w.inbox.LastEvent(ctx, p.Name)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("last event not read", "provider", p.Name, "err", err)
		}
		for _, s := range w.inspect(ctx, p) {
			s.Provider, s.LastEventAt, s.CheckedAt = p.Name, last, models.At(time.Now())
			states = append(states, s)
		}
	}
	if ctx.Err() != nil { // errors of a shutdown are not findings
		return
	}
	w.report(before, states)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states = states
}

// report logs each problem that is new or has changed, and each provider whose problems are gone.
func (w *Watch) report(before, now []handlers.SubscriptionState) {
	for _, s := range now {
		isSame := func(old handlers.SubscriptionState) bool {
			return old.Provider == s.Provider && old.ID == s.ID && old.Problem == s.Problem
		}
		if s.Problem != "" && !slices.ContainsFunc(before, isSame) {
			w.log.Warn("subscription has a problem", "provider", s.Provider, "id", s.ID, "problem", s.Problem, "fix", s.Fix)
		}
	}
	for _, p := range w.providers {
		isBroken := func(s handlers.SubscriptionState) bool { return s.Provider == p.Name && s.Problem != "" }
		if slices.ContainsFunc(before, isBroken) && !slices.ContainsFunc(now, isBroken) {
			w.log.Info("subscriptions work again", "provider", p.Name)
		}
	}
}

// inspect returns the states of a provider's webhooks. If there are none, or they cannot be listed, it returns one state
// without an ID.
func (w *Watch) inspect(ctx context.Context, p Provider) (states []handlers.SubscriptionState) {
	if p.List == nil {
		return []handlers.SubscriptionState{{}}
	}
	all, err := p.List(ctx)
	if err != nil {
		return []handlers.SubscriptionState{{Problem: "it cannot be checked: " + err.Error()}}
	}
	if target, err := TargetURL(w.config.PublicURL, p.Name, ""); err == nil {
		all = slices.DeleteFunc(all, func(s Subscription) bool { return s.Target != target })
	}
	for _, s := range withoutReplaced(all) {
		state := handlers.SubscriptionState{ID: s.ID, URL: s.Target, Active: s.Active, ConsecutiveFailures: s.ConsecutiveFailures}
		state.Problem, state.Fix = w.judge(ctx, p, s)
		states = append(states, state)
	}
	if len(states) == 0 {
		return []handlers.SubscriptionState{{Problem: "no webhook of ours is registered", Fix: p.fix("", w.config.PublicURL)}}
	}
	return states
}

// judge returns the worst problem of a webhook, and the command that fixes it. The text of the problem has no
// number that changes from round to round: report would log it each time.
func (w *Watch) judge(ctx context.Context, p Provider, s Subscription) (problem, fix string) {
	failures := 0
	if s.ConsecutiveFailures != nil {
		failures = *s.ConsecutiveFailures
	}
	isToken := func(secret handlers.Secret) bool { return secret.Value == s.Token }
	switch {
	case s.Inactive() && failures > 0:
		return fmt.Sprintf("it is disabled after %d failures in a row: nothing is sent to us", failures), p.fix(s.ID, s.Target)
	case s.Inactive():
		return "it is not active: nothing is sent to us", p.fix(s.ID, s.Target)
	case s.Token != "" && !slices.ContainsFunc(w.secrets[p.Name], isToken):
		return "the token in its URL is not one of our secrets: all its deliveries are refused", p.fix(s.ID, s.Target)
	case failures > 0:
		return "its last deliveries failed: the log and GET /api/rejections say why", ""
	case p.Deliveries == nil:
		return "", ""
	}
	isMissed, err := w.hasMissed(ctx, p, s.ID)
	switch {
	case err != nil:
		return fmt.Sprintf("its deliveries cannot be read: %v", err), ""
	case isMissed:
		return "deliveries failed, and their events never arrived",
			fmt.Sprintf("go run . subscriptions deliveries %s %s --missing", p.Name, s.ID)
	}
	return "", ""
}

// failedStatus matches the status of a delivery that failed: an HTTP status or a word. No list of the words is documented.
var failedStatus = regexp.MustCompile(`(?i)fail|error|dead|exhaust|^[345]\d\d$`)

// hasMissed reports whether the event of a failed delivery is not in the inbox.
func (w *Watch) hasMissed(ctx context.Context, p Provider, id string) (bool, error) {
	deliveries, err := p.Deliveries(ctx, id)
	if err != nil {
		return false, err
	}
	for _, d := range deliveries {
		if d.EventID == "" || !failedStatus.MatchString(d.Status) {
			continue
		}
		have, err := w.inbox.Events(ctx, models.EventFilter{Provider: p.Name, ExternalID: d.EventID}, models.Page{Limit: 1})
		if err != nil || len(have) == 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// withoutReplaced leaves out inactive webhooks if an active or a newer webhook has the same target: Trustist never removes
// deleted webhooks from its list.
func withoutReplaced(all []Subscription) []Subscription {
	return slices.DeleteFunc(slices.Clone(all), func(s Subscription) bool {
		return s.Inactive() && slices.ContainsFunc(all, func(other Subscription) bool {
			return other.Target == s.Target && (!other.Inactive() || other.Created > s.Created)
		})
	})
}

// fix returns the command that makes the provider send to a webhook again. Without an ID, the command creates a webhook.
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
