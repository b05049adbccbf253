package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// listening is a server and its open port.
type listening struct {
	net.Listener
	server      *http.Server
	connections *connections
}

// listen opens a port. name is the variable that addr comes from.
func listen(ctx context.Context, name, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s (stop the program that uses it, or set %s to another port): %w", name, addr, name, err)
	}
	return l, nil
}

// prepare sets up the server but does not start it. The limits bound what slow or greedy senders can hold; the longest answer takes a read
// and a commit.
func (l *listening) prepare(h http.Handler, most int, log *slog.Logger) {
	l.connections = newConnections(most)
	l.server = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState:         func(conn net.Conn, state http.ConnState) { accepted(conn).note(state) },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, handlers.VerifiedKey{}, accepted(conn).markVerified)
		},
	}
}

// Accept waits for a connection, and then until there is room for it.
func (l *listening) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.connections.awaitRoom()
	return l.connections.add(conn.(*net.TCPConn)), nil
}

// shutdown lets the server finish the requests in progress until ctx is done, and reports whether it did. It closes connections that have
// sent nothing, which browsers and load balancers keep in reserve: net/http would wait for them.
func (l *listening) shutdown(ctx context.Context) (finished bool, err error) {
	done := make(chan error, 1)
	go func() { done <- l.server.Shutdown(ctx) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if errors.Is(err, context.DeadlineExceeded) {
				return false, l.server.Close()
			}
			return true, err
		case <-tick.C: // by now the listener is closed, and no new connections come
			l.connections.closeSilent()
		}
	}
}

// behindProxies replaces the remote address of requests from trusted proxies with the client's: the last address in X-Forwarded-For that is
// not a trusted proxy itself. Earlier addresses are ignored, since anybody may have written them.
func behindProxies(trusted []netip.Prefix, h http.Handler) http.Handler {
	if len(trusted) == 0 {
		return h
	}
	isTrusted := func(ip netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		client := peer.Addr()
		for i := len(hops) - 1; i >= 0 && err == nil && isTrusted(client); i-- {
			text := strings.TrimSpace(hops[i])
			hop, notAddr := netip.ParseAddr(text)
			if notAddr != nil { // some proxies add the port
				var withPort netip.AddrPort
				withPort, err = netip.ParseAddrPort(text)
				hop = withPort.Addr()
			}
			if err == nil {
				client = hop
			}
		}
		if client != peer.Addr() {
			r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
		}
		h.ServeHTTP(w, r)
	})
}
