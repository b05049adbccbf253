package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

const (
	isAccepted    = `{"status":"accepted"}`
	isDuplicate   = `{"status":"duplicate"}`
	isUnverified  = `{"error":"unverified"}`
	isNotFound    = `{"error":"not_found"}`
	isUnavailable = `{"error":"unavailable"}`
)

func TestDeliveries(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, nil)
		got := r.deliver(testBody, forged)
		got.want(t, 401, isUnverified)
		if n := len(r.rows()); n != 0 || !got.closed {
			t.Fatalf("an unverified delivery left %d rows, and its connection closed: %t", n, got.closed)
		}
		got = r.deliver(testBody)
		got.want(t, 200, isAccepted)
		if kind := got.header.Get("Content-Type"); kind != "application/json" || got.closed {
			t.Errorf("content type %q, connection closed: %t", kind, got.closed)
		}
		r.deliver(testBody).want(t, 200, isDuplicate)
		r.deliver(testBody, forged)
		want := models.Event{
			Provider: "testprovider", Generation: "v1", ExternalID: "evt_1", Type: "person.verified", TenantID: "t1", Queue: models.DefaultQueue,
			Secret: Fingerprint(firstSecret), Body: []byte(testBody), Deliveries: 2, Status: models.Received,
			OccurredAt: models.At(noon.Add(-time.Minute)), ReceivedAt: models.At(noon),
		}
		if diff := cmp.Diff([]models.Event{want}, r.rows(), cmpopts.IgnoreFields(models.Event{}, "ID", "Key", "SHA256")); diff != "" {
			t.Error(diff)
		}
		if n := r.wakes.Load(); n != 1 {
			t.Errorf("woke the relay %d times for 1 event", n)
		}
	})
}

// TestEveryProviderIsReceived: a sample of each, signed as the provider does it, and forged.
func TestEveryProviderIsReceived(t *testing.T) {
	t.Parallel()
	active := map[string]Provider{}
	for _, name := range ProviderNames() {
		active[name] = mustProvider(t, name, nil, firstSecret)
	}
	r := newReception(t, openStore(t, sqliteURL(t)), active)
	for _, name := range ProviderNames() {
		t.Run(name, func(t *testing.T) {
			body := []byte(bodyOf(t, name))
			forged := mustProvider(t, name, nil, secondSecret).Sign(body, noon)
			if got := r.post(forged); got.status != 401 && !(got.status == 404 && TokenInPath(name)) {
				t.Errorf("a forged delivery: answered %d %s", got.status, got.body)
			}
			r.post(active[name].Sign(body, noon)).want(t, 200, isAccepted)
			r.post(active[name].Sign(body, noon)).want(t, 200, isDuplicate)
		})
	}
}

func TestQueueOfEvent(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	r.deliver(strings.Replace(testBody, "person.verified", "alarm", 1)).want(t, 200, isAccepted)
	if got := r.rows()[0].Queue; got != models.CriticalQueue {
		t.Errorf("queue %q", got)
	}
}

// faulty is a provider whose Verify returns this.
type faulty struct {
	Provider
	err error
}

func (f faulty) Verify(Delivery) (Envelope, error) {
	return Envelope{Generation: "v1", ExternalID: "evt_1", Type: "x"}, f.err
}

// TestReceiverFailsClosed: only an error that says so leaves a delivery verified.
func TestReceiverFailsClosed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		rows   int
	}{
		"nil":                         {nil, 200, 1},
		"unreadable":                  {fmt.Errorf("%w: x", ErrUnreadable), 200, 1},
		"contradictory":               {fmt.Errorf("%w: x", ErrContradictory), 200, 1},
		"unverified with a reason":    {unverified(TooOld), 401, 0},
		"bare unverified":             {ErrUnverified, 401, 0},
		"unexpected":                  {errors.New("certificate pool is empty"), 401, 0},
		"cancelled":                   {context.Canceled, 401, 0},
		"key unknown":                 {fmt.Errorf("%w: kid", ErrKeyUnknown), 503, 0},
		"wrong token":                 {unverified(WrongToken), 404, 0},
		"unverified and unreadable":   {errors.Join(ErrUnreadable, ErrUnverified), 401, 0},
		"key unknown and unreadable":  {errors.Join(ErrUnreadable, ErrKeyUnknown), 503, 0},
		"a reason that wraps nothing": {TooOld, 401, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReception(t, openStore(t, sqliteURL(t)), map[string]Provider{"testprovider": faulty{testProvider(), c.err}})
			if got := r.deliver(testBody); got.status != c.status {
				t.Errorf("answered %d %s, want %d", got.status, got.body, c.status)
			}
			if n := len(r.rows()); n != c.rows || r.rejections.Total() != int64(1-c.rows) {
				t.Errorf("%d rows, want %d; %d rejections", n, c.rows, r.rejections.Total())
			}
		})
	}
}

