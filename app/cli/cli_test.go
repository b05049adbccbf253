package cli

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/identity-webhooks/app"
)

// root is the module's folder. It is made absolute before a test changes the current one.
var root = func() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
}()

// samples are the payloads of testdata.
func samples() fs.FS { return os.DirFS(filepath.Join(root, "testdata")) }

// result is what a command printed, and its exit code.
type result struct {
	code           int
	stdout, stderr string
}

// execute runs a command in this process.
func execute(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Execute(t.Context(), args, samples(), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// succeed runs a command that must not fail, and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := execute(t, args...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("%q: exit code %d, stderr %q, stdout %q", args, r.code, r.stderr, r.stdout)
	}
	return r.stdout
}

// fails runs a command that must fail, print nothing to stdout and each of its problems on a line of its own, and returns
// them without their prefix.
func fails(t *testing.T, args ...string) []string {
	t.Helper()
	r := execute(t, args...)
	if r.code != exitError && r.code != exitUsage || r.stdout != "" {
		t.Fatalf("%q: exit code %d, stdout %q, stderr %q; want an error", args, r.code, r.stdout, r.stderr)
	}
	return problems(t, r.stderr)
}

// problems takes the lines of stderr apart, each of which must be an error.
func problems(t *testing.T, stderr string) (list []string) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		problem, found := strings.CutPrefix(line, "error: ")
		if problem = strings.TrimSuffix(problem, "\n"); !found || problem == "" {
			t.Errorf("%q is no error of one line, in:\n%s", line, stderr)
		}
		list = append(list, problem)
	}
	return list
}

// failsWith is fails for a single problem.
func failsWith(t *testing.T, want string, args ...string) {
	t.Helper()
	if got := fails(t, args...); len(got) != 1 || got[0] != want {
		t.Errorf("%q:\n got %q\nwant %q", args, got, want)
	}
}

// isolate makes an empty folder the current one and empties all variables, which counts as not set.
func isolate(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{
		"PUBLIC_URL", "ADDR", "ADMIN_ADDR", "ADMIN_PASSWORD", "DATABASE_URL", "REDIS_URL", "APP_ENV", "ROLE", "TRUSTGATE_SIGNATURE_FALLBACK",
		"LEGALTALENT_SIGNED_CONTENT", "TRUSTGATE_SANDBOX", "LOG_LEVEL", "LOG_FORMAT",
		"TRUSTIST_WEBHOOK_SECRET", "TRUSTGATE_WEBHOOK_SECRET", "TRST_WEBHOOK_SECRET", "LEGALTALENT_WEBHOOK_SECRET",
		"TRUSTIST_WEBHOOK_SECRET_FILE", "TRUSTGATE_WEBHOOK_SECRET_FILE", "TRST_WEBHOOK_SECRET_FILE", "LEGALTALENT_WEBHOOK_SECRET_FILE",
		"PUBLIC_URL", "TRUSTIST_API_URL", "TRUSTIST_API_PATH", "TRUSTIST_API_KEY_ID", "TRUSTIST_API_KEY", "TRUSTGATE_API_URL", "TRUSTGATE_API_KEY",
		"TRUSTGATE_API_AUTH", "TRST_API_URL", "TRST_API_KEY_ID", "TRST_API_KEY", "TRST_PROJECT_ID", "LEGALTALENT_API_URL", "LEGALTALENT_API_KEY",
		"SUBSCRIPTION_CHECK_INTERVAL",
	} {
		t.Setenv(name, "")
	}
}

// server runs the whole program in this process until the test ends, and lets the environment name it, so that commands
// find it. It returns a client of its admin API.
func server(t *testing.T) *adminClient {
	t.Helper()
	isolate(t)
	return serverHere(t)
}

// serverHere is server with the environment and the folder as they are.
func serverHere(t *testing.T) *adminClient {
	t.Helper()
	t.Setenv("ADDR", "127.0.0.1:0")
	t.Setenv("ADMIN_ADDR", "127.0.0.1:0")
	t.Setenv("DATABASE_URL", "sqlite:"+filepath.Join(t.TempDir(), "db"))
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, samples(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // t's own ends before the answers are read
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections() // a shutdown waits for connections that have sent nothing yet
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Setenv("ADDR", a.Addr())
	t.Setenv("ADMIN_ADDR", a.AdminAddr())
	c.AdminAddr = a.AdminAddr()
	return newAdminClient(c)
}
