// Package testservers gives tests real Postgres, Redis, PgBouncer and Prometheus servers: private ones, started from PATH on free loopback
// ports and never the machine's own. Only tests import it. It works on Linux and macOS, as root too.
//
// A test that has to hurt a server takes NewPostgres or NewRedis. One that merely needs a place to store things takes DatabaseURL
// or RedisURL. Where a program is not installed the test is skipped, or fails if REQUIRE_SERVERS=1.
//
// No server outlives the tests, whichever way they end: see watchdog.sh.
//
// A Postgres server is a thousand small files. Linux's ext4 gets slow at making files just after many were removed, so when the
// tests run again and again, TMPDIR=/dev/shm speeds them up. Then nothing reaches a disk.
package testservers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// install is what to tell somebody who has no servers.
const install = "apt-get install postgresql redis-server pgbouncer prometheus procps, or brew install postgresql redis pgbouncer prometheus"

// Main runs the tests and then stops what they shared. It returns the exit code, for use in TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }
//
// A package without it leaves that to the watchdog, which does the same a moment after the test process has ended.
func Main(m *testing.M) int {
	code := m.Run()
	w, err := watch()
	if err == nil {
		err = w.release()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// errOff says that there are to be no servers.
var errOff = fmt.Errorf("TEST_SERVERS=off: %w", exec.ErrNotFound)

// lookPath finds a program, unless TEST_SERVERS=off asks for a run without servers.
func lookPath(name string) (string, error) {
	if os.Getenv("TEST_SERVERS") == "off" {
		return "", errOff
	}
	return exec.LookPath(name)
}

// must ends the test if err is not nil: with a skip if a program is missing that the test does not strictly need.
func must(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("REQUIRE_SERVERS") != "1":
		t.Skipf("%v; to run this test: %s", err, install)
	case errors.Is(err, exec.ErrNotFound):
		t.Fatalf("%v; REQUIRE_SERVERS=1 asks for it: %s", err, install)
	default:
		t.Fatal(err)
	}
}

// await waits until done returns true.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// FreeAddress returns a loopback address on which nothing listens, and which no client connection is given meanwhile: for a program
// that is killed and started again, or for one that must not be there.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return address(port)
}

// freePort returns a loopback port that nobody listens on. It is below those that systems hand out to clients (from 32768 on
// Linux, 49152 on macOS), so that no connection takes it while its server is down.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp", address(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("find a free port: none")
}

// startOnFreePort starts a server on ports until one is not taken by somebody else just before.
func startOnFreePort(s *server, configure func(port int) error) error {
	for range 10 {
		port, err := freePort()
		if err == nil {
			err = configure(port)
		}
		if err == nil {
			s.address = address(port)
			err = s.start()
		}
		if err == nil || !strings.Contains(err.Error(), "ddress already in use") {
			return err
		}
	}
	return errors.New("start a server: every port is taken")
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
