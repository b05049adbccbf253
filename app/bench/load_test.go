package bench

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadAt is a load of one connection for a handler. It ends when the test does, or when the handler has had so many deliveries.
func loadAt(t *testing.T, deliveries int64, h http.HandlerFunc) (*load, context.Context) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) >= deliveries {
			stop()
		}
		h(w, r)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &load{base: base, source: newTestSource(t, 1000, false, "trustgate"), connections: 1, duration: time.Minute}, ctx
}

// answerNew answers like the app.
func answerNew() http.HandlerFunc {
	var seen sync.Map
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/webhooks/trustgate" || r.Header.Get("X-Webhook-Signature") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if _, again := seen.LoadOrStore(string(body), true); again {
			_, _ = io.WriteString(w, `{"status":"duplicate"}`)
			return
		}
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	unavailable, cut, calls := false, false, 0
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		repeat  float64
		rate    float64
		want    sent // of 10 deliveries
		events  int
	}{
		"all are new":     {handler: answerNew(), events: 10},
		"at a rate":       {handler: answerNew(), rate: 1000, events: 10},
		"some come twice": {handler: answerNew(), repeat: 0.25, events: 8, want: sent{repeated: 2}},
		"all come twice":  {handler: answerNew(), repeat: 1, events: 5, want: sent{repeated: 5}},
		"duplicates that are not": {handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"accepted"}`) },
			repeat: 1, events: 5, want: sent{repeated: 5, misjudged: 5}},
		"new ones that are not": {handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"duplicate"}`) },
			events: 10, want: sent{misjudged: 10}},
		"every other is refused": {handler: func(w http.ResponseWriter, _ *http.Request) {
			if unavailable = !unavailable; unavailable {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, `{"status":"accepted"}`)
		}, events: 5, want: sent{refused: 5}},
		"every other connection breaks": {handler: func(w http.ResponseWriter, _ *http.Request) {
			if cut = !cut; cut {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, `{"status":"accepted"}`)
		}, events: 5, want: sent{unanswered: 5}},
		"answers as proxies give them": {handler: func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls%3 == 0 {
				w.Header().Set("Connection", "close")
			}
			_, _ = io.WriteString(w, `{"status":`)
			w.(http.Flusher).Flush() // makes it chunks
			_, _ = io.WriteString(w, `"accepted"}`)
		}, events: 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, ctx := loadAt(t, 10, test.handler)
			l.repeat, l.rate = test.repeat, test.rate
			got, err := l.send(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.events) != test.events || len(got.took) != test.events {
				t.Errorf("%d events and %d times, want %d", len(got.events), len(got.took), test.events)
			}
			w := test.want
			if got.refused != w.refused || got.unanswered != w.unanswered || got.repeated != w.repeated || got.misjudged != w.misjudged {
				t.Errorf("refused %d, unanswered %d, repeated %d, misjudged %d; want %d, %d, %d, %d",
					got.refused, got.unanswered, got.repeated, got.misjudged, w.refused, w.unanswered, w.repeated, w.misjudged)
			}
		})
	}
}

// TestLoadCountsWaiting: at a rate that the server cannot keep, an event's latency counts from when it was due.
func TestLoadCountsWaiting(t *testing.T) {
	t.Parallel()
	const each = 20 * time.Millisecond
	l, ctx := loadAt(t, 5, func(w http.ResponseWriter, r *http.Request) {
		waitUntil(r.Context(), time.Now().Add(each))
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	})
	l.rate = 1e6
	got, err := l.send(ctx)
	if err != nil || len(got.took) != 5 {
		t.Fatalf("%d events, %v", len(got.took), err)
	}
	if last := got.took[4]; last < 5*each-time.Millisecond {
		t.Errorf("the last of five took %s, want the %s since it was due", last, 5*each)
	}
}

// TestLoadWaitsForTheServer: one that was there may be starting again.
func TestLoadWaitsForTheServer(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = server.Listener.Close() // what is open goes on
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{base: base, source: newTestSource(t, 1000, false, "trustgate"), connections: 1, duration: 3 * redialPause}
	if got, err := l.send(t.Context()); err != nil || len(got.events) != 1 || got.elapsed < l.duration {
		t.Errorf("%d events, %v after %s; want one, and no end before the time", len(got.events), err, got.elapsed)
	}
}

// TestLoadGivesUp: what cannot get better ends at once.
func TestLoadGivesUp(t *testing.T) {
	t.Parallel()
	l, ctx := loadAt(t, 100, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"unverified"}`)
	})
	if _, err := l.send(ctx); err == nil || !strings.Contains(err.Error(), `answers 401 {"error":"unverified"} to trustgate`) {
		t.Errorf("unverified: got %v", err)
	}
	l.base = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	if _, err := l.send(ctx); err == nil || !strings.Contains(err.Error(), "send to http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused") {
		t.Errorf("nobody there: got %v", err)
	}
}
