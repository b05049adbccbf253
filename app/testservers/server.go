package testservers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to stop. On an idle machine either is well below a second.
const patience = 30 * time.Second

// server is a process that can be killed, paused, and started again. Its methods are for one goroutine at a time. The exported ones
// end the test on an error.
type server struct {
	t       testing.TB // nil for one that no test owns
	argv    []string
	dir     string              // where it runs
	user    *syscall.Credential // nil means whoever runs the tests
	ready   string              // what it logs when it answers
	stops   syscall.Signal      // what makes it stop at once and in order
	address string

	pid    int
	log    *log
	exited chan struct{} // closed when it and its children are dead; nil before the first start
}

// newServer returns a server that is not started yet, with a folder of its own.
func newServer(name string) (*server, error) {
	w, err := watch()
	if err != nil {
		return nil, err
	}
	dir, err := w.newDir(name)
	return &server{dir: dir}, err
}

// own makes the server the test's, which stops it at its end.
func (s *server) own(t testing.TB) {
	s.t = t
	t.Cleanup(s.close)
}

// Kill ends the server as a power failure would, with all of its processes, and returns when they are dead. Connections break, new
// ones are refused. What a server keeps on disk stays for Start. Nothing happens if it is not running.
func (s *server) Kill() {
	s.t.Helper()
	must(s.t, s.kill())
}

// Start starts a killed server, on its old address, and returns when it answers.
func (s *server) Start() {
	s.t.Helper()
	must(s.t, s.start())
}

// Pause freezes the server: it still accepts connections, and answers nothing.
func (s *server) Pause() {
	s.t.Helper()
	_, err := sendFamily(syscall.SIGSTOP, s.pid)
	must(s.t, err)
}

// Resume ends Pause. What was sent meanwhile is answered.
func (s *server) Resume() {
	s.t.Helper()
	_, err := sendFamily(syscall.SIGCONT, s.pid)
	must(s.t, err)
}

// start returns when the server answers. An error holds the end of its log.
func (s *server) start() error {
	if s.running() {
		return fmt.Errorf("start %s: it is running", s.argv[0])
	}
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C") // for the wording of the log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.user}
	// As the log is no file, the server writes it into a pipe, which its children inherit: Wait returns when all are gone.
	s.log = &log{want: []byte(s.ready), seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.argv[0], err)
	}
	exited := make(chan struct{})
	s.pid, s.exited = cmd.Process.Pid, exited
	pidFile := filepath.Join(s.dir, "pid")
	err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d %d\n", s.pid, s.stops), 0o600)
	go func() {
		_ = cmd.Wait()         // how it ended is known to whoever ended it
		_ = os.Remove(pidFile) // the watchdog can live with a dead one
		close(exited)
	}()
	if err == nil {
		select {
		case <-s.log.seen:
			return nil
		case <-s.exited:
			err = errors.New("it exited")
		case <-time.After(patience):
			err = fmt.Errorf("not ready after %v", patience)
		}
	}
	return errors.Join(fmt.Errorf("start %s: %w", s.argv[0], err), s.kill(), s.log)
}

func (s *server) running() bool {
	if s.exited == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *server) kill() error {
	if !s.running() {
		return nil
	}
	family, err := sendFamily(syscall.SIGSTOP, s.pid) // so that none sees another die and tidies up
	if err != nil {
		return err
	}
	for _, pid := range family {
		if err := send(syscall.SIGKILL, pid); err != nil {
			return err
		}
	}
	return s.awaitExit()
}

// stop stops the server in order, also one that is paused.
func (s *server) stop() error {
	if !s.running() {
		return nil
	}
	if err := send(s.stops, s.pid); err != nil {
		return err
	}
	if _, err := sendFamily(syscall.SIGCONT, s.pid); err != nil {
		return err
	}
	if s.awaitExit() != nil {
		return s.kill()
	}
	return nil
}

func (s *server) awaitExit() error {
	select {
	case <-s.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s is still running after %v", s.argv[0], patience)
	}
}

// close stops the server and removes its files, and shows the end of its log if the test has failed.
func (s *server) close() {
	if err := s.stop(); err != nil {
		s.t.Error(err)
		return
	}
	if s.t.Failed() {
		s.t.Logf("%s: %v", s.argv[0], s.log)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

// send signals one process. One that is gone is no error.
func send(sig syscall.Signal, pid int) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// sendFamily signals a process and then its children, and returns them all. Postgres has a child for each connection, in a
// session of its own, so that no process group holds them. It looks for children until there are no new ones: the signal may
// have come while one was being made.
func sendFamily(sig syscall.Signal, parent int) ([]int, error) {
	var family []int
	sent := map[int]bool{}
	for next := []int{parent}; len(next) > 0; {
		for _, pid := range next {
			if err := send(sig, pid); err != nil {
				return nil, err
			}
			sent[pid] = true
		}
		family = append(family, next...)
		found, err := children(parent)
		if err != nil {
			return nil, err
		}
		next = next[:0]
		for _, pid := range found {
			if !sent[pid] {
				next = append(next, pid)
			}
		}
	}
	return family, nil
}

func children(parent int) ([]int, error) {
	table, err := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []int
	for line := range strings.Lines(string(table)) {
		var pid, ppid int
		if _, err := fmt.Sscan(line, &pid, &ppid); err != nil {
			return nil, fmt.Errorf("list processes: %w in %q", err, line)
		}
		if ppid == parent {
			found = append(found, pid)
		}
	}
	return found, nil
}

// log keeps the end of a server's output. As an error it reads as that output, which is for when the server is dead: until
// then the output is still being written.
type log struct {
	text []byte
	want []byte
	seen chan struct{} // closed once want has been written
}

// logSize is how much of a log is kept, in bytes.
const logSize = 4 << 10

func (l *log) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if l.want != nil && bytes.Contains(l.text, l.want) {
		l.want = nil
		close(l.seen)
	}
	if over := len(l.text) - logSize; over > 0 && l.want == nil {
		l.text = bytes.Clone(l.text[over:])
	}
	return len(p), nil
}

func (l *log) Error() string { return "its log:\n" + string(l.text) }
