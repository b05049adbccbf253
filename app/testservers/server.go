package testservers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// server is what Postgres and Redis have in common. Its methods are for one goroutine at a time, and end the test on an error.
type server struct {
	t testing.TB
	p *process
}

// Kill ends the server at once with SIGKILL, all of its processes, and returns when they are dead. Connections break, new ones
// are refused. What a server keeps on disk stays for Start.
func (s server) Kill() {
	s.t.Helper()
	must(s.t, s.p.kill())
}

// Start starts a killed server, on its old address, and returns when it answers.
func (s server) Start() {
	s.t.Helper()
	must(s.t, s.p.start())
}

// Pause freezes the server: it still accepts connections, and answers nothing. It returns at once if the server is paused.
func (s server) Pause() {
	s.t.Helper()
	must(s.t, s.p.pause())
}

// Resume ends Pause. What was sent meanwhile is answered.
func (s server) Resume() {
	s.t.Helper()
	must(s.t, s.p.resume())
}

// close stops the server and removes its files, and shows the end of its log if the test has failed.
func (s server) close() {
	if err := s.p.stop(); err != nil {
		s.t.Error(err)
		return
	}
	if s.t.Failed() {
		s.t.Logf("%s: %v", s.p.argv[0], s.p.log)
	}
	if err := os.RemoveAll(s.p.dir); err != nil {
		s.t.Error(err)
	}
}

// startOnFreePort calls start with ports until one is not taken by somebody else just before the server could have it.
func startOnFreePort(start func(port int) error) error {
	for range 10 {
		port, err := freePort()
		if err != nil {
			return err
		}
		if err := start(port); err == nil || !strings.Contains(err.Error(), "ddress already in use") {
			return err
		}
	}
	return errors.New("start a server: every port is taken")
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
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("find a free port: none")
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
