package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// listening is a server on the port it holds.
type listening struct {
	net.Listener
	server      *http.Server
	connections *connections
}

// serve prepares the server. It bounds what slow or greedy senders can hold, one by one and together; the longest answer
// takes a read and a commit of 1.5 s.
func (l *listening) serve(h http.Handler, most int, log *slog.Logger) {
	l.connections = newConnections(most)
	l.server = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState:         l.connections.note,
	}
}

// Accept waits for room, and then for a connection.
func (l *listening) Accept() (net.Conn, error) {
	l.connections.awaitRoom()
	return l.Listener.Accept()
}

// shutdown lets the server finish the answers under way. Connections that have sent nothing, as browsers and load balancers
// keep at hand, are closed: net/http would take them for busy, and wait.
func (l *listening) shutdown(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- l.server.Shutdown(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return errors.Join(fmt.Errorf("shut down %s: %w", l.Addr(), err), l.server.Close())
			}
			return nil
		case <-tick.C: // by now the listener is closed, and no new ones come
			l.connections.closeSilent()
		}
	}
}
