package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

func TestUnknownCommands(t *testing.T) {
	isolate(t)
	name := programName()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"migarte"}, `there is no command "migarte"; did you mean migrate?`},
		{[]string{"ser"}, `there is no command "ser"; did you mean serve?`},
		{[]string{"zzz"}, `there is no command "zzz"; --help lists them`},
		{[]string{"--port", "80"}, "unknown flag: --port (" + name + " --help lists the flags)"},
		{[]string{"migrate", "--force"}, "unknown flag: --force (" + name + " migrate --help lists the flags)"},
		{[]string{"migrate", "now"}, `unknown command "now" for "` + name + ` migrate"`},
	} {
		got := execute(t, c.args...)
		if diff := cmp.Diff(result{exitUsage, "", "error: " + c.want + "\n"}, got, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.args, diff)
		}
	}
}

// TestHelp: each command says what it is for, shows how to call it, and fits a terminal of 80 columns.
func TestHelp(t *testing.T) {
	t.Parallel()
	top := newRoot(samples())
	for _, cmd := range append([]*cobra.Command{top}, top.Commands()...) {
		name := strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), top.Name()))
		help := succeed(t, append(strings.Fields(name), "--help")...)
		if example := strings.TrimSpace("go run . " + name); cmd.Short == "" || !strings.Contains(help, "Examples:\n") || !strings.Contains(help, example) {
			t.Errorf("the help of %q has no example with %q:\n%s", name, example, help)
		}
		for line := range strings.Lines(help) {
			if len([]rune(line)) > 81 && !strings.HasPrefix(line, "Use ") { // that one is cobra's
				t.Errorf("the help of %q has a line of more than 80 columns:\n%s", name, line)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := succeed(t, "--version"); !strings.HasPrefix(got, programName()+" version ") || !strings.Contains(got, "commit") {
		t.Errorf("got %q", got)
	}
}

// TestExitCodes: a script can tell a mistake of its own from a failure.
func TestExitCodes(t *testing.T) {
	isolate(t)
	for err, want := range map[error]int{
		nil:                  exitOK,
		errors.New("failed"): exitError,
		fmt.Errorf("run: %w", app.UsageError{Err: os.ErrExist}): exitUsage,
		errors.Join(os.ErrExist, app.UsageError{}):              exitUsage,
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
	t.Setenv("DATABASE_URL", "postgres://app@127.0.0.1:1/app")
	if r := execute(t, "migrate"); r.code != exitError || len(problems(t, r.stderr)) != 1 {
		t.Errorf("no database: %+v", r)
	}
	t.Setenv("ADDR", "8080")
	t.Setenv("LOG_LEVEL", "loud")
	for _, args := range [][]string{nil, {"serve"}, {"migrate"}} {
		if r := execute(t, args...); r.code != exitUsage || len(problems(t, r.stderr)) != 2 {
			t.Errorf("%q with a wrong configuration: %+v", args, r)
		}
	}
}

func TestMigrate(t *testing.T) {
	isolate(t)
	file := filepath.Join(t.TempDir(), "new", "webhooks.db")
	t.Setenv("DATABASE_URL", "sqlite:"+file)
	files, err := fs.Glob(os.DirFS(filepath.Join(root, "migrations", "sqlite")), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations: ", err)
	}
	const end = "the database is up to date\n"
	for _, want := range []string{"applied " + strings.Join(files, "\napplied ") + "\n" + end, end} {
		if got := succeed(t, "migrate"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database: %v, %v, want mode 0600", info, err)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080": "localhost:8080", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80",
		"127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "[::1]:80", "admin.internal:80": "admin.internal:80",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%q) = %q, want %q", addr, got, want)
		}
	}
}
