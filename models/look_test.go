package models_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

// TestLook: what is looked at is in use by another, and stays as it is.
func TestLook(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "test.db"), "postgres": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if url == "" {
				url = testservers.DatabaseURL(t)
			}
			owner, err := models.Open(ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			defer owner.Close() //nolint:errcheck // the test is over
			looking, err := models.Look(ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			pending := func(want []string) {
				t.Helper()
				got, err := migrations.Pending(ctx, looking.DB(), looking.Dialect())
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("pending: %v (-want +got):\n%s", err, diff)
				}
			}
			all, err := filepath.Glob(filepath.Join("..", "migrations", name, "*.sql"))
			if err != nil || len(all) == 0 {
				t.Fatal(err, "no migrations")
			}
			for i := range all {
				all[i] = filepath.Base(all[i])
			}
			pending(all)
			if applied, err := migrations.Up(ctx, owner.DB(), owner.Dialect()); err != nil || len(applied) != len(all) {
				t.Fatalf("applied %q, %v, want all: looking has changed something", applied, err)
			}
			pending(nil)
			if skew, err := looking.Skew(ctx); err != nil || skew.Abs() > time.Second {
				t.Errorf("the clocks of one machine are %s apart, %v", skew, err)
			}
			if _, err := looking.DB().ExecContext(ctx, "DELETE FROM events"); name == "sqlite" && err == nil {
				t.Error("it writes")
			}
			if err := looking.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLookMakesNoFile: where there is no database, there is none after.
func TestLookMakesNoFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	if s, err := models.Look(ctx, "sqlite:"+path); err == nil {
		t.Error("opened what is not there", s.Close())
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file: %v, want none", err)
	}
}
