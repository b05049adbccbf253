package app_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRecipes follows the README's recipes to the letter, each series in a copy of the tree, and runs the tests there, on SQLite.
func TestRecipes(t *testing.T) {
	if os.Getenv("RECIPES") != "1" {
		t.Skip("RECIPES is not 1: it runs the tests of two copies of the tree, which takes minutes")
	}
	recipes := readme(t)
	for name, series := range map[string][]string{
		"extend": {"Do something when a person is verified", "Add a provider", "Add an event type", "Rename the module"},
		"reduce": {"Remove a provider", "Remove the developer tools"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			copyTree(t, "..", dir)
			for _, recipe := range series {
				steps := recipeSteps(recipes, recipe)
				if len(steps) == 0 {
					t.Fatalf("README has no recipe %q", recipe)
				}
				for _, s := range steps {
					s.apply(t, dir)
				}
			}
			shell(t, dir, "go vet ./... && go test -short -count=1 -skip '"+untouched+"' ./...")
		})
	}
}

// untouched are slow tests of memory, disks, outages, killed processes, floods and the tools' output, which no recipe touches.
const untouched = "Memory|DiskFull|Killed|KillAnything|NoPersonalDataInLog|DeadLetters|Connections|BusyStrangers|SlowSend|Outages|Shutdown|" +
	"Changes|Encryption|FollowUpHangs|TLS|InstallationsShare|InBrowser|Monitoring|Prometheus|Expectations|TestCustomers|TestBench"

// step is one instruction of a recipe: a file to create, an edit of a file, or commands to run.
type step struct{ kind, path, text string }

var mentionsFile = regexp.MustCompile("(Create|In) `([^`]+)`")

// recipeSteps reads the section of that name. A code block belongs to the file that the text before it says to create, or to edit; a
// block of shell commands is run.
func recipeSteps(readme, section string) (steps []step) {
	inside, language, path := false, "", ""
	var block strings.Builder
	for scan := bufio.NewScanner(strings.NewReader(readme)); scan.Scan(); {
		line := scan.Text()
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case language == "" && strings.HasPrefix(line, "#"):
			inside = strings.TrimLeft(line, "# ") == section
		case !inside:
		case isFence && language == "":
			language = fence
			block.Reset()
		case isFence:
			steps = append(steps, step{language, path, block.String()})
			language = ""
		case language != "":
			block.WriteString(line + "\n")
		default:
			if m := mentionsFile.FindStringSubmatch(line); m != nil {
				path = m[2]
			}
		}
	}
	return steps
}

func (s step) apply(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, s.path)
	switch s.kind {
	case "sh":
		shell(t, dir, s.text)
	case "diff":
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var before, after strings.Builder
		for line := range strings.Lines(s.text) {
			if line[0] != '+' {
				before.WriteString(line[1:])
			}
			if line[0] != '-' {
				after.WriteString(line[1:])
			}
		}
		if n := strings.Count(string(old), before.String()); n != 1 {
			t.Fatalf("%s has %d places like this:\n%s", s.path, n, before.String())
		}
		write(t, file, strings.Replace(string(old), before.String(), after.String(), 1))
	case "go", "json":
		write(t, file, s.text)
	default:
		t.Fatalf("a block of a recipe is marked %q", s.kind)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shell runs commands in dir, without Postgres and Redis.
func shell(t *testing.T, dir, commands string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	c.Dir = dir
	c.Env = append(os.Environ(), "RECIPES=", "TEST_SERVERS=off", "REQUIRE_SERVERS=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v\n%s", commands, err, out[max(0, len(out)-8000):])
	}
}

// copyTree copies what belongs to the project.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch {
		case e.Name() == ".git" || e.Name() == "data" || e.Name() == ".env" || strings.Contains(e.Name(), ".db"):
		case e.IsDir():
			copyTree(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
		case e.Type().IsRegular():
			text, err := os.ReadFile(filepath.Join(from, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(to, e.Name()), string(text))
		}
	}
}
