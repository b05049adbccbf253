package app_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// arrows says what our packages must not import, with all below it. The longest name that a package is within counts. A fork's own
// packages may import what they like.
var arrows = map[string][]string{
	"main":            {"handlers", "jobs", "models", "migrations"},
	"app":             {"app/cli", "app/dev", "app/testservers"},
	"app/cli":         {"app/testservers"},
	"app/dev":         {"app/cli", "app/testservers"},
	"app/testservers": {"app", "handlers", "jobs", "models", "migrations"},
	"handlers":        {"app", "jobs", "migrations"},
	"jobs":            {"app", "handlers", "migrations"},
	"models":          {"app", "handlers", "jobs", "migrations"},
	"migrations":      {"app", "handlers", "jobs", "models"},
}

// owners says which of our folders alone imports a library, so that who wants another one changes one folder. The developer tools,
// which a fork may delete, are free to.
var owners = map[string]string{
	"github.com/alicebob/miniredis": "jobs",
	"github.com/gin-gonic/gin":      "handlers",
	"github.com/hibiken/asynq":      "jobs",
	"github.com/pressly/goose":      "migrations",
	"github.com/redis/go-redis":     "jobs",
	"github.com/spf13/cobra":        "app",
	"gorm.io":                       "models",

	"go.opentelemetry.io/otel/exporters": "app",
	"go.opentelemetry.io/otel/sdk":       "app",
}

// isWithin reports whether a path is root or below it.
func isWithin(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// forbidden returns what is wrong with pkg importing imported; empty if nothing is.
func forbidden(module, pkg, imported string) string {
	rule := ""
	for from := range arrows {
		if isWithin(pkg, from) && len(from) > len(rule) {
			rule = from
		}
	}
	if to, isOurs := strings.CutPrefix(imported+"/", module+"/"); isOurs {
		to = strings.TrimSuffix(to, "/")
		for _, not := range arrows[rule] {
			if isWithin(to, not) && (len(rule) < len(not) || !isWithin(to, rule)) {
				return fmt.Sprintf("%s must not import %s", pkg, to)
			}
		}
		return ""
	}
	for library, owner := range owners {
		if isWithin(imported, library) && rule != "" && rule != "app/dev" && !isWithin(pkg, owner) {
			return fmt.Sprintf("%s imports %s, which only %s does", pkg, imported, owner)
		}
	}
	return ""
}

func TestArrows(t *testing.T) {
	t.Parallel()
	module := moduleName(t)
	err := fs.WalkDir(os.DirFS(".."), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if path.Ext(file) != ".go" {
			return nil
		}
		pkg := path.Dir(file)
		if pkg == "." {
			pkg = "main"
		}
		isTest := strings.HasSuffix(file, "_test.go")
		for _, imported := range imports(t, filepath.Join("..", file)) {
			toTools := isWithin(strings.TrimPrefix(imported, module+"/"), "app/dev")
			switch wrong := forbidden(module, pkg, imported); {
			case !isTest && wrong != "":
				t.Errorf("%s: %s", file, wrong)
			case isTest && toTools && !isWithin(pkg, "app/dev"):
				t.Errorf("%s: tests of the server must not need the developer tools", file)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func moduleName(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile(`(?m)^module (\S+)`).FindSubmatch(text)[1])
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

func TestArrowsAreChecked(t *testing.T) {
	t.Parallel()
	const module = "example.org/fork"
	for _, arrow := range []struct {
		pkg, imported string
		allowed       bool
	}{
		{"main", module + "/app/cli", true},
		{"main", module + "/jobs", false},
		{"app", module + "/migrations", true},
		{"app", module + "/app/cli", false},
		{"app", module + "/app/dev", false},
		{"app/subscriptions", module + "/app/dev", false},
		{"app/cli", module + "/app/dev", true},
		{"app/dev", module + "/app", true},
		{"app/dev/diagnosis", module + "/app/cli", false},
		{"handlers", module + "/models", true},
		{"handlers", module + "/jobs", false},
		{"handlers/inspector", module + "/handlers", true},
		{"jobs", module + "/handlers", false},
		{"models", module + "/migrations", false},
		{"migrations", module + "/models", false},
		{"app/testservers", module + "/models", false},

		{"notify", module + "/jobs", true}, // a fork's own
		{"jobs", module + "/notify", true},
		{"notify", "github.com/redis/go-redis/v9", true},

		{"handlers", "github.com/gin-gonic/gin", true},
		{"handlers/inspector", "github.com/gin-gonic/gin/render", true},
		{"app", "github.com/gin-gonic/gin", false},
		{"app", "github.com/gin-gonic/ginger", true},
		{"app", "github.com/redis/go-redis/v9", false},
		{"app/dev", "github.com/redis/go-redis/v9", true},
		{"jobs", "gorm.io/gorm/clause", false},
		{"main", "github.com/spf13/cobra", false},
	} {
		if wrong := forbidden(module, arrow.pkg, arrow.imported); (wrong == "") != arrow.allowed {
			t.Errorf("%s → %s: allowed is %t, want %t (%s)", arrow.pkg, arrow.imported, !arrow.allowed, arrow.allowed, wrong)
		}
	}
}