// TestSandboxEvents: an event that was verified with a secret of the sandbox says so.
func TestSandboxEvents(t *testing.T) {
	t.Parallel()
	secret := Secret{Value: "a sandbox's secret", Sandbox: true}
	r := newReception(t, openStore(t, sqliteURL(t)), map[string]Provider{"testprovider": testProvider(Secret{Value: firstSecret}, secret)})
	r.post(testProvider(secret).Sign([]byte(testBody), noon)).want(t, 200, isAccepted)
	if e := r.rows()[0]; !e.Sandbox || e.Secret != Fingerprint(secret.Value) {
		t.Errorf("sandbox %t, secret %s", e.Sandbox, e.Secret)
	}
}

// TestForeignClock: a time that is missing, or far ahead of ours, is taken as the time of receipt.
func TestForeignClock(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]struct {
		at   time.Time
		warn bool
	}{
		`"2026-02-04T11:00:00Z"`: {noon.Add(-time.Hour), false},
		`"2026-02-04T12:05:00Z"`: {noon.Add(5 * time.Minute), false},
		`"2026-02-04T12:05:01Z"`: {noon, true},
		`"2062-02-04T12:00:00Z"`: {noon, true},
		`"soon"`:                 {noon, true},
		`null`:                   {noon, true},
	} {
		r := newReception(t, openStore(t, sqliteURL(t)), nil)
		r.deliver(`{"id":"evt_1","type":"x","at":`+at+`}`).want(t, 200, isAccepted)
		e := r.rows()[0]
		if warned := strings.Count(r.log.String(), "warnings="); !e.OccurredAt.Equal(want.at) || e.Status != models.Received || (warned == 1) != want.warn {
			t.Errorf("%s: occurred at %v, %s, %d warnings", at, e.OccurredAt, e.Status, warned)
		}
	}
}

// TestSameIDOtherBody: the second body is kept and never applied, and the provider does not retry.
func TestSameIDOtherBody(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, nil)
		r.deliver(testBody).want(t, 200, isAccepted)
		if got := r.deliver(testBody + "\n"); got.status != 200 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
		second, first := r.rows()[0], r.rows()[1]
		if first.Status != models.Received || string(first.Body) != testBody {
			t.Errorf("first: %+v", first)
		}
		if second.Status != models.Quarantined || string(second.Body) != testBody+"\n" || second.Error == "" || second.ExternalID != first.ExternalID {
			t.Errorf("second: %+v", second)
		}
		if n := r.wakes.Load(); n != 1 {
			t.Errorf("woke the relay %d times for 1 event", n)
		}
	})
}

// TestUnreadableIsKept: nothing is lost, the provider does not retry what a retry cannot fix, and ID and type are kept if they can be
// read, so that a replay can apply the event one day.
func TestUnreadableIsKept(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, nil)
		for body, want := range map[string][2]string{ // external ID and type
			"":                             {bodyID(nil), ""},
			"not JSON":                     {bodyID([]byte("not JSON")), ""},
			"\xff\xfe":                     {bodyID([]byte("\xff\xfe")), ""},
			`{"type":"x","id":"a\u0000b"}`: {bodyID([]byte(`{"type":"x","id":"a\u0000b"}`)), "x"},
			`{"id":"evt_2"}`:               {"evt_2", ""},
			`{"id":"evt_3","type":"x"`:     {"evt_3", "x"},
		} {
			r.deliver(body).want(t, 200, isAccepted)
			r.deliver(body).want(t, 200, isDuplicate)
			e := r.rows()[0]
			if got := [2]string{e.ExternalID, e.Type}; got != want || e.Status != models.Failed || string(e.Body) != body || e.Deliveries != 2 ||
				!strings.HasPrefix(e.Error, ErrUnreadable.Error()+": ") {
				t.Errorf("%q: %+v, want %q", body, e, want)
			}
		}
		if n := r.wakes.Load(); n != 0 {
			t.Errorf("woke the relay %d times", n)
		}
		// A body that can be read takes the place of an unreadable one with its ID.
		r.deliver(`{"id":"evt_2","type":"x"}`).want(t, 200, isAccepted)
		if e := r.rows()[0]; e.Status != models.Received || e.ExternalID != "evt_2" || r.wakes.Load() != 1 {
			t.Errorf("%+v", e)
		}
	})
}

func TestContradictionIsQuarantined(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, nil)
		body := strings.Replace(testBody, "{", `{"contradiction":true,`, 1)
		r.deliver(body).want(t, 200, isAccepted)
		e := r.rows()[0]
		if e.Status != models.Quarantined || string(e.Body) != body || !strings.HasPrefix(e.Error, ErrContradictory.Error()) || r.wakes.Load() != 0 {
			t.Errorf("%+v", e)
		}
		r.deliver(testBody).want(t, 200, isAccepted) // it has not taken the ID
		if e := r.rows()[0]; e.Status != models.Received {
			t.Errorf("%+v", e)
		}
	})
}

