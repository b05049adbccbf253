package testservers

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Redis is a private Redis server that keeps nothing on disk.
type Redis struct{ *server }

// NewRedis starts a Redis server that runs until the end of the test.
func NewRedis(t testing.TB) *Redis {
	t.Helper()
	r, err := launchRedis()
	must(t, err)
	r.own(t)
	return r
}

// RedisURL returns the redis:// URL of an empty Redis server for this test: a private one, or the one in TEST_REDIS_URL, which
// is shared by all tests and not emptied for them.
func RedisURL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("TEST_REDIS_URL"); url != "" {
		return url
	}
	return NewRedis(t).URL()
}

// URL returns the server's redis:// URL, which stays the same when it is started again.
func (r *Redis) URL() string { return "redis://" + r.address }

// FlushAll empties the server.
func (r *Redis) FlushAll() {
	r.t.Helper()
	r.Do("FLUSHALL")
}

// Do sends a command whose answer is OK. It speaks the protocol itself, as package jobs is to be the only importer of a Redis client.
func (r *Redis) Do(command string) {
	r.t.Helper()
	conn, err := net.DialTimeout("tcp", r.address, patience)
	must(r.t, err)
	err = conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = fmt.Fprintf(conn, "%s\r\n", command)
	}
	var answer string
	if err == nil {
		answer, err = bufio.NewReader(conn).ReadString('\n')
	}
	if err = errors.Join(err, conn.Close()); err == nil && answer != "+OK\r\n" {
		err = fmt.Errorf("redis %s: answer %q", command, answer)
	}
	must(r.t, err)
}

// launchRedis starts a server that no test owns yet.
func launchRedis() (*Redis, error) {
	program, err := lookPath("redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("redis")
	if err != nil {
		return nil, err
	}
	s.ready, s.stops = "Ready to accept connections", syscall.SIGKILL // there is nothing to save, and SIGTERM takes it up to 0.1 s
	return &Redis{s}, startOnFreePort(s, func(port int) error {
		s.argv = []string{program, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no"}
		return nil
	})
}
