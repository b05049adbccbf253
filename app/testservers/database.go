package testservers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// sharedPostgres starts the server behind DatabaseURL when it is first asked for. The watchdog stops it. It does not sync to
// disk: nobody can kill it, and on a laptop syncing would be most of the time of making a database.
var sharedPostgres = sync.OnceValues(func() (string, error) {
	pg, err := launchPostgres("fsync=off", "full_page_writes=off")
	if err != nil {
		return "", err
	}
	return pg.URL(), nil
})

// DatabaseURL returns the postgres:// URL of an empty database for this test, which is dropped at its end with all connections
// that are still open. It is on a server that the package's tests share, or on the one of TEST_DATABASE_URL, a postgres:// URL
// whose user may create databases.
func DatabaseURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_DATABASE_URL")
	if server == "" {
		var err error
		server, err = sharedPostgres()
		must(t, err)
	}
	fresh, err := url.Parse(server)
	must(t, err)
	name := "test_" + strings.ToLower(rand.Text())
	fresh.Path = "/" + name

	must(t, execute(server, "CREATE DATABASE "+name))
	t.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return fresh.String()
}

// execute runs one statement on a connection of its own.
func execute(server, statement string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := sql.Open("pgx", server)
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
