package jobs

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

const (
	acmeToken = "token-CANARY"
	approved  = `{"id":"t1","person":"p1","status":"approved","changed":"2026-03-02T10:00:00Z","request":"r1"}`
)

// thing is what acme's API answers, and a part of what its events say.
type thing struct {
	ID     string `json:"id"`
	Person string `json:"person"`
	Status string `json:"status"`
	Owner  string `json:"owner.name"`
}

// library is a plant whose provider acme sends events that only name what changed, and the double of its API.
type library struct {
	*plant
	mu     sync.Mutex
	calls  []string // method, path and what authorizes
	answer http.HandlerFunc
	url    string
}

// newLibrary makes a plant with acme's API, which gives the answers in turn, and the last one for ever: a status, or a body.
func newLibrary(p *plant, answers ...any) *library {
	l := &library{plant: p}
	n := atomic.Int64{}
	l.answer = func(w http.ResponseWriter, _ *http.Request) {
		switch a := answers[min(int(n.Add(1)), len(answers))-1].(type) {
		case int:
			w.WriteHeader(a)
		case string:
			fmt.Fprint(w, a)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.calls = append(l.calls, r.Method+" "+r.RequestURI+" "+r.Header.Get("Authorization"))
		l.mu.Unlock()
		l.answer(w, r)
	}))
	p.t.Cleanup(server.Close)
	l.url = server.URL + "/v1"
	l.configure(acmeToken)
	r := p.worker.Registry
	r.translations, r.readers, r.critical, r.apis = map[string]translation{}, map[string]reader{}, map[string]bool{}, map[string]API{}
	r.api("acme", API{Credentials: []string{"ACME_API_TOKEN"}, authorize: func(h http.Header, credentials map[string]string) {
		h.Set("Authorization", "Bearer "+credentials["ACME_API_TOKEN"])
	}})
	one := func(_ models.Event, t thing) (request, error) {
		return request{path: "/things/{}", ids: []string{t.ID}, updated: "changed", volatile: "request"}, nil
	}
	reads(r, "acme/v1/changed", one)
	on(r, "acme/v1/alert", func(_ models.Event, t thing) (models.Facts, error) {
		return applicantReviewed(Review{Person: Person{ID: t.Person}, Verdict: models.StatusInReview, By: models.ByAutomatic}), nil
	})
	reads(r, "acme/v1/alert", one)
	reads(r, "acme/v1/owned", func(_ models.Event, t thing) (request, error) {
		return request{path: "/owned/{}/things", ids: []string{t.ID}, more: "owner", next: func(a gjson.Result) request {
			return request{method: http.MethodPost, path: "/owners", body: map[string]string{"of": a.Get("id").String()}}
		}}, nil
	})
	answered := func(_ models.Event, t thing) (models.Facts, error) {
		verdict := map[string]models.Status{"approved": models.StatusVerified, "declined": models.StatusFailed}[t.Status]
		return applicantReviewed(Review{Person: Person{ID: t.Person}, Verdict: verdict, By: models.ByAutomatic, Reason: t.Owner}), nil
	}
	on(r, "acme/read/things", answered)
	on(r, "acme/read/owned/things", answered)
	return l
}

// configure gives the worker the API's address and a token.
func (l *library) configure(token string) {
	l.worker.APIs = map[string]APISettings{"acme": {URL: l.url, Credentials: map[string]string{"ACME_API_TOKEN": token}}}
}

// event stores an event, attempts it, and attempts what it led to.
func (l *library) event(id, eventType, body string) models.Event {
	l.t.Helper()
	l.add(id, eventType, body, false)
	return l.again(id)
}

func (l *library) add(id, eventType, body string, sandbox bool) {
	l.t.Helper()
	if _, err := l.store.AddEvent(context.Background(), models.Event{
		Provider: "acme", Generation: "v1", ExternalID: id, Type: eventType, CorrelationID: "session", Sandbox: sandbox,
		Queue: l.worker.Registry.Queue("acme", "v1", eventType), Body: []byte(body), OccurredAt: models.At(noon), ReceivedAt: models.At(l.now()),
	}); err != nil {
		l.t.Fatal(err)
	}
}

