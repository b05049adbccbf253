package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	if slices.Contains(i.have, f.ExternalID) {
		return []models.Event{{ExternalID: f.ExternalID}}, nil
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

// check runs a round in which the provider has these webhooks. It wants one state with this problem and this command to
// fix it, and so many warnings in the log by then.
func (w *watched) check(problem, fix string, warnings int, list ...Subscription) {
	w.t.Helper()
	w.list = list
	w.Check(w.t.Context())
	states := w.States()
	if len(states) != 1 || states[0].Problem != problem || states[0].Fix != fix {
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
	return Subscription{Provider: "acme", ID: "w1", Target: "https://a.example/webhooks/acme", Active: &active, ConsecutiveFailures: &failures}
}

const createAcme = "go run . subscriptions create acme --url https://a.example"

// A provider that gives up after some failures in a row is noticed: it is logged once, with the command that fixes it.
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
	const failing = "its last deliveries failed: the log and GET /api/rejections say why"
	const disabled = "it is disabled after 5 failures in a row: nothing is sent to us"
	w.check(failing, "", 1, acme(true, 3))
	w.check(failing, "", 1, acme(true, 4)) // no news
	w.check(disabled, createAcme, 2, acme(false, 5))
	w.err = errors.New("no answer")
	w.check("it cannot be checked: no answer", "", 3)
	w.err = nil
	if w.check(disabled, createAcme, 4, acme(false, 5)); strings.Contains(w.log.String(), "work again") {
		t.Errorf("it does not work again:\n%s", w.log)
	}
	w.check("", "", 4, acme(true, 0))
	if !strings.Contains(w.log.String(), "subscriptions work again") {
		t.Errorf("log:\n%s", w.log)
	}
	other := acme(true, 0)
	other.Target = "https://other.example/webhooks/acme"
	w.check("no webhook of ours is registered", createAcme, 5, other)
}

// An inactive webhook that another one has replaced is of no interest. The newest one is to be activated.
func TestWatchIgnoresReplaced(t *testing.T) {
	t.Parallel()
	update := func(context.Context, string, Wanted) (Subscription, error) { return Subscription{}, nil }
	w := watch(t, Provider{Name: "acme", Update: update}, inbox{})
	newer, newest := acme(true, 0), acme(false, 0)
	newer.ID, newer.Created = "w2", "2026-02-01"
	w.check("", "", 0, acme(false, 5), newer)
	newest.ID, newest.Created = "w3", "2026-03-01"
	const fix = "go run . subscriptions update acme w3 --enabled"
	w.check("it is not active: nothing is sent to us", fix, 1, acme(false, 5), newest)
}

// A delivery that failed and never came is noticed.
func TestWatchMissed(t *testing.T) {
	t.Parallel()
	p := Provider{Name: "acme", Deliveries: func(context.Context, string) ([]Delivery, error) {
		return []Delivery{
			{EventID: "came", Status: "FAILURE"}, {EventID: "lost", Status: "503"}, {EventID: "fine", Status: "200"},
			{EventID: "soon", Status: "pending"}, {Status: "failed"},
		}, nil
	}}
	const fix = "go run . subscriptions deliveries acme w1 --missing"
	watch(t, p, inbox{have: []string{"came"}}).check("deliveries failed, and their events never arrived", fix, 1, acme(true, 0))
	watch(t, p, inbox{have: []string{"came", "lost"}}).check("", "", 0, acme(true, 0))
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
	if err := w.Run(ended); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, w.States()); diff != "" {
		t.Errorf("after a shutdown (-before +after):\n%s", diff)
	}
	off := NewWatch(Config{}, nil, inbox{}, slog.New(slog.DiscardHandler))
	if err := off.Run(ended); err != nil || len(off.States()) != 0 {
		t.Errorf("without credentials: %v %v", err, off.States())
	}
}
