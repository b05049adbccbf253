package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

// withProgram builds the program once, for the tests that run it as a process.
func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "identity-webhooks")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder of the system's temporary ones
	program = filepath.Join(dir, "identity-webhooks")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	// Databases in memory: on a disk that other tests keep busy, a commit may take longer than a delivery waits for it.
	if memory, err := os.MkdirTemp("/dev/shm", "identity-webhooks"); err == nil {
		defer os.RemoveAll(memory) //nolint:errcheck // likewise
		// Postgres, which is another user, must get through.
		if err := errors.Join(os.Chmod(memory, 0o755), os.Setenv("TMPDIR", memory)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return testservers.Main(m)
}

// program is the path of the built program; TestMain sets it.
var program string

// process is the program, running.
type process struct {
	*exec.Cmd
	lines  chan string // of both outputs; closed when the process has ended
	output []string    // what has been read of lines
	end    error       // what Wait returned; to be read after lines is closed
}

// run starts the program in a folder, with no other variables than those given.
func run(t *testing.T, dir string, environ []string, args ...string) *process {
	t.Helper()
	ctx, kill := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	p := &process{Cmd: exec.CommandContext(ctx, program, args...), lines: make(chan string, 100_000)} // the process must not wait for the test to read
	r, w := io.Pipe()
	p.Dir, p.Env, p.Stdout, p.Stderr = dir, environ, w, w
	if environ == nil {
		p.Env = []string{}
	}
	if err := p.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	go func() {
		p.end = p.Wait()
		w.Close() //nolint:errcheck // always nil
	}()
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		kill()
		for range p.lines {
		}
	})
	return p
}

// waitFor reads lines up to one that matches, and returns its first group.
func (p *process) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	re, deadline := regexp.MustCompile(pattern), time.After(patience)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				t.Fatalf("it ended (%v) before it printed %s:\n%s", p.end, pattern, strings.Join(p.output, "\n"))
			}
			p.output = append(p.output, line)
			if groups := re.FindStringSubmatch(line); groups != nil {
				return groups[len(groups)-1]
			}
		case <-deadline:
			t.Fatalf("it did not print %s:\n%s", pattern, strings.Join(p.output, "\n"))
		}
	}
}

// wait reads the rest, and returns how the process ended.
func (p *process) wait(t *testing.T) *os.ProcessState {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				return p.ProcessState
			}
			p.output = append(p.output, line)
		case <-deadline:
			t.Fatalf("it did not end:\n%s", strings.Join(p.output, "\n"))
		}
	}
}

// anyPort lets a process listen where it likes.
var anyPort = []string{"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}

// serving starts the server and returns its public and its admin address.
func serving(t *testing.T, dir string) (p *process, addr, admin string) {
	t.Helper()
	p = run(t, dir, anyPort)
	addr = p.waitFor(t, `POST http://(127\.0\.0\.1:\d+)/webhooks/`)
	admin = p.waitFor(t, `admin API +http://(127\.0\.0\.1:\d+)/`)
	p.waitFor(t, "Try, in a second terminal")
	return p, addr, admin
}

// TestFirstRun is what the README begins with: start, and trigger from a second terminal, with nothing configured.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, addr, admin := serving(t, dir)
	trigger := run(t, dir, []string{"ADDR=" + addr, "ADMIN_ADDR=" + admin}, "trigger", "trustgate/applicant.reviewed")
	if end := trigger.wait(t); end.ExitCode() != 0 {
		t.Errorf("trigger: %v:\n%s", end, strings.Join(trigger.output, "\n"))
	}
	if out := strings.Join(trigger.output, "\n"); !strings.Contains(out, "event 1: processed, applied") || !strings.Contains(out, "status: verified") {
		t.Errorf("trigger prints:\n%s", out)
	}
	interrupt(t, p)
	if end := p.wait(t); end.ExitCode() != 0 {
		t.Errorf("after Ctrl+C: %v, want exit code 0:\n%s", end, strings.Join(p.output, "\n"))
	}
	for _, secret := range secretsIn(t, dir) {
		if strings.Contains(strings.Join(p.output, "\n"), secret) {
			t.Errorf("the server printed the secret %s", secret)
		}
	}
}

func secretsIn(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "secrets.env"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := regexp.MustCompile(`dev_\w+`).FindAllString(string(text), -1)
	if len(secrets) != 4 {
		t.Fatalf("the file has %d secrets, want 4", len(secrets))
	}
	return secrets
}

func interrupt(t *testing.T, p *process) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

func TestTerminated(t *testing.T) {
	t.Parallel()
	p, _, _ := serving(t, t.TempDir())
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if end := p.wait(t); end.ExitCode() != 0 {
		t.Errorf("got %v, want exit code 0:\n%s", end, strings.Join(p.output, "\n"))
	}
}

