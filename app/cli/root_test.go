package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestUnknownCommands(t *testing.T) {
	isolate(t)
	for command, want := range map[string]string{
		"trigge":  `there is no command "trigge"; did you mean trigger?`,
		"migarte": `there is no command "migarte"; did you mean migrate?`,
		"ser":     `there is no command "ser"; did you mean serve?`,
		"zzz":     `there is no command "zzz"; --help lists them`,
	} {
		failsWith(t, want, command)
	}
	failsWith(t, `unknown flag: --cuont (identity-webhooks trigger --help lists the flags)`, "trigger", "--cuont", "3")
	failsWith(t, `unknown flag: --port (identity-webhooks --help lists the flags)`, "--port", "80")
	failsWith(t, `unknown command "now" for "identity-webhooks migrate"`, "migrate", "now")
	failsWith(t, `accepts at most 1 arg(s), received 2`, "trigger", "a", "b")
}

// TestHelp: each command says what it is for, and shows how to call it.
func TestHelp(t *testing.T) {
	t.Parallel()
	root := newServe(nil)
	root.AddCommand(commands(samples())...)
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		name := strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), root.Name()))
		help := succeed(t, append(strings.Fields(name), "--help")...)
		example := strings.TrimSpace("go run . " + name)
		if cmd.Short == "" || !strings.Contains(help, "Examples:\n") || !strings.Contains(help, example) {
			t.Errorf("the help of %q has no example with %q:\n%s", name, example, help)
		}
		if last := strings.TrimSpace(cmd.Example); last == "" || strings.Contains(cmd.Example, "\t") {
			t.Errorf("the examples of %q are %q", name, cmd.Example)
		}
	}
}

// TestErrors: one line each, whatever the error is made of.
func TestErrors(t *testing.T) {
	isolate(t)
	t.Setenv("ADDR", "8080")
	t.Setenv("LOG_LEVEL", "loud")
	want := []string{`LOG_LEVEL is "loud": want debug, info, warn, error`, `ADDR is "8080": want host:port or :port`}
	for _, args := range [][]string{nil, {"serve"}, {"migrate"}, {"trigger", "trst/webhook.test"}} {
		if got := fails(t, args...); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

// TestExitCodes: a script tells a mistake of its own from a failure.
func TestExitCodes(t *testing.T) {
	isolate(t)
	for _, c := range []struct {
		want int
		args []string
	}{
		{exitOK, []string{"--help"}},
		{exitOK, []string{"migrate"}},
		{exitUsage, []string{"trigge"}},
		{exitUsage, []string{"migrate", "--force"}},
		{exitUsage, []string{"migrate", "now"}},
		{exitUsage, []string{"bench", "--connections", "0"}},
		{exitUsage, []string{"trigger", "trst/no.such.type"}},
		{exitError, []string{"trigger", "trst/webhook.test", "--secret", "whsec_c2VjcmV0", "--url", "http://127.0.0.1:1"}},
	} {
		if r := execute(t, c.args...); r.code != c.want {
			t.Errorf("%q: exit code %d, want %d; stderr %q", c.args, r.code, c.want, r.stderr)
		}
	}
	t.Setenv("ADDR", "8080")
	if r := execute(t, "migrate"); r.code != exitUsage {
		t.Errorf("a wrong ADDR: exit code %d, want %d", r.code, exitUsage)
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
