package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestRoomForConnections: the one that has kept the server waiting for the longest goes, and only where it was too long.
func TestRoomForConnections(t *testing.T) {
	t.Parallel()
	c := newConnections(3)
	var conns []net.Conn
	closed := make(chan int, 10)
	for i := range 3 {
		conn, far := net.Pipe()
		conns = append(conns, conn)
		go func() {
			_, _ = io.Copy(io.Discard, far) // until the near end is closed
			closed <- i
		}()
		if !c.room() {
			t.Fatalf("no room for connection %d of 3", i)
		}
		c.note(conn, http.StateNew)
	}
	c.note(conns[0], http.StateActive)
	if c.room() || len(closed) > 0 {
		t.Fatalf("room for a fourth, or one closed that is not slow: %d", len(closed))
	}
	for _, e := range c.known {
		e.Value.(*connection).since = time.Now().Add(-patience)
	}
	c.note(conns[0], http.StateIdle) // its answer is done
	if c.room() {
		t.Error("room before net/http has let go of one")
	}
	if i := <-closed; i != 1 {
		t.Errorf("connection %d was closed, want the one that was silent for the longest, 1", i)
	}
	c.note(conns[1], http.StateClosed)
	c.note(conns[1], http.StateClosed)
	c.awaitRoom()
	if len(closed) > 0 || len(c.known) != 2 || c.order.Len() != 2 {
		t.Errorf("%d more closed, %d known, %d in order; want 0, 2 and 2", len(closed), len(c.known), c.order.Len())
	}
}

// serving runs a server that holds three connections at once.
func serving(t *testing.T) *listening {
	t.Helper()
	l := &listening{}
	var err error
	if l.Listener, err = listen(t.Context(), "ADDR", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // a slow sender is cut off
	}), 3, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- l.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		if err := l.shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l
}

func (l *listening) dial(t *testing.T, said string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
	if _, err := io.WriteString(conn, said); err != nil {
		t.Fatal(err)
	}
	return conn
}

// awaitState waits until the server holds so many connections in a state.
func (l *listening) awaitState(t *testing.T, state http.ConnState, want int) {
	t.Helper()
	tick, deadline := time.NewTicker(time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for n := 0; n != want; {
		select {
		case <-tick.C:
			n = l.connections.count(state)
		case <-deadline:
			t.Fatalf("%d connections are %s, want %d", n, state, want)
		}
	}
}

func (c *connections) count(state http.ConnState) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.known {
		if e.Value.(*connection).state == state {
			n++
		}
	}
	return n
}

// TestShutdownWhileFull: neither who has a place and says nothing nor who waits for one holds up the end.
func TestShutdownWhileFull(t *testing.T) {
	t.Parallel()
	l := serving(t)
	for range 10 {
		l.dial(t, "")
	}
	l.awaitState(t, http.StateNew, 3)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := l.shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// TestConnectionsAreBounded: with every place taken by somebody who says nothing, or too little, others are answered.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
	for name, c := range map[string]struct {
		said  string
		state http.ConnState
	}{
		"nothing":        {"", http.StateNew},
		"half a header":  {request[:20], http.StateNew},
		"half a body":    {request + "pi", http.StateActive},
		"nothing more":   {request + "ping", http.StateIdle},
		"half a request": {request + "ping" + request[:20], http.StateIdle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := serving(t)
			for range 4 {
				l.dial(t, c.said)
			}
			l.awaitState(t, c.state, 3)
			for i := range 2 {
				conn := l.dial(t, request+"ping")
				if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ping" {
					t.Fatalf("request %d: %q, %v", i, body, err)
				}
				resp.Body.Close()
			}
		})
	}
}
