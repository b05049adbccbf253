package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
)

// program is this program as a process of its own, which is started again whenever it ends, as a service manager does.
type program struct {
	*running
	path    string
	dir     string // where it runs
	environ []string
	mu      sync.Mutex
	process *exec.Cmd // the one that runs now, or ran last
	stopped chan struct{}
	done    sync.WaitGroup
}

// buildDir holds the built program; empty while it is not built.
var buildDir string

// built is the path of the program, which is built once, with the race detector if this test has it.
var built = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "identity-webhooks-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "program")
	out, err := exec.Command("go", "build", fmt.Sprintf("-race=%t", raceDetector), "-o", path, "..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func build(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// launch starts the program at path, waits until it answers, and keeps it running until the end of the test.
func launch(t *testing.T, path, role string, b backend, settings ...string) *program {
	t.Helper()
	p := &program{
		running: &running{t: t, addr: testservers.FreeAddress(t), adminAddr: testservers.FreeAddress(t), providers: providers(t), log: &buffer{}},
		path:    path, dir: t.TempDir(), stopped: make(chan struct{}),
	}
	p.environ = environment(b, append([]string{"ADDR=" + p.addr, "ADMIN_ADDR=" + p.adminAddr, "LOG_LEVEL=warn", "ROLE=" + role}, settings...)...)
	p.done.Go(p.keep)
	t.Cleanup(func() {
		p.end(syscall.SIGCONT, syscall.SIGTERM)
		log := p.log.String()
		if _, race, found := strings.Cut(log, "WARNING: DATA RACE"); found {
			t.Errorf("%s has a data race:%.5000s", role, race)
		}
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", role, log[max(0, len(log)-5000):])
		}
	})
	p.awaitRestart()
	return p
}

// awaitRestart waits until the program answers, at least that it wants a password.
func (p *program) awaitRestart() {
	p.t.Helper()
	p.eventually("the program answers", func() bool {
		status, _, err := request(context.Background(), http.MethodGet, "http://"+p.adminAddr+"/api/stats", nil, nil)
		return err == nil && (status == http.StatusOK || status == http.StatusUnauthorized)
	})
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
		cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = p.environ, p.log, p.log, p.dir
		if err := cmd.Start(); err != nil {
			p.mu.Unlock()
			p.t.Error(err)
			return
		}
		p.process = cmd
		p.mu.Unlock()
		fmt.Fprintf(p.log, "(ended: %v)\n", cmd.Wait())
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

// end sends the signals, and waits until the process has ended for good. A second call does nothing.
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
