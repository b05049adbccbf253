package app

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "example.com/identity-webhooks"

// arrows says which packages of the project each of its packages may import. A package that is not listed may not exist.
var arrows = map[string][]string{
	"":                  {"app/cli"}, // main
	"app":               {"app/subscriptions", "handlers", "jobs", "models", "migrations"},
	"app/bench":         {"app/scenario", "handlers", "jobs", "models"},
	"app/cli":           {"app", "app/bench", "app/diagnosis", "app/scenario", "app/subscriptions", "handlers", "models"},
	"app/diagnosis":     {"handlers"},
	"app/scenario":      {"handlers"},
	"app/subscriptions": {"handlers", "models"},
	"app/testservers":   {},
	"handlers":          {"models"},
	"jobs":              {"models"},
	"models":            {},
	"migrations":        {},
}

// owners says which top-level folder alone may import a library, so that who wants another one replaces one folder.
var owners = map[string]string{
	"github.com/alicebob/miniredis": "jobs",
	"github.com/gin-gonic/gin":      "handlers",
	"github.com/hibiken/asynq":      "jobs",
	"github.com/pressly/goose":      "migrations",
	"github.com/redis/go-redis":     "jobs",
	"github.com/spf13/cobra":        "app",
	"gorm.io":                       "models",
}

// serverLibraries are all that app/testservers needs besides the standard library: the drivers.
var serverLibraries = []string{"github.com/jackc/pgx", "github.com/mattn/go-sqlite3"}

// forbidden returns what is wrong with pkg, a folder of the module, importing imported; empty if nothing is.
func forbidden(pkg, imported string) string {
	if within(imported, module) {
		if to := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"); !slices.Contains(arrows[pkg], to) {
			return fmt.Sprintf("%q must not import %s", pkg, to)
		}
		return ""
	}
	for library, owner := range owners {
		if within(imported, library) && !within(pkg, owner) {
			return fmt.Sprintf("%q imports %s, which only %s may", pkg, imported, owner)
		}
	}
	standard := !strings.Contains(strings.Split(imported, "/")[0], ".")
	driver := slices.ContainsFunc(serverLibraries, func(l string) bool { return within(imported, l) })
	if pkg == "app/testservers" && !standard && !driver {
		return fmt.Sprintf("%q imports %s, which is neither the standard library nor a driver", pkg, imported)
	}
	return ""
}

// within reports whether a path is root or below it.
func within(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func TestArrows(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		pkg := strings.TrimPrefix(path.Dir(file), ".")
		seen[pkg] = true
		if _, known := arrows[pkg]; !known {
			t.Errorf("%s: there is no arrow from or to the package %q; add it to the test, if it is to be", file, pkg)
		}
		for _, imported := range imports(t, filepath.Join("..", file)) {
			if wrong := forbidden(pkg, imported); wrong != "" {
				t.Errorf("%s: %s", file, wrong)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range arrows {
		if !seen[pkg] {
			t.Errorf("the package %q has no file: its arrows are checked by nothing", pkg)
		}
	}
}

func imports(t *testing.T, file string) (paths []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// TestArrowsAreChecked imports what must not be imported, and what looks like it.
func TestArrowsAreChecked(t *testing.T) {
	t.Parallel()
	for _, arrow := range []struct {
		pkg, imported string
		allowed       bool
	}{
		{"", module + "/app/cli", true},
		{"", module + "/jobs", false},
		{"app", module + "/migrations", true},
		{"app", module + "/app/cli", false},
		{"app", module + "/app/testservers", false},
		{"app/cli", module + "/app", true},
		{"app/cli", module + "/jobs", false},
		{"handlers", module + "/models", true},
		{"handlers", module + "/jobs", false},
		{"handlers", module, false},
		{"jobs", module + "/handlers", false},
		{"models", module + "/migrations", false},
		{"migrations", module + "/models", false},
		{"app/testservers", module + "/models", false},

		{"handlers", "github.com/gin-gonic/gin", true},
		{"handlers/inspector", "github.com/gin-gonic/gin/render", true},
		{"app", "github.com/gin-gonic/gin", false},
		{"handlers", "github.com/gin-gonic/ginger", true},
		{"jobs", "github.com/redis/go-redis/v9/logging", true},
		{"app", "github.com/redis/go-redis/v9", false},
		{"app/testservers", "github.com/redis/go-redis/v9", false},
		{"models", "github.com/hibiken/asynq", false},
		{"app", "github.com/alicebob/miniredis/v2", false},
		{"jobs", "gorm.io/gorm/clause", false},
		{"models", "github.com/pressly/goose/v3", false},
		{"app/cli", "github.com/spf13/cobra", true},
		{"", "github.com/spf13/cobra", false},

		{"app/testservers", "github.com/jackc/pgx/v5/stdlib", true},
		{"app/testservers", "os/exec", true},
		{"app/testservers", "github.com/google/uuid", false},
		{"models", "net/http", true},
	} {
		if wrong := forbidden(arrow.pkg, arrow.imported); (wrong == "") != arrow.allowed {
			t.Errorf("%q → %s: allowed is %t, want %t (%s)", arrow.pkg, arrow.imported, !arrow.allowed, arrow.allowed, wrong)
		}
	}
}

// topLevel is what the project's user fixed, with the few files that others expect there.
var topLevel = []string{
	"app", "handlers", "jobs", "models", "migrations", "testdata", "main.go", "go.mod", "go.sum", "README.md",
	"LICENSE", "Dockerfile", "compose.yaml",
}

// strays are what running and building leave behind, and git ignores.
var strays = []string{"data", "identity-webhooks", "*.exe", "*.out", "*.prof", "*.test"}

func expectedAtTop(name string) bool {
	matches := func(pattern string) bool { ok, err := path.Match(pattern, name); return ok && err == nil }
	return strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) || slices.ContainsFunc(strays, matches)
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !expectedAtTop(e.Name()) {
			t.Errorf("%s is at the top level: only %v and files that begin with a dot belong there", e.Name(), topLevel)
		}
	}
	for _, name := range []string{"util", "pkg", "internal", "handlers.go", "database", "testdata.json"} {
		if expectedAtTop(name) {
			t.Errorf("%s would be let in", name)
		}
	}
}
