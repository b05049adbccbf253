package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// program is the path of the built program; TestMain sets it.
var program string

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

// withProgram builds the program once, for the tests that run it as a process.
func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "webhooks")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is the system's folder for temporary files
	program = filepath.Join(dir, "webhooks")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is the program, running.
type process struct {
	*exec.Cmd
	lines  chan string // of both outputs; closed when the process has ended
	output []string    // what has been read of lines
}

// run starts the program in a folder, with no other variables than those given.
func run(t *testing.T, dir string, environ []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, args...), lines: make(chan string, 100_000)} // the process must not wait for the test to read
	r, w := io.Pipe()
	p.Dir, p.Env, p.Stdout, p.Stderr = dir, append([]string{}, environ...), w, w
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait() // the tests look at ProcessState
		_ = w.Close()
	}()
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // most have ended by then
		for range p.lines {
		}
	})
	return p
}

// waitFor reads lines up to one that matches, and returns its last group.
func (p *process) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	re, deadline := regexp.MustCompile(pattern), time.After(patience)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				t.Fatalf("it ended (%v) before it printed %s:\n%s", p.ProcessState, pattern, strings.Join(p.output, "\n"))
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

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// anyPort lets a process listen where it likes.
var anyPort = []string{"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}

// serving starts the server and returns its public and its admin address.
func serving(t *testing.T, dir string, environ ...string) (p *process, addr, admin string) {
	t.Helper()
	p = run(t, dir, append(slices.Clone(anyPort), environ...))
	addr = p.waitFor(t, `POST http://(127\.0\.0\.1:\d+)/webhooks/`)
	admin = p.waitFor(t, `admin API +http://(127\.0\.0\.1:\d+)/`)
	p.waitFor(t, "queue +embedded")
	return p, addr, admin
}

// TestStartWithNothingConfigured: it serves, is ready, and ends cleanly at each signal that asks for it. One database file is left.
func TestStartWithNothingConfigured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) {
			continue // under nohup
		}
		p, addr, admin := serving(t, dir)
		for _, url := range []string{"http://" + addr + "/readyz", "http://" + admin + "/api/stats"} {
			resp, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", url, resp.Status)
			}
		}
		if end := run(t, dir, []string{"ADDR=" + addr}, "healthcheck").wait(t); end.ExitCode() != exitOK {
			t.Errorf("healthcheck: %v", end)
		}
		p.signal(t, s)
		if end := p.wait(t); end.ExitCode() != exitOK {
			t.Errorf("%v: %v, want exit code 0:\n%s", s, end, strings.Join(p.output, "\n"))
		}
		secrets, err := os.ReadFile(filepath.Join(dir, "data", "secrets.env"))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range regexp.MustCompile(`whsec_\w+`).FindAllString(string(secrets), -1) {
			if strings.Contains(strings.Join(p.output, "\n"), secret) {
				t.Errorf("the server printed the secret %s", secret)
			}
		}
		if wal, err := os.Stat(filepath.Join(dir, "data", "webhooks.db-wal")); err == nil && wal.Size() > 0 {
			t.Errorf("%v: a log of %d bytes is left beside the database", s, wal.Size())
		}
	}
}

// TestToolsOverTLS: the tools find a server with a certificate, and trust it only if the system does.
func TestToolsOverTLS(t *testing.T) {
	t.Parallel()
	if cmd, _, err := newRoot(nil).Find([]string{"trigger"}); err != nil || cmd.Name() != "trigger" {
		t.Skip("the developer tools were removed")
	}
	dir := t.TempDir()
	certFile, keyFile := testservers.Certificate(t, dir, 1, time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour))
	tls := []string{"TLS_CERT_FILE=" + certFile, "TLS_KEY_FILE=" + keyFile}
	server := run(t, dir, append(slices.Clone(anyPort), tls...))
	addr := server.waitFor(t, `POST https://(127\.0\.0\.1:\d+)/webhooks/`)
	admin := server.waitFor(t, `admin API +http://(127\.0\.0\.1:\d+)/`)
	sample := server.waitFor(t, `go run \. trigger (\S+)`)
	environ := append(slices.Clone(tls), "ADDR="+addr, "ADMIN_ADDR="+admin)
	trusting := append(slices.Clone(environ), "SSL_CERT_FILE="+certFile)
	for _, c := range []struct {
		environ []string
		want    string
		args    []string
	}{
		{trusting, `→ 200 OK {"status":"accepted"}`, []string{"trigger", sample}},
		{trusting, "the server at " + addr + " answers and can store deliveries", []string{"doctor", "--json"}},
		{environ, "give a URL for which the certificate is valid: --url https://name:port", []string{"trigger", sample}},
		{environ, "a server answers at " + addr + "; its certificate is not valid", []string{"doctor", "--json"}},
	} {
		p := run(t, dir, c.environ, c.args...)
		p.wait(t)
		if out := strings.Join(p.output, "\n"); !strings.Contains(out, c.want) {
			t.Errorf("%s: want %q in:\n%s", c.args, c.want, out)
		}
	}
	server.signal(t, syscall.SIGTERM)
	server.wait(t)
}

