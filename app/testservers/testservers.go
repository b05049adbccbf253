// Package testservers gives tests real Postgres and Redis servers: private ones, started from PATH on free loopback ports and
// never the machine's own. Only tests import it. It works on Linux and macOS, as root too.
//
// A test that has to hurt a server takes NewPostgres or NewRedis; one that merely needs a place to store things takes
// DatabaseURL or RedisURL. Where the programs are not installed the test is skipped, or fails if REQUIRE_SERVERS=1.
//
// No server outlives the tests, whichever way they end: see watchdog.sh.
//
// A Postgres server is a thousand small files. Linux's ext4 gets slow at making files just after many were removed, so when the
// tests run again and again, TMPDIR=/dev/shm speeds them up; then nothing reaches a disk.
package testservers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// install is what to tell somebody who has no servers.
const install = "apt-get install postgresql redis-server procps, or brew install postgresql redis"

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