// again attempts what is due, and returns an event.
func (l *library) again(id string) models.Event {
	l.t.Helper()
	l.ahead.Add(int64(20 * time.Minute))
	l.attempt(models.EventWork, readQueue)
	l.attempt(models.EventWork, models.DefaultQueue)
	return l.events(models.EventFilter{ExternalID: id})[0]
}

// answers lists the events that are answers.
func (l *library) answers() (list []models.Event) {
	for _, e := range l.events(models.EventFilter{}) {
		if e.Generation == models.GenerationRead {
			list = append(list, e)
		}
	}
	return list
}

// person returns the status and the revision of the person, such as "verified 1".
func (l *library) person() string {
	l.t.Helper()
	list, err := l.store.Customers(context.Background(), models.CustomerFilter{SubjectID: "p1"}, models.Page{Limit: 2})
	if err != nil || len(list) > 1 {
		l.t.Fatal(list, err)
	}
	if len(list) == 0 {
		return "nobody"
	}
	return fmt.Sprintf("%s %d", list[0].Status, list[0].Revision)
}

// onBothLibraries runs a test on both back ends, with an API that gives these answers.
func onBothLibraries(t *testing.T, answers []any, test func(t *testing.T, l *library)) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		test(t, newLibrary(newPlant(nil), answers...))
	})
}

// TestRead: what an event names is read, and the answer is an event of its own, once.
func TestRead(t *testing.T) {
	onBothLibraries(t, []any{approved, strings.Replace(approved, "r1", "r2", 1), strings.Replace(approved, "approved", "declined", 1)}, func(t *testing.T, l *library) {
		for _, id := range []string{"e1", "e2"} {
			if e := l.event(id, "changed", `{"id":"t1"}`); e.Outcome != models.Ignored || e.Reason != onlyNames {
				t.Errorf("%s: %s %q %q, want it ignored since it only names", id, e.Outcome, e.Reason, e.Error)
			}
		}
		list := l.answers()
		if len(list) != 1 || list[0].Outcome != models.Applied || list[0].Type != "things" || list[0].CorrelationID != "session" ||
			!list[0].OccurredAt.Equal(noon.Add(-2*time.Hour)) || l.person() != "verified 1" {
			t.Fatalf("%+v, person %s", list, l.person())
		}
		l.event("e3", "changed", `{"id":"t1"}`)
		if len(l.answers()) != 2 || l.person() != "failed 2" {
			t.Errorf("%d answers, person %s, want another answer to count", len(l.answers()), l.person())
		}
		if want := "GET /v1/things/t1 Bearer " + acmeToken; l.calls[0] != want {
			t.Errorf("called %s, want %s", l.calls[0], want)
		}
	})
}

// TestReadForeignClock: an answer's time that is far ahead of ours counts as the time of receipt, so that later answers replace it.
func TestReadForeignClock(t *testing.T) {
	t.Parallel()
	inTenYears := strings.Replace(approved, noon.Add(-2*time.Hour).Format(time.RFC3339), noon.AddDate(10, 0, 0).Format(time.RFC3339), 1)
	l := newLibrary(newPlant(t, sqliteURL(t), "", nil), inTenYears)
	l.event("e1", "changed", `{"id":"t1"}`)
	if list := l.answers(); len(list) != 1 || !list[0].OccurredAt.Equal(list[0].ReceivedAt.Time) || l.person() != "verified 1" {
		t.Errorf("%+v, person %s", list, l.person())
	}
}

// TestReadBesideFacts: an event may establish facts by itself and need a read.
func TestReadBesideFacts(t *testing.T) {
	t.Parallel()
	for answer, want := range map[any]string{approved: "in_review 2", http.StatusNotFound: "in_review 1"} {
		l := newLibrary(newPlant(t, sqliteURL(t), "", nil), answer)
		if e := l.event("e1", "alert", `{"id":"t1","person":"p1"}`); e.Outcome != models.Applied || l.person() != want {
			t.Errorf("%v: %s, person %s, want %s", answer, e.Outcome, l.person(), want)
		}
	}
}

