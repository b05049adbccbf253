package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

// serving runs a server that holds a few connections at once, with TLS if there is a certificate. A POST to /verified counts as a verified delivery.
func serving(t *testing.T, most int, pairs ...*certificate) *listening {
	t.Helper()
	l := &listening{}
	var err error
	if l.Listener, err = listen(t.Context(), "ADDR", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.prepare(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // a slow sender is cut off
		if r.URL.Path == "/verified" {
			r.Context().Value(handlers.VerifiedKey{}).(func())()
		}
	}), most, slog.New(slog.DiscardHandler))
	for _, pair := range pairs {
		l.useTLS(pair)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		if _, err := l.shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l
}

// dial connects and sends something.
func (l *listening) dial(t *testing.T, said string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
	if err := errors.Join(conn.SetDeadline(time.Now().Add(time.Minute)), write(conn, said)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// request is a POST with a body of four bytes, "ping".
func request(path string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nping"
}

// answered reads an answer that must echo the body.
func answered(conn net.Conn) error {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ping" {
		return fmt.Errorf("answered %q, %w", body, err)
	}
	return nil
}

// awaitState waits until the server holds so many connections in a state.
func (l *listening) awaitState(t *testing.T, state http.ConnState, want int) {
	t.Helper()
	tick, deadline := time.NewTicker(time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for n := -1; n != want; {
		select {
		case <-tick.C:
			n = l.connections.count(state)
		case <-deadline:
			t.Fatalf("%d connections are %s, want %d", n, state, want)
		}
	}
}

func (all *connections) count(state http.ConnState) (n int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.held {
		if c.state == state {
			n++
		}
	}
	return n
}

// TestConnectionsAreBounded: with every place taken by somebody who says nothing, or too little, others are answered.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	ping := request("/")
	for name, c := range map[string]struct {
		said  string
		state http.ConnState
	}{
		"nothing":        {"", http.StateNew},
		"half a header":  {ping[:20], http.StateNew},
		"half a body":    {ping[:len(ping)-2], http.StateActive},
		"nothing more":   {ping, http.StateIdle},
		"verified":       {request("/verified"), http.StateIdle},
		"half a request": {ping + ping[:20], http.StateIdle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := serving(t, 3)
			for range 3 {
				l.dial(t, c.said)
			}
			l.awaitState(t, c.state, 3)
			for i := range 2 {
				if err := answered(l.dial(t, ping)); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
		})
	}
}

// TestBusyStrangersKeepNobodyOut: connections that ask again and again but never deliver give way to new senders at once. One that
// delivered stays.
func TestBusyStrangersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	const places = 50
	l := serving(t, places)
	provider := l.dial(t, request("/verified"))
	if err := answered(provider); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var strangers sync.WaitGroup
	defer strangers.Wait()
	defer close(done)
	for range places + 10 {
		strangers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					continue
				}
				for tick := time.NewTicker(10 * time.Millisecond); err == nil; <-tick.C {
					_ = conn.SetDeadline(time.Now().Add(time.Second)) // fails as the write does
					if err = write(conn, request("/")); err == nil {
						err = answered(conn)
					}
					select {
					case <-done:
						err = net.ErrClosed
					default:
					}
				}
				_ = conn.Close() // the server has closed it
			}
		})
	}
	l.awaitFull(t)
	for i := range 100 {
		conn := l.dial(t, request("/verified"))
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // fails as the read does
		if err := answered(conn); err != nil {
			t.Fatalf("sender %d: %v", i, err)
		}
		_ = conn.Close()
	}
	if err := errors.Join(write(provider, request("/verified")), answered(provider)); err != nil {
		t.Errorf("the connection of a provider: %v", err)
	}
}

