package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

func TestListen(t *testing.T) {
	admin := server(t)
	fill(t) // before: not shown
	l := launch(t, "listen")
	l.waitFor("listening")
	steps := []struct {
		wait string
		args []string
	}{
		{"customer 2: in_review, aml_hold", []string{"trustgate/v1/screening.hit", "--repeat"}},
		{"customer 1: verified", []string{"trustgate/applicant.submitted"}},
		{"customer 1: verified → rejected", []string{"trustgate/variants/applicant.reviewed.rejected"}},
		{"wrong secret", []string{"trustgate/applicant.reviewed", "--secret", "canary"}},
		{"delivery 2", []string{"trustgate/v1/screening.hit", "--repeat"}},
		{"processed/ignored", []string{"trst/webhook.test"}},
		{"quarantined", []string{"trst/variants/webhook.test.conflicting"}},
		{"customer 3: pending", []string{"trst/enrollment.completed"}},
		{"still pending", []string{"trst/enrollment.completed"}},
	}
	for _, s := range steps {
		execute(t, append([]string{"trigger"}, s.args...)...)
		l.waitFor(s.wait)
	}
	r := l.end()
	if want := "listening to the server at " + admin.base + "; Ctrl+C ends it\n"; r.code != exitOK || r.stderr != want {
		t.Errorf("exit code %d, stderr %q, want %q", r.code, r.stderr, want)
	}
	golden(t, "listen", r.stdout)
}

// TestListenJSON: a status and a hold that change are both told.
func TestListenJSON(t *testing.T) {
	server(t)
	l := launch(t, "listen", "--json")
	l.waitFor("listening")
	succeed(t, "trigger", "trustgate/applicant.submitted")
	l.waitFor(`"applicant.submitted"`)
	succeed(t, "trigger", "trustgate/applicant.reviewed")
	l.waitFor(`"applicant.reviewed"`)
	execute(t, "trigger", "trst/webhook.test", "--secret", "canary")
	l.waitFor(`"rejection"`)
	var got []string
	for line := range strings.Lines(l.end().stdout) {
		v := gjson.Parse(line)
		got = append(got, fmt.Sprintf("%s %s %s %s %s > %s", v.Get("kind"), v.Get("provider"), v.Get("outcome"), v.Get("reason"),
			v.Get("customer_before"), v.Get("customer_after")))
	}
	want := []string{
		`event trustgate applied   > {"status":"in_progress","aml_hold":false}`,
		`event trustgate applied  {"status":"in_progress","aml_hold":false} > {"status":"verified","aml_hold":false}`,
		`rejection trst  wrong secret or changed body  > `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// fakeServer answers as the admin API of a server does.
type fakeServer struct {
	events     []models.Event // the newest first
	rejections []handlers.Rejection
	customer   standing
}

func (f *fakeServer) client(t *testing.T) *adminClient {
	t.Helper()
	isolate(t)
	api(t, "", func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch _, id, _ := strings.Cut(r.URL.Path, "/api/events/"); {
		case r.URL.Path == "/api/events":
			page := f.events[:min(len(f.events), window)]
			answer = map[string]any{"events": page, "next_cursor": ""}
		case id != "":
			for _, e := range f.events {
				if fmt.Sprint(e.ID) == id {
					answer = e
				}
			}
		case r.URL.Path == "/api/rejections":
			answer = map[string]any{"rejections": f.rejections}
		default:
			answer = f.customer
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	})
	c, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	return newAdminClient(c)
}

// add puts events in front.
func (f *fakeServer) add(events ...models.Event) {
	for _, e := range events {
		f.events = append([]models.Event{e}, f.events...)
	}
}

// TestWatch goes through rounds: what waits for its outcome, even when it has left the window, a server that starts again, a
// database that is made anew.
func TestWatch(t *testing.T) {
	f := &fakeServer{}
	at := models.At(time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC))
	event := func(id int64, s models.EventStatus) models.Event {
		return models.Event{ID: id, Status: s, ReceivedAt: models.At(at.Add(time.Duration(id) * time.Second)), Deliveries: 1}
	}
	rejection := func(id int64) handlers.Rejection {
		return handlers.Rejection{ID: id, Time: models.At(at.Add(time.Duration(id)*time.Second + time.Millisecond))}
	}
	f.add(event(1, models.Processed))
	f.rejections = []handlers.Rejection{rejection(2), rejection(1)}
	w := newWatch(f.client(t))
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	round := func(want string) {
		t.Helper()
		seen, err := w.round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range seen {
			got = append(got, fmt.Sprintf("%s %d", s.Kind, s.EventID))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	round("")
	f.add(event(2, models.Received), event(3, models.Processed))
	f.rejections = []handlers.Rejection{rejection(3), rejection(2), rejection(1)}
	round("event 3, rejection 0")
	for id := range int64(window) {
		f.add(event(4+id, models.Queued))
	}
	round("")
	f.events[len(f.events)-2].Status = models.Failed // number 2, now far down
	f.events[0].Status, f.events[1].Deliveries = models.Processed, 2
	round("event 2, event 203, repeat 202")
	f.rejections = []handlers.Rejection{rejection(1)} // it was started again
	round("rejection 0")
	f.events, f.rejections = []models.Event{{ID: 1, Status: models.Processed, ReceivedAt: models.At(at.Add(time.Hour))}}, nil
	round("event 1")
	round("")
}

func TestSightings(t *testing.T) {
	t.Parallel()
	one := int64(1)
	ok, held := standing{models.Verified, false}, standing{models.InReview, true}
	review := standing{models.InReview, false}
	for _, c := range []struct {
		before, after *standing
		want          string
	}{
		{nil, nil, ""},
		{nil, &ok, "customer 1: verified"},
		{nil, &held, "customer 1: in_review, aml_hold"},
		{&ok, &ok, "customer 1: still verified"},
		{&review, &ok, "customer 1: in_review → verified"},
		{&review, &held, "customer 1: in_review, aml_hold set"},
		{&held, &ok, "customer 1: in_review → verified, aml_hold lifted"},
	} {
		s := sighting{Kind: "event", Status: models.Processed, Outcome: models.Applied, CustomerID: &one, Before: c.before, After: c.after}
		if _, what := s.told(); what.text != c.want {
			t.Errorf("got %q, want %q", what.text, c.want)
		}
	}
}

// TestPollOutlivesServer: a developer stops and starts the server beside it.
func TestPollOutlivesServer(t *testing.T) {
	t.Parallel()
	away := unanswered{errors.New("connection refused")}
	answers := []error{nil, away, away, nil, away, nil, errors.New("other")}
	var told strings.Builder
	err := poll(t.Context(), &told, time.Microsecond, func(context.Context) error {
		err := answers[0]
		answers = answers[1:]
		return err
	})
	want := strings.Repeat("the server does not answer; waiting for it\nthe server answers again\n", 2)
	if told.String() != want || err == nil || err.Error() != "other" {
		t.Errorf("told %q, ended with %v", told.String(), err)
	}
}
