package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// program is this program as a process of its own, which is started again whenever it ends, as a service manager would.
type program struct {
	t       *testing.T
	name    string
	log     *buffer
	environ []string
	path    string
	mu      sync.Mutex
	process *exec.Cmd // the one that runs now, or ran last
	stopped chan struct{}
	done    sync.WaitGroup
}

// build builds the program, with the race detector if this test has it, and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identity-webhooks")
	cmd := exec.Command("go", "build", fmt.Sprintf("-race=%t", raceDetector), "-o", path, "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// launch starts the program at path and keeps it running until the end of the test.
func launch(t *testing.T, path, name string, environ ...string) *program {
	t.Helper()
	p := &program{t: t, name: name, log: &buffer{}, environ: environ, path: path, stopped: make(chan struct{})}
	p.done.Go(p.keep)
	t.Cleanup(func() {
		p.stop()
		log := p.log.String()
		if _, race, found := strings.Cut(log, "WARNING: DATA RACE"); found {
			t.Errorf("%s has a data race:%.5000s", name, race)
		}
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", name, log[max(0, len(log)-5000):])
		}
	})
	return p
}

// keep runs the process again and again.
func (p *program) keep() {
	for {
		p.mu.Lock()
		select {
		case <-p.stopped:
			p.mu.Unlock()
			return
		default:
		}
		cmd := exec.Command(p.path)
		cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = p.environ, p.log, p.log, filepath.Dir(p.path)
		if err := cmd.Start(); err != nil {
			p.mu.Unlock()
			p.t.Error(err)
			return
		}
		p.process = cmd
		p.mu.Unlock()
		err := cmd.Wait()
		fmt.Fprintf(p.log, "(ended: %v)\n", err)
		select {
		case <-p.stopped:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// signal sends a signal to the process, if it runs.
func (p *program) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		_ = p.process.Process.Signal(s) // it may have ended by itself
	}
}

// stop ends the process for good, gracefully, and waits. A second call does nothing.
func (p *program) stop() {
	p.end(syscall.SIGCONT, syscall.SIGTERM)
}

// kill ends the process for good, at once, and waits.
func (p *program) kill() { p.end(syscall.SIGKILL) }

func (p *program) end(signals ...syscall.Signal) {
	p.mu.Lock()
	select {
	case <-p.stopped:
	default:
		close(p.stopped)
	}
	p.mu.Unlock()
	for _, s := range signals {
		p.signal(s)
	}
	p.done.Wait()
}

// environment is what a program is started with that has a secret of each provider, on two addresses.
func environment(b backend, addr, admin string, settings ...string) []string {
	environ := []string{
		"ADDR=" + addr, "ADMIN_ADDR=" + admin, "DATABASE_URL=" + b.databaseURL, "REDIS_URL=" + b.redisURL,
		"LOG_LEVEL=warn", "PATH=" + os.Getenv("PATH"),
	}
	for _, name := range handlers.ProviderNames() {
		environ = append(environ, app.SecretName(name)+"="+secret)
	}
	return append(environ, settings...)
}
