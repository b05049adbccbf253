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

	"example.com/identity-webhooks/models"
)

// inbox is a store with some of TRST's events.
type inbox struct {
	have []string
	at   models.Time
	err  error
}

func (i inbox) LastEvent(context.Context, string) (models.Time, error) { return i.at, i.err }

func (i inbox) Events(_ context.Context, f models.EventFilter, _ models.Page) ([]models.Event, error) {
	for _, id := range i.have {
		if id == f.ExternalID && f.Provider == "trst" {
			return []models.Event{{ExternalID: id}}, nil
		}
	}
	return nil, i.err
}

// watched is a watch of one provider's double, with its log.
type watched struct {
	*Watch
	t   *testing.T
	log *strings.Builder
}

func watch(t *testing.T, d *double, name string, i inbox) watched {
	t.Helper()
	log := &strings.Builder{}
	c := d.config()
	c.PublicURL, c.CheckInterval = "https://yourapp.com", time.Hour
	w := NewWatch(c, func() map[string][]string { return map[string][]string{"trustist": {"tok"}} }, i, slog.New(slog.NewTextHandler(log, nil)))
	for _, p := range w.providers {
		if p.Name() == name {
			w.providers = []Provider{p}
			return watched{w, t, log}
		}
	}
	t.Fatalf("%s is not watched", name)
	return watched{}
}

// check runs a round and wants one subscription with this problem, and so many warnings in the log by then.
func (w watched) check(problem, mend string, warnings int) {
	w.t.Helper()
	w.Check(w.t.Context())
	states := w.States()
	if len(states) != 1 || states[0].Problem != problem || states[0].Mend != mend {
		w.t.Errorf("states %+v, want problem %q, mended by %q", states, problem, mend)
	}
	if n := strings.Count(w.log.String(), "subscription has a problem"); n != warnings {
		w.t.Errorf("%d warnings, want %d:\n%s", n, warnings, w.log)
	}
	if strings.Contains(fmt.Sprint(states, w.log), "/tok") {
		w.t.Errorf("the path token is shown: %v\n%s", states, w.log)
	}
}

func trustistList(failures int, active bool) answer {
	return answer{body: fmt.Sprintf(`[{"id":"w1","url":"https://yourapp.com/webhooks/trustist/tok","events":["onboard.session.completed"],
		"isActive":%t,"created":"2025-10-21T10:00:00Z","consecutiveFailures":%d}]`, active, failures)}
}

// Trustist disables a webhook after five failures in a row: the next round notices, says so once, and says how to mend it.
func TestWatchNoticesDisabled(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	at := models.At(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC))
	w := watch(t, d, "trustist", inbox{at: at})
	call := "GET " + trustistOlder
	d.on(call, trustistList(0, true))
	w.check("", "", 0)
	if state := w.States()[0]; state.LastEventAt != at || state.ID != "w1" || *state.ConsecutiveFailures != 0 || !*state.Active {
		t.Errorf("state %+v", state)
	}
	d.on(call, trustistList(3, true))
	w.check("3 deliveries in a row failed: the log and GET /api/rejections say why", "", 1)
	d.on(call, trustistList(4, true))
	w.check("4 deliveries in a row failed: the log and GET /api/rejections say why", "", 1) // no news
	d.on(call, trustistList(5, false))
	mend := "go run . subscriptions delete trustist w1 && go run . subscriptions create trustist --url https://yourapp.com"
	w.check("it is disabled after 5 failures in a row: nothing is sent to us", mend, 2)
	w.check("it is disabled after 5 failures in a row: nothing is sent to us", mend, 2)
	d.on(call, trustistList(0, true))
	w.check("", "", 2)
	if !strings.Contains(w.log.String(), "subscription is well again") {
		t.Errorf("log:\n%s", w.log)
	}
}

func TestWatchFindings(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	w := watch(t, d, "trustist", inbox{})
	call := "GET " + trustistOlder
	d.on(call, answer{body: `[]`})
	w.check("no webhook of ours is registered", "go run . subscriptions create trustist --url https://yourapp.com", 1)
	d.on(call, answer{status: 403, body: `{"error":"no"}`})
	w.Check(t.Context())
	if state := w.States()[0]; !strings.HasPrefix(state.Problem, "it cannot be checked: ") || !strings.Contains(state.Problem, "manage_webhooks") {
		t.Errorf("state %+v, want the permission named", state)
	}
	other := trustistList(0, true)
	other.body = strings.Replace(other.body, "/tok", "/gone", 1)
	d.on(call, other)
	w.check("its path token is none of ours: all it sends is refused",
		"go run . subscriptions delete trustist w1 && go run . subscriptions create trustist --url https://yourapp.com", 3)
	// One that was deleted stays in the list; another one has taken its place.
	replaced := trustistList(5, false)
	replaced.body = strings.TrimSuffix(replaced.body, "]") + `,{"id":"w2","url":"https://yourapp.com/webhooks/trustist/tok","isActive":true,"created":"2025-10-22T10:00:00Z"}]`
	d.on(call, replaced)
	w.check("", "", 3)
	if !strings.Contains(w.log.String(), "subscription is well again") {
		t.Errorf("the log does not say that the problem of the replaced one is gone:\n%s", w.log)
	}
}

// What TRST could not deliver and we never got is counted.
func TestWatchMissing(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	w := watch(t, d, "trst", inbox{have: []string{"came"}})
	const path = "/v1/project/proj_7k2m/webhooks"
	d.on("GET "+path, answer{body: `[{"id":"wh_1","url":"https://yourapp.com/webhooks/trst","event_types":["enrollment.completed"],"enabled":true}]`})
	d.on("GET "+path+"/wh_1/deliveries", answer{body: `[{"id":"d1","event_id":"came","status":"failed"},{"id":"d2","event_id":"lost","status":"failed"},
		{"id":"d3","event_id":"fine","status":"success"}]`})
	w.check("1 deliveries failed and never came", "go run . subscriptions deliveries trst wh_1 --missing", 1)
	d.on("GET "+path, answer{body: `[{"id":"wh_1","url":"https://yourapp.com/webhooks/trst","event_types":["enrollment.completed"],"enabled":false}]`})
	w.check("it is not active: nothing is sent to us", "go run . subscriptions update trst wh_1 --enabled", 2)
}

// A database that does not answer, and a shutdown, are no findings about a subscription.
func TestWatchOutlivesTrouble(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	w := watch(t, d, "trustist", inbox{err: errors.New("database is closed")})
	d.on("GET "+trustistOlder, trustistList(0, true))
	w.check("", "", 0)
	if !strings.Contains(w.log.String(), "last event not read") {
		t.Errorf("log:\n%s", w.log)
	}
	before := w.States()
	ended, stop := context.WithCancel(t.Context())
	stop()
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