// TestProvidersWithoutSecret: the banner says how to give them a route, and suggests nothing that they would have to receive.
func TestProvidersWithoutSecret(t *testing.T) {
	t.Parallel()
	names := handlers.ProviderNames()
	p, _, _ := serving(t, t.TempDir(), secretName+"=b6f0c1d29a7e4835")
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	for _, name := range names[1:] {
		if off := fmt.Sprintf("  off         %s: set %s", name, handlers.Needs(name)); !slices.Contains(p.output, off) {
			t.Errorf("%q is missing in:\n%s", off, strings.Join(p.output, "\n"))
		}
	}
	for _, line := range p.output {
		if strings.Contains(line, "Try,") && !strings.Contains(line, " trigger "+names[0]+"/") {
			t.Errorf("it suggests %s, but only %s has a secret", line, names[0])
		}
	}
}

// hold begins a request and does not finish it. When it returns, the server is reading the body.
func hold(t *testing.T, addr, path string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server is gone by then
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", path, addr); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	return conn
}

// TestSecondInterrupt: with an answer under way the first Ctrl+C waits, and says so; the second one does not.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	p, addr, _ := serving(t, t.TempDir())
	hold(t, addr, p.holdable())
	p.signal(t, syscall.SIGINT)
	p.waitFor(t, "press Ctrl\\+C again")
	// The line may come a moment before signals have their default meaning again: press until it ends.
	again, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer again.Stop()
	for ended := false; !ended; {
		select {
		case line, more := <-p.lines:
			p.output, ended = append(p.output, line), !more
		case <-again.C:
			p.signal(t, syscall.SIGINT)
		case <-deadline:
			t.Fatal("it does not end")
		}
	}
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended by itself (%v), want by the signal:\n%s", p.ProcessState, strings.Join(p.output, "\n"))
	}
}

// TestSlowSenderAtShutdown: it is cut off after a while, with a warning, and that is no failure.
func TestSlowSenderAtShutdown(t *testing.T) {
	t.Parallel()
	p, addr, _ := serving(t, t.TempDir())
	hold(t, addr, p.holdable())
	p.signal(t, syscall.SIGTERM)
	p.waitFor(t, "requests cut off at shutdown")
	if end := p.wait(t); end.ExitCode() != exitOK {
		t.Errorf("%v, want exit code 0:\n%s", end, strings.Join(p.output, "\n"))
	}
}

// holdable is a path whose deliveries are read: that of the first provider in the banner without a token.
func (p *process) holdable() string {
	for _, line := range p.output {
		if _, path, found := strings.Cut(line, "/webhooks/"); found && !strings.Contains(path, "/") {
			return "/webhooks/" + path
		}
	}
	return "/webhooks/" + handlers.ProviderNames()[0] + "/token"
}

// failing runs the program and returns its exit code and problems; it must print nothing else.
func failing(t *testing.T, dir string, environ []string, args ...string) (int, []string) {
	t.Helper()
	p := run(t, dir, environ, args...)
	code := p.wait(t).ExitCode()
	return code, problems(t, strings.Join(p.output, "\n")+"\n")
}

func TestSecondProcessOnOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, _, _ := serving(t, dir)
	if err := os.Symlink("webhooks.db", filepath.Join(dir, "data", "link.db")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve"}, {"migrate"}} {
		for _, url := range []string{"sqlite:data/webhooks.db", "sqlite:data/link.db"} {
			code, got := failing(t, dir, append([]string{"DATABASE_URL=" + url}, anyPort...), args...)
			if code != exitError || len(got) != 1 || !strings.Contains(got[0], "is in use by another process: stop that one, or use Postgres for several") {
				t.Errorf("%s on %s: exit code %d, %q", args, url, code, got)
			}
		}
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	next, _, _ := serving(t, dir) // what a killed process held is free
	next.signal(t, syscall.SIGTERM)
	if end := next.wait(t); end.ExitCode() != exitOK {
		t.Errorf("the next: %v:\n%s", end, strings.Join(next.output, "\n"))
	}
}

// TestUnreadableConfiguration: there is one error, about the file.
func TestUnreadableConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".env"), 0o700); err != nil {
		t.Fatal(err)
	}
	if code, got := failing(t, dir, nil); code != exitUsage || len(got) != 1 || !strings.Contains(got[0], ".env") {
		t.Errorf("exit code %d, %q", code, got)
	}
}

// TestProductionLogs: JSON lines go to stderr, nothing for people to stdout, and secrets to neither.
func TestProductionLogs(t *testing.T) {
	t.Parallel()
	p := run(t, t.TempDir(), append([]string{"APP_ENV=production", secretName + "=canaryb6f0c1d29a7e00", "ADMIN_PASSWORD=canaryb6f0c1d29a7e00"}, anyPort...))
	p.waitFor(t, `"msg":"started"`)
	p.signal(t, syscall.SIGTERM)
	if end := p.wait(t); end.ExitCode() != exitOK {
		t.Errorf("%v, want exit code 0", end)
	}
	for _, line := range p.output {
		if !strings.HasPrefix(line, `{"time":"`) || strings.Contains(line, "canary") {
			t.Errorf("it printed %s", line)
		}
	}
}