func (l *listening) awaitFull(t *testing.T) {
	t.Helper()
	tick, deadline := time.NewTicker(time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for full := false; !full; {
		select {
		case <-tick.C:
			full, _ = l.connections.evict(time.Now())
		case <-deadline:
			t.Fatal("the places are never all taken")
		}
	}
}

// TestEviction: who goes first, of some connections that hold all places.
func TestEviction(t *testing.T) {
	t.Parallel()
	now := time.Now()
	busy, quiet := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	conn := func(from netip.Addr, state http.ConnState, age time.Duration, verified bool) *connection {
		return &connection{from: from, state: state, since: now.Add(-age), verified: verified}
	}
	for name, c := range map[string]struct {
		held []*connection
		want int // index of the first to go; -1 for nobody
	}{
		"in the middle of a request":          {[]*connection{conn(busy, http.StateActive, time.Second, false), conn(busy, http.StateNew, time.Second, false)}, -1},
		"slow":                                {[]*connection{conn(busy, http.StateActive, time.Second, false), conn(busy, http.StateNew, patience, false)}, 1},
		"a stranger between requests":         {[]*connection{conn(busy, http.StateActive, time.Second, false), conn(busy, http.StateIdle, 0, false)}, 1},
		"a provider between requests":         {[]*connection{conn(busy, http.StateIdle, time.Second, true)}, -1},
		"strangers before providers":          {[]*connection{conn(busy, http.StateIdle, time.Hour, true), conn(quiet, http.StateIdle, 0, false)}, 1},
		"a provider while strangers are busy": {[]*connection{conn(busy, http.StateIdle, time.Hour, true), conn(quiet, http.StateActive, 0, false)}, -1},
		"providers if there is no else":       {[]*connection{conn(busy, http.StateIdle, time.Minute, true), conn(quiet, http.StateIdle, time.Hour, true)}, 1},
		"the busiest address": {[]*connection{
			conn(quiet, http.StateIdle, time.Hour, false), conn(busy, http.StateIdle, 1, false), conn(busy, http.StateIdle, 0, false),
		}, 1},
	} {
		all := newConnections(len(c.held))
		for _, held := range c.held {
			all.held[held] = true
		}
		full, first := all.evict(now)
		got := -1
		for i, held := range c.held {
			if held == first {
				got = i
			}
		}
		if !full || got != c.want {
			t.Errorf("%s: full %t, connection %d goes, want %d", name, full, got, c.want)
		}
	}
}

// TestShutdownWhileFull: neither who has a place and says nothing nor who waits for one holds up the end.
func TestShutdownWhileFull(t *testing.T) {
	t.Parallel()
	l := serving(t, 3)
	for range 10 {
		l.dial(t, "")
	}
	l.awaitState(t, http.StateNew, 3)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if finished, err := l.shutdown(ctx); err != nil || !finished {
		t.Errorf("finished %t, %v", finished, err)
	}
}

// TestShutdownCutsOffSlowSenders: it waits for as long as it may, and that is no error.
func TestShutdownCutsOffSlowSenders(t *testing.T) {
	t.Parallel()
	l := serving(t, 3)
	ping := request("/")
	slow := l.dial(t, ping[:len(ping)-2])
	l.awaitState(t, http.StateActive, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if finished, err := l.shutdown(ctx); err != nil || finished {
		t.Errorf("finished %t, %v", finished, err)
	}
	if err := answered(slow); err == nil {
		t.Error("the slow sender was answered")
	}
}

// TestTrustedProxies: only what a trusted proxy has written into X-Forwarded-For is believed.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:5", nil, "203.0.113.9:5"},
		{"203.0.113.9:5", []string{"198.51.100.1"}, "203.0.113.9:5"},
		{"10.1.1.1:5", nil, "10.1.1.1:5"},
		{"10.1.1.1:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"[::ffff:10.1.1.1]:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"[2001:db8::1]:5", []string{"2001:db9::7"}, "[2001:db9::7]:0"},
		{"10.1.1.1:5", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1:0"},
		{"10.1.1.1:5", []string{"192.0.2.66", "198.51.100.1,10.2.2.2"}, "198.51.100.1:0"},
		{"10.1.1.1:5", []string{"198.51.100.1:4711"}, "198.51.100.1:0"},
		{"10.1.1.1:5", []string{"[2001:db9::7]:4711, 10.2.2.2:80"}, "[2001:db9::7]:0"},
		{"10.1.1.1:5", []string{"192.0.2.66, nonsense"}, "10.1.1.1:5"},
		{"10.1.1.1:5", []string{"192.0.2.66, nonsense, 10.2.2.2"}, "10.2.2.2:0"},
	} {
		var got string
		h := behindProxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		h.ServeHTTP(httptest.NewRecorder(), r)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %q (-want +got):\n%s", c.peer, c.forwarded, diff)
		}
	}
}
