package testservers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// patience is how long a server may take to start or to stop. On an idle machine either is well below a second.
const patience = 30 * time.Second

// process is a server that can be stopped, killed, paused, and started again. Its methods are for one goroutine at a time.
type process struct {
	argv  []string
	dir   string              // where it runs
	user  *syscall.Credential // nil means whoever runs the tests
	ready string              // what it logs when it answers
	stops syscall.Signal      // what makes it stop at once and in order

	pid    int
	log    *log
	exited chan struct{} // closed when it and its children are dead; nil before the first start
}

// start starts the server and returns when it answers. An error holds the end of the server's log.
func (p *process) start() error {
	if p.running() {
		return fmt.Errorf("start %s: it is running", p.argv[0])
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C") // for the wording of the log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: p.user}
	// As the log is no file, the server writes it into a pipe, which its children inherit: Wait returns when all are gone.
	p.log = newLog(p.ready)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.argv[0], err)
	}

	exited := make(chan struct{})
	p.pid, p.exited = cmd.Process.Pid, exited
	pidFile := filepath.Join(p.dir, "pid")
	err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d %d\n", p.pid, p.stops), 0o600)
	go func() {
		_ = cmd.Wait()         // how it ended is known to whoever ended it
		_ = os.Remove(pidFile) // the watchdog can live with a dead one
		close(exited)
	}()
	if err == nil {
		err = p.awaitReady()
	}
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("start %s: %w", p.argv[0], err), p.kill(), p.log)
}

func (p *process) awaitReady() error {
	select {
	case <-p.log.seen:
		return nil
	case <-p.exited:
		return errors.New("it exited")
	case <-time.After(patience):
		return fmt.Errorf("not ready after %v", patience)
	}
}

// stop stops the server in order, also one that is paused. Nothing happens if it is not running.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	if err := send(p.stops, p.pid); err != nil {
		return err
	}
	if _, err := sendFamily(syscall.SIGCONT, p.pid); err != nil {
		return err
	}
	if p.awaitExit() != nil {
		return p.kill()
	}
	return nil
}

// kill ends the server as a power failure would, and returns when it and its children are dead. Nothing happens if it is
// not running.
func (p *process) kill() error {
	if !p.running() {
		return nil
	}
	family, err := sendFamily(syscall.SIGSTOP, p.pid) // so that none sees another die and tidies up
	if err != nil {
		return err
	}
	for _, pid := range family {
		if err := send(syscall.SIGKILL, pid); err != nil {
			return err
		}
	}
	return p.awaitExit()
}

func (p *process) awaitExit() error {
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s is still running after %v", p.argv[0], patience)
	}
}

// pause freezes the server and its children, so that it accepts connections and never answers.
func (p *process) pause() error {
	_, err := sendFamily(syscall.SIGSTOP, p.pid)
	return err
}

// resume lets a paused server go on.
func (p *process) resume() error {
	_, err := sendFamily(syscall.SIGCONT, p.pid)
	return err
}

func (p *process) running() bool {
	if p.exited == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}
