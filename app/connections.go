package app

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxConnections is how many connections a server holds at once. More wait in the operating system.
	maxConnections = 1024
	// patience is how long a connection may spend on one request while others wait for its place. An answer takes less time, so no honest
	// sender is cut off.
	patience = 2 * time.Second
)

// connections are the open connections of one server.
type connections struct {
	most  int
	mu    sync.Mutex
	held  map[*connection]bool
	freed chan struct{} // has a value after a connection was closed
}

// connection is one open connection. It embeds *net.TCPConn because net/http needs its CloseWrite to close cleanly.
type connection struct {
	*net.TCPConn
	all  *connections
	from netip.Addr

	// The rest is guarded by all.mu.
	state    http.ConnState
	since    time.Time // when it entered the state
	verified bool      // it has carried a verified delivery
}

func newConnections(most int) *connections {
	return &connections{most: most, held: map[*connection]bool{}, freed: make(chan struct{}, 1)}
}

// add adds a new connection.
func (all *connections) add(conn *net.TCPConn) *connection {
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c := &connection{TCPConn: conn, all: all, from: from.Addr().Unmap(), state: http.StateNew, since: time.Now()}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.held[c] = true
	return c
}

// Close closes the connection and frees its place.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.held, c)
	c.all.mu.Unlock()
	select {
	case c.all.freed <- struct{}{}:
	default:
	}
	return c.TCPConn.Close()
}

// note records the state that net/http reports.
func (c *connection) note(state http.ConnState) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.state, c.since = state, time.Now()
}

// markVerified marks the connection as a provider's.
func (c *connection) markVerified() {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.verified = true
}

// awaitRoom waits until there is room for another connection. If all places are taken, it closes a connection that may be closed.
func (all *connections) awaitRoom() {
	for {
		full, evicted := all.evict(time.Now())
		switch {
		case !full:
			return
		case evicted != nil:
			_ = evicted.Close() // the other side may have closed it
			continue
		}
		select {
		case <-all.freed:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// evict reports whether all places are taken, and returns the connection to close first; nil if none may be closed. Connections without a
// verified delivery go first, starting with the address that has the most of them; then the connection that has been in its state for the
// longest. A verified one goes only if all are.
//
// A connection in the middle of a request may be closed only when its patience is over. An idle connection may be closed at once, unless it
// is verified: strangers must not keep others out by sending often.
func (all *connections) evict(now time.Time) (full bool, first *connection) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.held) < all.most {
		return false, nil
	}
	byAddress := map[netip.Addr]int{}
	for c := range all.held {
		if !c.verified {
			byAddress[c.from]++
		}
	}
	for c := range all.held {
		mayGo := now.Sub(c.since) >= patience || c.state == http.StateIdle && !c.verified
		if mayGo && (first == nil || c.goesBefore(first, byAddress)) {
			first = c
		}
	}
	if first != nil && first.verified && len(byAddress) > 0 { // soon one of the others may go
		first = nil
	}
	return true, first
}

func (c *connection) goesBefore(o *connection, byAddress map[netip.Addr]int) bool {
	if c.verified != o.verified {
		return o.verified
	}
	if n, m := byAddress[c.from], byAddress[o.from]; n != m && !c.verified {
		return n > m
	}
	return c.since.Before(o.since)
}

// closeSilent closes the connections that have sent nothing yet.
func (all *connections) closeSilent() {
	all.mu.Lock()
	var silent []*connection
	for c := range all.held {
		if c.state == http.StateNew {
			silent = append(silent, c)
		}
	}
	all.mu.Unlock()
	for _, c := range silent {
		_ = c.Close() // the other side may have closed it
	}
}
