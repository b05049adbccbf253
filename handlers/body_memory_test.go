package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stall begins a delivery of trst, sends so many bytes of its body, and no more. A length below zero is none at all.
func (r *reception) stall(length, sent int) net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	form := fmt.Sprintf("Content-Length: %d\r\n\r\n", length)
	if length < 0 {
		form = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", maxBody)
	}
	if _, err := fmt.Fprintf(conn, "POST /webhooks/trst HTTP/1.1\r\nHost: x\r\n%s%s", form, strings.Repeat(" ", sent)); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// full reports whether nothing is left of the memory for large bodies.
func (r *reception) full() bool {
	free := r.receiver.memory.large.TryAcquire(1)
	if free {
		r.receiver.memory.large.Release(1)
	}
	return !free
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after a minute it is still not true that %s", what)
		}
	}
}

// TestSlowSendersKeepNobodyOut: while 200 senders of a body of 1 MiB do not go on, small deliveries are accepted as ever,
// and another large one is told to come again.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	large := trstBody + strings.Repeat(" ", smallBody)
	for name, c := range map[string]struct {
		length, sent int
		holds        bool // memory that large bodies share
	}{
		"with a length, at once":        {maxBody, 0, false},
		"with a length, after a while":  {maxBody, smallBody, false},
		"with a length, large by now":   {maxBody, smallBody + 1, true},
		"with a length, before the end": {maxBody, maxBody - 1, true},
		"chunked, after a while":        {-1, smallBody, false},
		"chunked, large by now":         {-1, smallBody + 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
			var conns []net.Conn
			for range 200 {
				conns = append(conns, r.stall(c.length, c.sent))
			}
			if c.holds {
				eventually(t, "the memory for large bodies is taken", r.full)
			}
			for range 20 {
				for provider, body := range bodies {
					if got := r.deliver(provider, body); got.status != 200 {
						t.Fatalf("a small delivery is answered %d %s", got.status, got.body)
					}
				}
			}
			if !c.holds {
				if got := r.deliver("trst", large); got.status != 200 {
					t.Errorf("a large delivery is answered %d %s, and nobody holds what it needs", got.status, got.body)
				}
				return
			}
			if !r.full() {
				t.Fatal("they no longer hold the memory for large bodies: nothing was shown")
			}
			got, err := overTCP(r.url, r.providers["trst"].Sign([]byte(large), noon), strings.NewReader(large))
			if err != nil {
				t.Fatal(err)
			}
			got.want(t, 503, `{"error":"unavailable"}`)
			if after := got.header.Get("Retry-After"); after != "5" {
				t.Errorf("Retry-After %q", after)
			}
			for _, conn := range conns {
				_ = conn.Close() // the server may have closed it
			}
			eventually(t, "a large delivery is accepted again", func() bool { return r.deliver("trst", large).status == 200 })
		})
	}
}

// TestBodyMemoryComesBack: whatever becomes of large bodies, what they took is there for the next.
func TestBodyMemoryComesBack(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
	whole := func() bool {
		got := r.receiver.memory.large.TryAcquire(largeBodies)
		if got {
			r.receiver.memory.large.Release(largeBodies)
		}
		return got
	}
	body := trstBody + strings.Repeat(" ", maxBody-len(trstBody))
	for range 2 * largeBodies / maxBody {
		r.deliver("trst", body, forged)
		if got := r.deliver("trst", body); got.status != 200 {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		got, err := overTCP(r.url, r.providers["trst"].Sign(nil, noon), io.LimitReader(zeros{}, 2*maxBody))
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 413, `{"error":"body_too_large"}`)
		conn := r.stall(maxBody, maxBody/2)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != 400 {
			t.Fatalf("a body cut short: answered %d, %v", resp.StatusCode, err)
		}
	}
	eventually(t, "all of the memory for large bodies is free", whole)
}
