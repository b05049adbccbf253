package cli

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
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

// secretName is the variable of any provider's secret.
var secretName = app.SecretName(handlers.ProviderNames()[0])

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
	if r.code != exitOK || r.stderr != "" {
		t.Fatalf("%q: exit code %d, stderr %q, stdout %q", args, r.code, r.stderr, r.stdout)
	}
	return r.stdout
}

// problems takes the lines of stderr apart, each of which must be an error.
func problems(t *testing.T, stderr string) (list []string) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		problem, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "error: ")
		if !found || problem == "" {
			t.Errorf("%q is not an error of one line, in:\n%s", line, stderr)
		}
		list = append(list, problem)
	}
	return list
}

// isolate makes an empty folder the current one, and takes all our variables out of the environment.
func isolate(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasSuffix(name, "_URL") || strings.HasSuffix(name, "ADDR") || strings.Contains(name, "_WEBHOOK_SECRET") || name == "APP_ENV" || name == "ROLE" {
			t.Setenv(name, "") // an empty variable counts as not set
		}
	}
}
