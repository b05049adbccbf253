package subscriptions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// kind is what is wrong, without the numbers that change from round to round.
type kind string

const (
	well      kind = ""
	unchecked kind = "unchecked"
	absent    kind = "absent"
	inactive  kind = "inactive"
	stranger  kind = "stranger"
	faltering kind = "faltering"
	missing   kind = "missing"
	unlisted  kind = "unlisted"
)

// finding is a subscription and what is wrong with it.
type finding struct {
	kind  kind
	state handlers.SubscriptionState
}

// mender says how one of its webhooks is set going again, where that is not to create another one.
type mender interface{ mend(s Subscription) string }

// findings are those of one provider.
func (w *Watch) findings(ctx context.Context, p Provider) []finding {
	state := handlers.SubscriptionState{Provider: p.Name()}
	lister, able := p.(Lister)
	if !able {
		return []finding{{well, state}}
	}
	all, err := lister.List(ctx)
	if err != nil {
		state.Problem = "it cannot be checked: " + err.Error()
		return []finding{{unchecked, state}}
	}
	list := relevant(w.ours(p.Name(), all))
	if len(list) == 0 {
		state.Problem, state.Mend = "no webhook of ours is registered", createCommand(p.Name(), w.public)
		return []finding{{absent, state}}
	}
	var found []finding
	for _, s := range list {
		found = append(found, w.judge(ctx, p, s))
	}
	return found
}

// ours are the webhooks that send to PUBLIC_URL; all, if that is not set.
func (w *Watch) ours(provider string, all []Subscription) []Subscription {
	target, err := TargetURL(w.public, provider, "")
	if err != nil {
		return all
	}
	return Limited(all, target)
}

// judge says what is wrong with a webhook, the worst first.
func (w *Watch) judge(ctx context.Context, p Provider, s Subscription) finding {
	f := finding{well, handlers.SubscriptionState{
		Provider: p.Name(), ID: s.ID, URL: s.Target(), Active: s.Active, ConsecutiveFailures: s.ConsecutiveFailures,
	}}
	recreate := createCommand(p.Name(), s.URL)
	if m, able := p.(mender); able {
		recreate = m.mend(s)
	}
	failures := 0
	if s.ConsecutiveFailures != nil {
		failures = *s.ConsecutiveFailures
	}
	problem := func(k kind, mend, format string, args ...any) finding {
		f.kind, f.state.Problem, f.state.Mend = k, fmt.Sprintf(format, args...), mend
		return f
	}
	switch {
	case s.Inactive() && failures > 0:
		return problem(inactive, recreate, "it is disabled after %d failures in a row: nothing is sent to us", failures)
	case s.Inactive():
		return problem(inactive, recreate, "it is not active: nothing is sent to us")
	case s.Token() != "" && !slices.Contains(w.secrets()[p.Name()], s.Token()):
		return problem(stranger, recreate, "its path token is none of ours: all it sends is refused")
	case failures > 0:
		return problem(faltering, "", "%d deliveries in a row failed: the log and GET /api/rejections say why", failures)
	}
	lister, able := p.(DeliveryLister)
	if !able {
		return f
	}
	never, err := w.neverCame(ctx, lister, s)
	switch command := "go run . subscriptions deliveries " + p.Name() + " " + s.ID + " --missing"; {
	case err != nil:
		return problem(unlisted, "", "its deliveries cannot be read: %v", err)
	case never > 0:
		return problem(missing, command, "%d deliveries failed and never came", never)
	}
	return f
}

// mostFailed is how many failed deliveries are looked for in the inbox, in each round.
const mostFailed = 100

// neverCame counts the failed deliveries whose event is not in the inbox.
func (w *Watch) neverCame(ctx context.Context, lister DeliveryLister, s Subscription) (n int, err error) {
	deliveries, err := lister.Deliveries(ctx, s.ID)
	if err != nil {
		return 0, err
	}
	failed := slices.DeleteFunc(deliveries, func(d Delivery) bool { return !d.Failed() })
	for _, d := range failed[:min(len(failed), mostFailed)] {
		if d.EventID != "" {
			have, err := w.inbox.Events(ctx, models.EventFilter{Provider: s.Provider, ExternalID: d.EventID}, models.Page{Limit: 1})
			if err != nil {
				return 0, err
			}
			if len(have) > 0 {
				continue
			}
		}
		n++
	}
	return n, nil
}

// createCommand registers the host of a URL with a provider.
func createCommand(provider, raw string) string {
	command := "go run . subscriptions create " + provider
	if base, _, _ := strings.Cut(raw, "/webhooks"); base != "" {
		command += " --url " + base
	}
	return command
}
