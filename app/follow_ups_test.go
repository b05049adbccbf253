package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/models"
)

// sink is somebody's system that takes callbacks.
type sink struct {
	*httptest.Server
	mu  sync.Mutex
	ids []string // webhook-id of each call, in order
}

func newSink(t *testing.T, answer http.HandlerFunc) *sink {
	t.Helper()
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then r.Context ends with the connection
		s.mu.Lock()
		s.ids = append(s.ids, r.Header.Get("Webhook-Id"))
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *sink) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// settings make an app call the sink.
func (s *sink) settings() []string {
	return []string{"CALLBACK_URL=" + s.URL + "/hook", "CALLBACK_SECRET=whsec_aWRlbnRpdHktd2ViaG9va3MtdGVzdHMhISE="}
}

func answering(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// callback is the follow-up that these tests are about.
const callback = "callback"

// followUps lists follow-ups, oldest first.
func (r *running) followUps(query string) []models.FollowUp {
	r.t.Helper()
	var list struct {
		FollowUps []models.FollowUp `json:"follow_ups"`
	}
	r.get("/api/follow_ups?limit=500&"+query, &list)
	slices.Reverse(list.FollowUps)
	return list.FollowUps
}

// callbacks waits until the callbacks are in these states, oldest first, and returns them.
func (r *running) callbacks(want ...models.FollowUpStatus) (list []models.FollowUp) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("callbacks are %q", want), func() bool {
		list = r.followUps("name=" + callback)
		return slices.EqualFunc(list, want, func(f models.FollowUp, s models.FollowUpStatus) bool { return f.Status == s })
	})
	return list
}

// attempted waits until the only callback has been tried without success, and returns it.
func (r *running) attempted() (f models.FollowUp) {
	r.t.Helper()
	r.eventually("an attempt has failed", func() bool {
		f = r.callbacks(models.FollowUpWaiting)[0]
		return f.Error != ""
	})
	return f
}

// say delivers a verdict on a person as a new event, n hours after now, and waits until it is processed.
func (r *running) say(v verdicts, verdict template, who string, n int) {
	r.t.Helper()
	r.accept(v.provider, verdict.event(uuid.NewString(), who, now.Add(time.Duration(n)*time.Hour)))
	r.settle()
}

// Each real change of a customer causes a follow-up, which is recorded once and done. Its troubles are its own.
func TestFollowUps(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, b backend, v verdicts){
		"once for each real change":         followUpsOncePerChange,
		"retried with the same key":         followUpRetried,
		"a sink that hangs delays nothing":  followUpHangs,
		"redirects are not followed":        followUpRedirected,
		"not done when overtaken":           followUpOvertaken,
		"failed, listed and replayed":       followUpReplayed,
		"only logged without configuration": followUpLogged,
	} {
		t.Run(name, func(t *testing.T) {
			onBothBackends(t, func(t *testing.T, b backend) { test(t, b, anyVerdicts(t)) })
		})
	}
}

func followUpsOncePerChange(t *testing.T, b backend, v verdicts) {
	s := newSink(t, answering(http.StatusOK))
	r := start(t, b, s.settings()...)
	who := uuid.NewString()
	first := v.yes.event(uuid.NewString(), who, now)
	r.accept(v.provider, first)
	r.settle()
	r.callbacks(models.FollowUpDone)

	if status, answer := r.send(v.provider, first); status != http.StatusOK || answer != duplicate {
		t.Errorf("again: %d %s", status, answer)
	}
	r.say(v, v.no, who, -1)  // late
	r.say(v, v.yes, who, 1)  // no change
	r.say(v, v.yes, who, -2) // stale
	for _, e := range r.events("") {
		r.call(http.MethodPost, fmt.Sprintf("/api/events/%d/replay", e.ID), http.StatusAccepted, &struct{}{})
	}
	r.settle()
	if n := len(r.followUps("name=" + callback)); n != 1 {
		t.Errorf("%d callbacks after late, stale, duplicate and replayed events, want 1", n)
	}
	r.say(v, v.no, who, 2)
	r.say(v, v.yes, who, 3)
	r.eventually("all callbacks are over", func() bool { return len(r.followUps("status=waiting&name="+callback)) == 0 })
	list := r.followUps("name=" + callback)
	keys := map[string]bool{}
	for _, f := range list {
		keys[f.Key] = true
	}
	if len(list) != 3 || len(keys) != 3 {
		t.Errorf("callbacks %+v, want three with keys of their own", list)
	}
	sent := s.calls()
	for _, f := range list {
		if n := count(sent, f.Key); n > 1 || n == 0 && f.Status != models.FollowUpOvertaken {
			t.Errorf("callback %s was sent %d times", f.Status, n)
		}
	}
	if c := r.customer(who); list[0].CustomerID != c.ID || len(r.followUps(fmt.Sprintf("name=callback&customer_id=%d", c.ID))) != 3 {
		t.Errorf("callbacks %+v, want them of customer %d", list, c.ID)
	}
}