// TestDiscretion: neither log nor rejections may ever hold a secret, a token, a signature or what a body says about people.
func TestDiscretion(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	const canary = "Rosalind Canary"
	tell := []string{canary, firstSecret, "stranger"}
	note := func(q *Request) { tell = append(tell, q.Header.Get("X-Test-Signature")) }
	for _, b := range []string{testBody, testBody, testBody + " ", testBody[:20] + canary, `{"person":"` + canary + `"}`, canary, `"` + canary + `"`, `{"id":"` + canary + `\u0000"}`} {
		r.deliver(b, note)
		r.deliver(b, forged, note)
		r.deliver(b, func(q *Request) { q.Header.Set("X-Test-Signature", canary) })
		r.deliver(b, func(q *Request) { q.Path += "/" + canary })
		r.deliver(b, func(q *Request) { q.Path = canary })
	}
	said := r.log.String() + fmt.Sprintf("%+v", r.rejections.Newest())
	for _, secret := range tell {
		if strings.Contains(said, secret) {
			t.Errorf("log or rejections contain %q", secret)
		}
	}
	if !strings.Contains(said, "event accepted") || !strings.Contains(said, string(WrongSecret)) {
		t.Errorf("nothing was logged: %s", said)
	}
}

// wantUnavailable delivers and wants a 503 that asks for another try, within 2 s.
func (r *reception) wantUnavailable(body string) {
	r.t.Helper()
	start := time.Now()
	got := r.deliver(body)
	got.want(r.t, 503, isUnavailable)
	if after := got.header.Get("Retry-After"); after != "5" {
		r.t.Errorf("Retry-After %q", after)
	}
	if took := time.Since(start); took > 2*time.Second {
		r.t.Errorf("took %v", took)
	}
}

func TestPostgresGone(t *testing.T) {
	t.Parallel()
	pg := testservers.NewPostgres(t)
	r := newReception(t, openStore(t, pg.URL()), nil)
	r.deliver(testBody, forged).want(t, 401, isUnverified)

	pg.Kill()
	r.wantUnavailable(testBody)
	send(t, "GET", r.url+"/readyz", nil, nil).want(t, 503, isUnavailable)
	send(t, "GET", r.url+"/healthz", nil, nil).want(t, 200, `{"status":"ok"}`)
	r.deliver(testBody, forged).want(t, 401, isUnverified) // strangers learn nothing

	pg.Start()
	r.deliver(testBody).want(t, 200, isAccepted)

	pg.Pause()
	other := strings.Replace(testBody, "evt_1", "evt_2", 1)
	r.wantUnavailable(other)
	pg.Resume()
	if got := r.deliver(other); got.status != 200 {
		t.Errorf("after that: answered %d %s", got.status, got.body)
	}
}

// panicking is a provider with a programmer's error.
type panicking struct{ Provider }

func (panicking) Verify(Delivery) (Envelope, error) { panic("a nil map") }

func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), map[string]Provider{"testprovider": panicking{testProvider()}})
	mac := ""
	r.deliver(testBody, func(q *Request) { mac = q.Header.Get("X-Test-Signature") }).want(t, 500, isUnavailable)
	if log := r.log.String(); !strings.Contains(log, "panic in handler") || strings.Contains(log, mac) {
		t.Errorf("logged %s", log)
	}
	send(t, "GET", r.url+"/healthz", nil, nil).want(t, 200, `{"status":"ok"}`)
}

// TestVerifiedConnectionsAreMarked: the server learns which connections bring verified deliveries.
func TestVerifiedConnectionsAreMarked(t *testing.T) {
	t.Parallel()
	store, marks := openStore(t, sqliteURL(t)), 0
	receiver := NewReceiver(store, func(string, string, string) string { return models.DefaultQueue }, func() {}, &Rejections{}, slog.New(slog.DiscardHandler))
	h := NewRouter(receiver, map[string]Provider{"testprovider": testProvider()}, store.Ready, receiver.log)
	for i, q := range []Request{testProvider(Secret{Value: "wrong"}).Sign([]byte(testBody), noon), testProvider().Sign([]byte(testBody), noon)} {
		req := httptest.NewRequest(http.MethodPost, "/webhooks/testprovider", strings.NewReader(testBody))
		req.Header = q.Header
		h.ServeHTTP(httptest.NewRecorder(), req.WithContext(context.WithValue(t.Context(), VerifiedKey{}, func() { marks++ })))
		if marks != i {
			t.Errorf("delivery %d: %d marks", i, marks)
		}
	}
}
