package testservers

import (
	"database/sql"
	"net/url"
	"testing"
)

func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	outer := open(t, DatabaseURL(t))
	mustExec(t, outer, "CREATE TABLE notes (text TEXT)")

	var name string
	t.Run("inner", func(t *testing.T) {
		db, err := sql.Open("pgx", DatabaseURL(t))
		must(t, err)
		t.Cleanup(func() { _ = db.Close() }) // before it the database has gone, as cleanups run in reverse
		mustExec(t, db, "CREATE TABLE notes (text TEXT)")
		must(t, db.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name))
	})

	var left int
	must(t, outer.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&left))
	if left != 0 {
		t.Errorf("database %s is still there after its test", name)
	}
}

func TestDatabaseURLOnAGivenServer(t *testing.T) {
	given, err := url.Parse(DatabaseURL(t))
	must(t, err)
	given.RawQuery += "&application_name=given"
	t.Setenv("TEST_DATABASE_URL", given.String())

	db := open(t, DatabaseURL(t))
	var application, database string
	must(t, db.QueryRowContext(t.Context(), "SELECT current_setting('application_name'), current_database()").Scan(&application, &database))
	if application != "given" || "/"+database == given.Path {
		t.Errorf("database %s of %q, want a fresh one of the given server", database, application)
	}
}
