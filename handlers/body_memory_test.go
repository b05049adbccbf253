package handlers

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// stall begins a delivery from this address, sends so many bytes of a body of this length, and no more.
func (r *reception) stall(from string, length, sent int) net.Conn {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(r.t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() }) // a test may have closed it
	if _, err := fmt.Fprintf(conn, "POST /webhooks/testprovider HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, strings.Repeat(" ", sent)); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// taken is the memory that large bodies have.
func (r *reception) taken() int {
	r.receiver.memory.mu.Lock()
	defer r.receiver.memory.mu.Unlock()
	return r.receiver.memory.taken
}

// TestSlowSendersKeepNobodyOut: while 50 senders do not go on, small deliveries are accepted, and large ones, too, from an address that is
// not the slow senders'.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	small, large := testBody, testBody+strings.Repeat(" ", 20<<10)
	for name, c := range map[string]struct {
		from   string
		sent   int
		isHeld bool // the share of that address
	}{
		"at once, from the same address":        {"127.0.0.1", 0, false},
		"after a while, from the same address":  {"127.0.0.1", 100 << 10, false},
		"before the end, from another address":  {"127.0.0.2", MaxBody - 1, true},
		"before the end, from the same address": {"127.0.0.1", MaxBody - 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReception(t, openStore(t, sqliteURL(t)), nil)
			var conns []net.Conn
			for range 50 {
				conns = append(conns, r.stall(c.from, MaxBody, c.sent))
			}
			if c.isHeld {
				eventually(t, "the address has taken its share", func() bool { return r.taken() >= addressShare-MaxBody })
			}
			for i := range 20 {
				body := strings.Replace(small, "evt_1", fmt.Sprint("small_", i), 1)
				r.deliver(body).want(t, 200, isAccepted)
			}
			got := r.deliver(large)
			if c.isHeld && c.from == "127.0.0.1" {
				got.want(t, 503, isUnavailable)
				if after := got.header.Get("Retry-After"); after != "5" {
					t.Errorf("Retry-After %q", after)
				}
			} else {
				got.want(t, 200, isAccepted)
			}
			for _, conn := range conns {
				_ = conn.Close() // the server may have closed it
			}
			eventually(t, "all memory is free again", func() bool { return r.taken() == 0 })
			if got := r.deliver(large); got.status != 200 {
				t.Errorf("after that a large delivery is answered %d", got.status)
			}
		})
	}
}

// TestBodyMemoryIsBounded: many addresses together take no more than there is.
func TestBodyMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newBodyMemory()
	given := 0
	for i := range 256 {
		for m.take(fmt.Sprint("192.0.2.", i), bodyStep) {
			given += bodyStep
		}
	}
	if given != largeBodies {
		t.Errorf("gave %d bytes, want %d", given, largeBodies)
	}
	m.take("192.0.2.0", -addressShare)
	if !m.take("198.51.100.1", addressShare) || m.take("198.51.100.1", 1) || len(m.shares) != largeBodies/addressShare {
		t.Errorf("what is given back is not there for others: %+v", m.shares)
	}
}