func count(list []string, value string) (n int) {
	for _, v := range list {
		if v == value {
			n++
		}
	}
	return n
}

func followUpRetried(t *testing.T, b backend, v verdicts) {
	var calls atomic.Int32
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r := start(t, b, s.settings()...)
	r.say(v, v.yes, uuid.NewString(), 0)
	f := r.callbacks(models.FollowUpDone)[0]
	if got := s.calls(); !slices.Equal(got, []string{f.Key, f.Key}) || f.Attempts != 2 || f.Key == "" {
		t.Errorf("calls %q in %d attempts, want two with the key %q", got, f.Attempts, f.Key)
	}
}

func followUpHangs(t *testing.T, b backend, v verdicts) {
	s := newSink(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := start(t, b, s.settings()...)
	for range 20 {
		r.accept(v.provider, v.yes.event(uuid.NewString(), uuid.NewString(), now))
	}
	within(t, 20*time.Second, "events and other follow-ups are done", func() bool {
		return r.stats()[models.Processed] == 20 && len(r.followUps("status=waiting&name="+callback)) == 20 &&
			len(r.followUps("status=waiting&name=welcome-mail")) == 0
	})
}

func followUpRedirected(t *testing.T, b backend, v verdicts) {
	other := newSink(t, answering(http.StatusOK))
	var repaired atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		if !repaired.Load() {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}
	})
	r := start(t, b, s.settings()...)
	r.say(v, v.yes, uuid.NewString(), 0)
	if f := r.attempted(); !strings.Contains(f.Error, "redirect") {
		t.Errorf("error %q, want it to name the redirect", f.Error)
	}
	repaired.Store(true)
	r.callbacks(models.FollowUpDone)
	if n := len(other.calls()); n != 0 {
		t.Errorf("the target of the redirect got %d calls, want none", n)
	}
}

func followUpOvertaken(t *testing.T, b backend, v verdicts) {
	var repaired atomic.Bool
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
		if !repaired.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	r := start(t, b, s.settings()...)
	who := uuid.NewString()
	r.say(v, v.yes, who, 0)
	first := r.attempted()
	r.say(v, v.no, who, 1)
	before := count(s.calls(), first.Key)
	repaired.Store(true)
	list := r.callbacks(models.FollowUpOvertaken, models.FollowUpDone)
	if after := count(s.calls(), first.Key); after != before || list[0].Note == "" {
		t.Errorf("the overtaken callback was sent %d times more, with the note %q", after-before, list[0].Note)
	}
}

func followUpReplayed(t *testing.T, b backend, v verdicts) {
	var calls atomic.Int32
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusGone) // trying again cannot help
		}
	})
	r := start(t, b, s.settings()...)
	r.say(v, v.yes, uuid.NewString(), 0)
	f := r.callbacks(models.FollowUpFailed)[0]
	if list := r.followUps("status=failed"); len(list) != 1 || list[0].Error == "" {
		t.Errorf("failed follow-ups %+v, want one with a reason", list)
	}
	var replayed struct{ Replayed int }
	r.call(http.MethodPost, fmt.Sprintf("/api/follow_ups/%d/replay", f.ID), http.StatusAccepted, &replayed)
	r.callbacks(models.FollowUpDone)
	if got := s.calls(); replayed.Replayed != 1 || !slices.Equal(got, []string{f.Key, f.Key}) {
		t.Errorf("replayed %d, calls %q, want 1 and twice %s", replayed.Replayed, got, f.Key)
	}
}

func followUpLogged(t *testing.T, b backend, v verdicts) {
	r := start(t, b)
	r.say(v, v.yes, uuid.NewString(), 0)
	if f := r.callbacks(models.FollowUpLogged)[0]; f.Note == "" {
		t.Error("no note says why it was only logged")
	}
	if !strings.Contains(r.log.String(), "follow-up logged") {
		t.Error("nothing about it in the log")
	}
}

// A process that is killed while it sends a callback sends it again after the next start, with the same key.
func TestFollowUpKilledInMidSend(t *testing.T) {
	t.Parallel()
	v := anyVerdicts(t)
	sending := make(chan struct{})
	var calls atomic.Int32
	s := newSink(t, func(_ http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			close(sending)
			<-r.Context().Done()
		}
	})
	p := launch(t, build(t), "all", sqlite(t), s.settings()...)
	p.accept(v.provider, v.yes.event(uuid.NewString(), uuid.NewString(), now))
	<-sending
	p.signal(syscall.SIGKILL)
	p.awaitRestart()
	f := p.callbacks(models.FollowUpDone)[0]
	if got := s.calls(); !slices.Equal(got, []string{f.Key, f.Key}) {
		t.Errorf("calls %q, want two with the key %q", got, f.Key)
	}
}
