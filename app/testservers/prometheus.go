package testservers

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Prometheus is a private Prometheus server.
type Prometheus struct{ *server }

// NewPrometheus starts a Prometheus with a configuration file. It runs until the end of the test.
func NewPrometheus(t testing.TB, config string) *Prometheus {
	t.Helper()
	program, err := lookPath("prometheus")
	must(t, err)
	s, err := newServer("prometheus")
	must(t, err)
	s.ready, s.stops = "Server is ready to receive web requests", syscall.SIGKILL // there is nothing to save
	must(t, startOnFreePort(s, func(port int) error {
		s.argv = []string{program, "--config.file", config, "--storage.tsdb.path", filepath.Join(s.dir, "data"),
			"--web.listen-address", "127.0.0.1:" + strconv.Itoa(port)}
		return nil
	}))
	s.own(t)
	return &Prometheus{s}
}

// URL returns the URL of its API.
func (p *Prometheus) URL() string { return "http://" + p.address }

// Promtool runs promtool, which must find nothing wrong.
func Promtool(t testing.TB, args ...string) {
	t.Helper()
	program, err := lookPath("promtool")
	must(t, err)
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %q: %v\n%s", args, err, out)
	}
}
