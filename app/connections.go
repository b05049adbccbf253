package app

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxConnections is how many connections a server holds at once. More wait with the operating system.
	maxConnections = 1024
	// patience is how long a connection may keep the server waiting while others wait for its place. It exceeds what an answer
	// takes, so that none is cut off.
	patience = 2 * time.Second
)

// connections are those of one server.
type connections struct {
	most  int
	mu    sync.Mutex
	order *list.List // of *connection, the one whose state changed last at the end
	known map[net.Conn]*list.Element
	freed chan struct{} // has a value after a connection has gone
}

// connection is one with what net/http says about it.
type connection struct {
	net.Conn
	state http.ConnState
	since time.Time
}

func newConnections(most int) *connections {
	return &connections{most: most, order: list.New(), known: map[net.Conn]*list.Element{}, freed: make(chan struct{}, 1)}
}

// note takes a connection's new state from net/http, which tells the first one before it accepts the next connection.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.known[conn]
	gone := state == http.StateClosed || state == http.StateHijacked
	switch {
	case known && gone:
		c.order.Remove(e)
		delete(c.known, conn)
		select {
		case c.freed <- struct{}{}:
		default:
		}
	case known:
		held := e.Value.(*connection)
		held.state, held.since = state, time.Now()
		c.order.MoveToBack(e)
	case !gone:
		c.known[conn] = c.order.PushBack(&connection{conn, state, time.Now()})
	}
}

// awaitRoom returns when there is room for a connection. While there is none it closes the one that has been silent, idle or
// slow for the longest: all of them last less than its patience where nobody abuses them.
func (c *connections) awaitRoom() {
	for !c.room() {
		select {
		case <-c.freed:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// room reports whether there is room, and sees to it that there will be.
func (c *connections) room() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.order.Len() < c.most {
		return true
	}
	if longest := c.order.Front().Value.(*connection); time.Since(longest.since) >= patience {
		_ = longest.Close() // it may be gone by itself
	}
	return false
}

// closeSilent closes the connections that have sent nothing yet.
func (c *connections) closeSilent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*connection); conn.state == http.StateNew {
			_ = conn.Close() // it may be gone by itself
		}
	}
}
