package migrations_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// files are the names of a dialect's migrations.
func files(t *testing.T, dialect string) (names []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dialect, "*.sql"))
	if err != nil || len(found) == 0 {
		t.Fatal(err, "no migrations for ", dialect)
	}
	for _, f := range found {
		names = append(names, filepath.Base(f))
	}
	return names
}

func TestBothDialectsHaveTheSameVersions(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(files(t, "sqlite"), files(t, "postgres")); diff != "" {
		t.Errorf("(-sqlite +postgres)\n%s", diff)
	}
}

func TestUp(t *testing.T) {
	t.Parallel()
	for dialect, url := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": testservers.DatabaseURL,
	} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s, err := models.Open(t.Context(), url(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // the test is over
			all := files(t, dialect)
			pending := func(want []string) {
				t.Helper()
				got, err := migrations.Pending(t.Context(), s.DB(), s.Dialect())
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("pending %v (-want +got)\n%s", err, diff)
				}
			}
			pending(all)
			for _, want := range [][]string{all, nil} {
				got, err := migrations.Up(t.Context(), s.DB(), s.Dialect())
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("applied %v (-want +got)\n%s", err, diff)
				}
				pending(nil)
			}
		})
	}
}

// Processes that start at the same time wait for each other, and one of them migrates.
func TestManyProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := testservers.DatabaseURL(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	var applied []string
	for range 10 {
		all.Go(func() {
			db, err := sql.Open("pgx", url)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close() //nolint:errcheck // the test is over
			names, err := migrations.Up(t.Context(), db, "postgres")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			applied = append(applied, names...)
			mu.Unlock()
		})
	}
	all.Wait()
	if diff := cmp.Diff(files(t, "postgres"), applied); diff != "" {
		t.Errorf("applied (-want +got)\n%s", diff)
	}
}
