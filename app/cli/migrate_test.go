package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMigrate(t *testing.T) {
	isolate(t)
	file := filepath.Join(t.TempDir(), "new", "webhooks.db")
	t.Setenv("DATABASE_URL", "sqlite:"+file)
	files, err := fs.Glob(os.DirFS(filepath.Join(root, "migrations", "sqlite")), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations: ", err)
	}
	const end = "the database is up to date\n"
	first := "applied " + strings.Join(files, "\napplied ") + "\n" + end
	if got := succeed(t, "migrate"); got != first {
		t.Errorf("a new database: got %q, want %q", got, first)
	}
	if got := succeed(t, "migrate"); got != end {
		t.Errorf("again: got %q, want %q", got, end)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestMigrateProblems(t *testing.T) {
	server(t)
	file := strings.TrimPrefix(os.Getenv("DATABASE_URL"), "sqlite:")
	failsWith(t, "DATABASE_URL: "+file+" is in use by another process: stop that one, or use Postgres for several", "migrate")
	t.Setenv("DATABASE_URL", "mysql://u:canary@localhost/db")
	failsWith(t, "DATABASE_URL: want sqlite:<path> or postgres://<user>:<password>@<host>/<database>", "migrate")
}
