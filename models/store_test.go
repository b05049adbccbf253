package models_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// A SQLite file belongs to one process, by whatever name.
func TestSecondProcessIsRefused(t *testing.T) {
	path := os.Getenv("OPEN_DATABASE")
	if path != "" { // this is the second process
		s, err := models.Open(ctx, "sqlite:"+path)
		if err != nil {
			fmt.Println("refused:", err)
			return
		}
		fmt.Println("opened", s.Close())
		return
	}
	t.Parallel()
	dir := t.TempDir()
	path = filepath.Join(dir, "test.db")
	s := open(t, "sqlite:"+path)
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		second := exec.Command(os.Args[0], "-test.run=^TestSecondProcessIsRefused$")
		second.Env = append(os.Environ(), "OPEN_DATABASE="+name)
		if out, err := second.CombinedOutput(); err != nil || !strings.Contains(string(out), "in use by another process") {
			t.Errorf("%s in a second process: %v %s", name, err, out)
		}
		if again, err := models.Open(ctx, "sqlite:"+name); err == nil {
			t.Error("opened twice by one process", again.Close())
		}
	}
	add(t, s, event("a", "1"), models.Accepted)
}

// A statement over the limit is logged, without its parameters.
func TestSlowStatements(t *testing.T) {
	onBothDialects(t, func(t *testing.T, s *models.Store) {
		for limit, want := range map[time.Duration]bool{0: true, time.Hour: false} {
			var log strings.Builder
			s.LogSlow(slog.New(slog.NewTextHandler(&log, nil)), limit)
			id := "canary " + limit.String()
			if _, err := s.AddEvent(ctx, event(id, id)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(log.String(), `level=WARN msg="slow statement"`) && strings.Contains(log.String(), "INSERT INTO"); got != want {
				t.Errorf("over %s: logged %v, want %v: %s", limit, got, want, log.String())
			}
			if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), fmt.Sprintf("%x", "canary")) {
				t.Errorf("the log has parameters: %s", log.String())
			}
		}
	})
}

// Closing leaves one complete file. All files are readable by their owner only, also in a folder that others can read.
func TestCloseLeavesOneFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, copied := openToClose(t, "sqlite:"+filepath.Join(dir, "a.db")), filepath.Join(t.TempDir(), "copy.db")
	add(t, s, event("a", "1"), models.Accepted)
	list(t, s)
	if files := private(t, dir); files != 4 {
		t.Errorf("%d files, want the database, its log with its index, and the lock", files)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	private(t, dir)
	for _, left := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(filepath.Join(dir, "a.db"+left)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a.db%s: %v, want none", left, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "a.db"))
	if err == nil {
		err = os.WriteFile(copied, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o644); err != nil { // as cp may leave it
		t.Fatal(err)
	}
	if e := only(t, list(t, open(t, "sqlite:"+copied))); e.ExternalID != "a" {
		t.Errorf("the copy holds event %q, want a", e.ExternalID)
	}
	private(t, filepath.Dir(copied))
}

// private checks the modes of all files in a folder.
func private(t *testing.T, dir string) int {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v %v, want 0600", f.Name(), info.Mode(), err)
		}
	}
	return len(files)
}

// A database that takes no writes for a while is not ready. Deliveries are stored again soon after it is mended, without a restart.
func TestReadOnlyForAWhile(t *testing.T) {
	refused := func(t *testing.T, s *models.Store) {
		t.Helper()
		if err := s.Ready(ctx); err == nil {
			t.Error("ready while nothing can be stored")
		}
		if receipt, err := s.AddEvent(ctx, event("a", "1")); err == nil {
			t.Errorf("a delivery got %v while nothing can be stored", receipt)
		}
	}
	recovers := func(t *testing.T, s *models.Store) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); s.Ready(ctx) != nil; {
			if time.Now().After(deadline) {
				t.Fatal("not ready again within 5 s")
			}
		}
		if receipt, err := s.AddEvent(ctx, event("b", "1")); err != nil || receipt != models.Accepted {
			t.Errorf("a delivery got %v %v once all is well", receipt, err)
		}
	}
	t.Run("connections that stay read-only", func(t *testing.T) {
		onBothDialects(t, func(t *testing.T, s *models.Store) {
			statement := "PRAGMA query_only = 1"
			if s.Dialect() == "postgres" {
				statement = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
			}
			execute(t, s, statement)
			if err := s.Ready(ctx); err == nil {
				t.Error("ready while nothing can be stored")
			}
			recovers(t, s)
		})
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		url := testservers.DatabaseURL(t)
		s, other := open(t, url), open(t, url)
		var name string
		if err := other.DB().QueryRowContext(ctx, "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		execute(t, other, "ALTER DATABASE "+name+" SET default_transaction_read_only = on",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		refused(t, s)
		refused(t, s)
		execute(t, other, "ALTER DATABASE "+name+" RESET default_transaction_read_only")
		recovers(t, s)
	})
}

// What is wrong with a URL is said without its password.
func TestURLErrorsHideThePassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, url := range []string{
		"postgres://app:CANARY@pw@127.0.0.1:1/app", "postgres://app:CANARY/pw@127.0.0.1:1/app", "postgres://app:CANARY#x@127.0.0.1:1/app",
		"postgres://app:%CANARY@127.0.0.1:1/app", "postgres://app:CANARY@127.0.0.1:1/app?sslmode=CANARY", "postgres://app:CANARY@127.0.0.1:CANARY/app",
		"postgres://app:CANARY@127.0.0.1:1/app", "host=127.0.0.1 password=CANARY", "mysql://app:CANARY@127.0.0.1/app", "CANARY", "sqlite:",
		"sqlite::memory:", "sqlite:" + dir,
	} {
		s, err := models.Open(ctx, url)
		if err == nil {
			t.Errorf("opened %s %v", url, s.Close())
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
