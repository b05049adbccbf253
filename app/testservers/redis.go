package testservers

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Redis is a private Redis server that keeps nothing on disk.
type Redis struct {
	server
	address string
}

// NewRedis starts a Redis server that runs until the end of the test.
func NewRedis(t testing.TB) *Redis {
	t.Helper()
	r, err := launchRedis()
	must(t, err)
	r.t = t
	t.Cleanup(r.close)
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
	must(r.t, r.command("FLUSHALL"))
}

// launchRedis starts a server that has no test yet.
func launchRedis() (*Redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	w, err := watch()
	if err != nil {
		return nil, err
	}
	dir, err := w.newDir("redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{}
	return r, startOnFreePort(func(port int) error {
		r.address = address(port)
		r.p = &process{
			argv: []string{program, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir,
				"--save", "", "--appendonly", "no", "--daemonize", "no"},
			dir:   dir,
			ready: "Ready to accept connections",
			stops: syscall.SIGKILL, // there is nothing to save, and SIGTERM takes it up to 0.1 s
		}
		return r.p.start()
	})
}

// command sends a command whose answer is OK. It speaks the protocol itself, as only package jobs imports a Redis client.
func (r *Redis) command(name string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("redis %s: %w", name, err)
		}
	}()
	conn, err := net.DialTimeout("tcp", r.address, patience)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", name); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+OK\r\n" {
		err = fmt.Errorf("answer %q", answer)
	}
	return err
}