// TestSecondInterrupt: with an answer under way the first Ctrl+C waits, and says so; the second one does not.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	p, addr, _ := serving(t, t.TempDir())
	hold(t, addr)
	interrupt(t, p)
	p.waitFor(t, "press Ctrl\\+C again")
	// The line may come a moment before signals have their default meaning again: press until it ends.
	again, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer again.Stop()
	for ended := false; !ended; {
		select {
		case line, more := <-p.lines:
			p.output, ended = append(p.output, line), !more
		case <-again.C:
			if err := p.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		case <-deadline:
			t.Fatalf("it did not end:\n%s", strings.Join(p.output, "\n"))
		}
	}
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended by itself (%v), want by the signal:\n%s", p.ProcessState, strings.Join(p.output, "\n"))
	}
}

// hold begins a delivery and does not finish it. When it returns, the server is reading the body.
func hold(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // the server is gone by then
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST /webhooks/trst HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", addr); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
}

// failing runs the program and returns its problems; it must print nothing else.
func failing(t *testing.T, dir string, environ []string, args ...string) []string {
	t.Helper()
	p := run(t, dir, environ, args...)
	if code := p.wait(t).ExitCode(); code != exitError && code != exitUsage {
		t.Fatalf("exit code %d, want that of an error:\n%s", code, strings.Join(p.output, "\n"))
	}
	return problems(t, strings.Join(p.output, "\n")+"\n")
}

func TestStartProblems(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody has connected
	addr := taken.Addr().String()
	got := failing(t, t.TempDir(), []string{"ADDR=" + addr, "ADMIN_ADDR=127.0.0.1:0", "DATABASE_URL=mysql://localhost/db"})
	want := []string{
		"ADDR: cannot listen on " + addr + " (stop what does, or set ADDR to another port): listen tcp " + addr + ": bind: address already in use",
		"DATABASE_URL: want sqlite:<path> or postgres://<user>:<password>@<host>/<database>",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got, want)
	}
	// What the configuration and what the machine has against it comes at once.
	got = failing(t, t.TempDir(), []string{"ROLE=boss", "LOG_FORMAT=xml", "ADMIN_ADDR=8081", "ADDR=" + addr, "REDIS_URL=http://localhost"}, "serve")
	want = []string{`ROLE is "boss": want all, receiver, worker`, `LOG_FORMAT is "xml": want text, json`,
		`ADMIN_ADDR is "8081": want host:port or :port`,
		"ADDR: cannot listen on " + addr + " (stop what does, or set ADDR to another port): listen tcp " + addr + ": bind: address already in use",
		"REDIS_URL: want redis://, rediss://, redis-sentinel:// or redis-cluster://"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestSecondProcessOnOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, _, _ := serving(t, dir)
	file := filepath.Join("data", "webhooks.db")
	want := "DATABASE_URL: " + file + " is in use by another process: stop that one, or use Postgres for several"
	if got := failing(t, dir, anyPort); len(got) != 1 || got[0] != want {
		t.Errorf("a second server: got %q, want %q", got, want)
	}
	if got := failing(t, dir, nil, "migrate"); len(got) != 1 || got[0] != want {
		t.Errorf("migrate beside a server: got %q, want %q", got, want)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	next, _, _ := serving(t, dir) // what a killed process held is free
	interrupt(t, next)
	if end := next.wait(t); end.ExitCode() != 0 {
		t.Errorf("the next: %v:\n%s", end, strings.Join(next.output, "\n"))
	}
}

// TestSamplesAreInTheProgram: it triggers wherever it runs.
func TestSamplesAreInTheProgram(t *testing.T) {
	t.Parallel()
	p := run(t, t.TempDir(), nil, "trigger")
	if end := p.wait(t); end.ExitCode() != 0 || len(p.output) != len(walk(t)) {
		t.Errorf("%v, %d lines, want %d samples", end, len(p.output), len(walk(t)))
	}
}

// TestProductionLogs: JSON lines to stderr and nothing for people to stdout.
func TestProductionLogs(t *testing.T) {
	t.Parallel()
	p := run(t, t.TempDir(), append([]string{"APP_ENV=production", "TRST_WEBHOOK_SECRET=canary", "ADMIN_PASSWORD=canary"}, anyPort...))
	p.waitFor(t, `"msg":"started"`)
	interrupt(t, p)
	if end := p.wait(t); end.ExitCode() != 0 {
		t.Errorf("%v, want exit code 0", end)
	}
	for _, line := range p.output {
		if !bytes.HasPrefix([]byte(line), []byte(`{"time":"`)) || strings.Contains(line, "canary") {
			t.Errorf("it printed %s", line)
		}
	}
}