// TestReadTwoCalls: the answer to a second call is added to that of the first.
func TestReadTwoCalls(t *testing.T) {
	t.Parallel()
	l := newLibrary(newPlant(t, sqliteURL(t), "", nil), approved, `{"name":"o"}`)
	l.event("e1", "owned", `{"id":"t1"}`)
	if len(l.calls) != 2 || !strings.HasPrefix(l.calls[0], "GET /v1/owned/t1/things ") || !strings.HasPrefix(l.calls[1], "POST /v1/owners ") {
		t.Fatalf("calls %q", l.calls)
	}
	if list := l.answers(); len(list) != 1 || list[0].Type != "owned/things" || l.person() != "verified 1" {
		t.Errorf("%+v, person %s", list, l.person())
	}
}

// TestReadFails: what may become better is tried again, what is gone is recorded, and what a person must mend fails and can be replayed.
func TestReadFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []any
		status  models.EventStatus // after the first attempt
		says    string
		after   models.EventStatus // after the second
	}{
		"429":            {[]any{429, approved}, models.Queued, "answered 429", models.Processed},
		"500":            {[]any{500, approved}, models.Queued, "answered 500", models.Processed},
		"not JSON":       {[]any{"<html>", approved}, models.Queued, "not a JSON object", models.Processed},
		"a list":         {[]any{"[]", approved}, models.Queued, "not a JSON object", models.Processed},
		"404":            {[]any{404}, models.Processed, "gone", models.Processed},
		"410":            {[]any{410}, models.Processed, "gone", models.Processed},
		"401":            {[]any{401}, models.Failed, "the credentials are not accepted", models.Failed},
		"422":            {[]any{422}, models.Failed, "answered 422", models.Failed},
		"302":            {[]any{302}, models.Failed, "redirects are not followed", models.Failed},
		"too long":       {[]any{`{"a":"` + strings.Repeat("x", maxAnswer) + `"}`}, models.Failed, "longer than", models.Failed},
		"no credentials": {nil, models.Failed, "set ACME_API_TOKEN to read events of acme", models.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLibrary(newPlant(t, sqliteURL(t), "", nil), append(c.answers, approved)...)
			if c.answers == nil {
				l.worker.APIs = nil
			}
			e := l.event("e1", "changed", `{"id":"t1"}`)
			if e.Status != c.status || !strings.Contains(e.Error+e.Reason, c.says) {
				t.Fatalf("%s %q %q, want %s that says %q", e.Status, e.Error, e.Reason, c.status, c.says)
			}
			if e = l.again("e1"); e.Status != c.after {
				t.Errorf("then %s %q, want %s", e.Status, e.Error, c.after)
			}
			if c.status == models.Processed {
				return
			}
			l.configure(acmeToken)
			if _, err := l.store.ReplayEvent(t.Context(), e.ID, l.now()); err != nil {
				t.Fatal(err)
			}
			if l.again("e1"); l.person() != "verified 1" {
				t.Errorf("person %s after a replay, want it verified once", l.person())
			}
			if log := l.log.String(); strings.Contains(log, "CANARY") || strings.Contains(log, "/things") || strings.Contains(e.Error, "/things") {
				t.Errorf("the log or the error has the token or the path: %s\n%s", e.Error, log)
			}
		})
	}
}

// TestReadHangs: a provider that does not answer costs an attempt, and no more time than that has.
func TestReadHangs(t *testing.T) {
	t.Parallel()
	l := newLibrary(newPlant(t, sqliteURL(t), "", nil))
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	l.worker.readTimeout = 20 * time.Millisecond
	l.answer = func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}
	if e := l.event("e1", "changed", `{"id":"t1"}`); e.Status != models.Queued || !strings.Contains(e.Error, "deadline exceeded") {
		t.Errorf("%s %q, want it due again", e.Status, e.Error)
	}
}

