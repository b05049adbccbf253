package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// inbox is a store with some events.
type inbox struct {
	have []string
	at   models.Time
	err  error
}

func (i inbox) LastEvent(context.Context, string) (models.Time, error) { return i.at, i.err }

func (i inbox) Events(_ context.Context, f models.EventFilter, _ models.Page) ([]models.Event, error) {
	for _, id := range i.have {
		if id == f.ExternalID {
			return []models.Event{{ExternalID: id}}, nil
		}
	}
	return nil, i.err
}

// watched is a watch of one provider, which has this list of webhooks, with its log.
type watched struct {
	*Watch
	t    *testing.T
	log  *strings.Builder
	list []Subscription
	err  error
}

func watch(t *testing.T, p Provider, i inbox) *watched {
	t.Helper()
	w := &watched{t: t, log: &strings.Builder{}}
	secrets := map[string][]handlers.Secret{p.Name: {{Value: "tok"}}}
	w.Watch = NewWatch(Config{PublicURL: "https://a.example", CheckInterval: time.Hour}, secrets, i, slog.New(slog.NewTextHandler(w.log, nil)))
	p.List = func(context.Context) ([]Subscription, error) { return w.list, w.err }
	w.providers = []Provider{p}
	return w
}

// check runs a round in which the provider has these webhooks. It wants one state with this problem and this command to fix it, and so
// many warnings in the log by then.
func (w *watched) check(problem, fix string, warnings int, list ...Subscription) {
	w.t.Helper()
	w.list = list
	w.Check(w.t.Context())
	states := w.States()
	if len(states) != 1 || states[0].Problem != problem || states[0].Mend != fix {
		w.t.Errorf("states %+v, want problem %q, fixed by %q", states, problem, fix)
	}
	if n := strings.Count(w.log.String(), "subscription has a problem"); n != warnings {
		w.t.Errorf("%d warnings, want %d:\n%s", n, warnings, w.log)
	}
	if strings.Contains(fmt.Sprint(states, w.log), "/tok") {
		w.t.Errorf("the path token is shown: %v\n%s", states, w.log)
	}
}

// acme is a webhook of the provider acme.
func acme(active bool, failures int) Subscription {
	return Subscription{Provider: "acme", ID: "w1", URL: "https://a.example/webhooks/acme", Active: &active, ConsecutiveFailures: &failures}
}

// A provider that gives up after some failures in a row is noticed: the log says so once, and how to fix it.
func TestWatchNoticesDisabled(t *testing.T) {
	t.Parallel()
	at := models.At(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC))
	w := watch(t, Provider{Name: "acme"}, inbox{at: at})
	w.check("", "", 0, acme(true, 0))
	want := handlers.SubscriptionState{
		Provider: "acme", ID: "w1", URL: "https://a.example/webhooks/acme", Active: new(true), ConsecutiveFailures: new(0), LastEventAt: at,
		CheckedAt: w.States()[0].CheckedAt,
	}
	if diff := cmp.Diff(want, w.States()[0]); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	w.check("3 deliveries in a row failed: the log and GET /api/rejections say why", "", 1, acme(true, 3))
	w.check("4 deliveries in a row failed: the log and GET /api/rejections say why", "", 1, acme(true, 4)) // no news
	fix := "go run . subscriptions create acme --url https://a.example"
	w.check("it is disabled after 5 failures in a row: nothing is sent to us", fix, 2, acme(false, 5))
	w.check("it is disabled after 5 failures in a row: nothing is sent to us", fix, 2, acme(false, 5))
	w.err = errors.New("no answer")
	w.check("it cannot be checked: no answer", "", 3)
	w.err = nil
	if strings.Contains(w.log.String(), "well again") {
		t.Errorf("what cannot be checked is not well:\n%s", w.log)
	}
	w.check("", "", 3, acme(true, 0))
	if !strings.Contains(w.log.String(), "subscription is well again") {
		t.Errorf("log:\n%s", w.log)
	}
	w.check("no webhook of ours is registered", fix, 4)
	other := acme(true, 0)
	other.URL = "https://other.example/webhooks/acme"
	w.check("no webhook of ours is registered", fix, 4, other)
}

// An inactive webhook that another one has replaced is of no interest.
func TestWatchIgnoresReplaced(t *testing.T) {
	t.Parallel()
	w := watch(t, Provider{Name: "acme"}, inbox{})
	newer, newest := acme(true, 0), acme(false, 0)
	newer.ID, newer.Created = "w2", "2026-02-01"
	w.check("", "", 0, acme(false, 5), newer)
	newest.ID, newest.Created = "w3", "2026-03-01"
	w.check("it is not active: nothing is sent to us", "go run . subscriptions create acme --url https://a.example", 1, acme(false, 5), newest)
}

// The command that starts an inactive webhook again depends on what the provider's API can do.
func TestRestart(t *testing.T) {
	t.Parallel()
	remove := func(context.Context, string) error { return nil }
	update := func(context.Context, string, Wanted) (Subscription, error) { return Subscription{}, nil }
	const create = "go run . subscriptions create acme --url https://a.example"
	for want, p := range map[string]Provider{
		create: {},
		"go run . subscriptions delete acme w1 && " + create: {Delete: remove},
		"go run . subscriptions update acme w1 --enabled":    {Delete: remove, Update: update},
	} {
		p.Name = "acme"
		if got := p.Restart(acme(false, 0)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Deliveries that failed and never came are counted.
func TestWatchMissed(t *testing.T) {
	t.Parallel()
	p := Provider{Name: "acme", Deliveries: func(context.Context, string) ([]Delivery, error) {
		return []Delivery{{ID: "d1", EventID: "came", Status: "failed"}, {ID: "d2", EventID: "lost", Status: "failed"}, {ID: "d3", EventID: "fine", Status: "success"}}, nil
	}}
	watch(t, p, inbox{have: []string{"came"}}).check("1 deliveries failed and never came", "go run . subscriptions deliveries acme w1 --missing", 1, acme(true, 0))
	p.Deliveries = func(context.Context, string) ([]Delivery, error) { return nil, errors.New("no") }
	watch(t, p, inbox{}).check("its deliveries cannot be read: no", "", 1, acme(true, 0))
}

// A database that does not answer, and a shutdown, are not findings about a subscription.
func TestWatchOutlivesTrouble(t *testing.T) {
	t.Parallel()
	w := watch(t, Provider{Name: "acme"}, inbox{err: errors.New("database is closed")})
	w.check("", "", 0, acme(true, 0))
	if !strings.Contains(w.log.String(), "last event not read") {
		t.Errorf("log:\n%s", w.log)
	}
	before := w.States()
	ended, stop := context.WithCancel(t.Context())
	stop()
	w.list = nil
	w.Check(ended)
	if diff := cmp.Diff(before, w.States()); diff != "" {
		t.Errorf("after a shutdown (-before +after):\n%s", diff)
	}
	if err := w.Run(ended); err != nil {
		t.Error(err)
	}
	off := NewWatch(Config{}, nil, inbox{}, slog.New(slog.DiscardHandler))
	if err := off.Run(ended); err != nil || len(off.States()) != 0 {
		t.Errorf("without credentials: %v %v", err, off.States())
	}
}