// TestReadGoesNowhereElse: no URL of an event, no ID and no redirect leads to another host or another path.
func TestReadGoesNowhereElse(t *testing.T) {
	t.Parallel()
	visits := atomic.Int64{}
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(stranger.Close)
	l := newLibrary(newPlant(t, sqliteURL(t), "", nil), approved)
	l.answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, stranger.URL, http.StatusFound) }
	for i, c := range []struct{ id, want string }{
		{"t1", "/v1/things/t1"}, {"../admin?x=1#y", "/v1/things/..%2Fadmin%3Fx%3D1%23y"}, {"@" + stranger.Listener.Addr().String() + "/", "%2F"},
		{"..", ""}, {".", ""}, {"", ""}, {strings.Repeat("x", 300), ""},
	} {
		l.calls = nil
		e := l.event(fmt.Sprint(i), "changed", fmt.Sprintf(`{"id":%q,"href":%q}`, c.id, stranger.URL))
		called := strings.Join(l.calls, "")
		if e.Status != models.Failed || visits.Load() > 0 || !strings.Contains(called, c.want) || (called == "") != (c.want == "") || strings.Contains(called, "/../") {
			t.Errorf("%q: %s, called %q, another host %d times", c.id, e.Status, called, visits.Load())
		}
	}
}

// TestReadKilled: if the worker dies between the answer and the end of the attempt, the next attempt has no second effect.
func TestReadKilled(t *testing.T) {
	onBothLibraries(t, []any{approved}, func(t *testing.T, l *library) {
		l.add("e1", "changed", `{"id":"t1"}`, false)
		e := l.events(models.EventFilter{})[0]
		e.Body = []byte(`{"id":"t1"}`)
		if f, err := l.worker.readAndTranslate(t.Context(), l.worker.Log, e); err != nil || f.Ignored != onlyNames {
			t.Fatal(f, err)
		}
		l.again("e1")
		if e := l.again("e1"); e.Outcome != models.Ignored || len(l.answers()) != 1 || l.answers()[0].Deliveries != 2 || l.person() != "verified 1" {
			t.Errorf("%s %q, answers %+v, person %s", e.Outcome, e.Error, l.answers(), l.person())
		}
	})
}

// TestReadIsNotStored: if the answer cannot be stored, the attempt fails and is repeated.
func TestReadIsNotStored(t *testing.T) {
	t.Parallel()
	l := newLibrary(newPlant(t, sqliteURL(t), "", nil), approved)
	l.add("e1", "changed", `{"id":"t1"}`, false)
	db := l.store.DB()
	if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	if e := l.again("e1"); e.Status != models.Queued || !strings.Contains(e.Error, "add event") {
		t.Fatalf("%s %q, want it due again", e.Status, e.Error)
	}
	if _, err := db.ExecContext(t.Context(), "DROP TRIGGER no"); err != nil {
		t.Fatal(err)
	}
	if e := l.again("e1"); e.Outcome != models.Ignored || l.person() != "verified 1" {
		t.Errorf("%s %q, person %s", e.Status, e.Error, l.person())
	}
}

// TestReadSandbox: an event of the sandbox is only read if the sandbox is applied, and the answer has its mark.
func TestReadSandbox(t *testing.T) {
	t.Parallel()
	for apply, want := range map[bool]models.Outcome{false: models.Sandbox, true: models.Ignored} {
		l := newLibrary(newPlant(t, sqliteURL(t), "", nil), approved)
		l.worker.ApplySandbox = func(string) bool { return apply }
		l.add("e1", "changed", `{"id":"t1"}`, true)
		e := l.again("e1")
		if e.Outcome != want || len(l.calls) > 0 != apply || len(l.answers()) > 0 && !l.answers()[0].Sandbox {
			t.Errorf("applied %t: %s, calls %q, answers %+v", apply, e.Outcome, l.calls, l.answers())
		}
	}
}

// TestReaderPanics: a reader that panics fails only its attempt.
func TestReaderPanics(t *testing.T) {
	t.Parallel()
	l := newLibrary(newPlant(t, sqliteURL(t), "", nil), approved)
	l.worker.Registry.readers["acme/v1/changed"] = func(models.Event) (request, error) {
		return request{path: "/things", more: "x", next: func(gjson.Result) request { panic("no") }}, nil
	}
	if e := l.event("e1", "changed", `{"id":"t1"}`); e.Status != models.Queued || !strings.Contains(e.Error, "no") {
		t.Errorf("%s %q, want it due again", e.Status, e.Error)
	}
}
