// Package migrations holds the database schema as SQL, one folder per dialect, and brings a database up to date.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Up applies what db still lacks and returns the names of the files it applied. The dialect is "sqlite" or "postgres".
//
// Many processes may call Up at once. On Postgres they queue for a session lock, which needs a direct connection (not
// PgBouncer in transaction mode); on SQLite models.Open has made sure that there is only one process.
func Up(ctx context.Context, db *sql.DB, dialect string) ([]string, error) {
	p, err := provider(db, dialect)
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate database: %w", err)
	}
	var applied []string
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	return applied, nil
}

func provider(db *sql.DB, dialect string) (*goose.Provider, error) {
	sub, err := fs.Sub(files, dialect)
	if err != nil {
		return nil, fmt.Errorf("open migrations for %s: %w", dialect, err)
	}
	if dialect == "sqlite" {
		return goose.NewProvider(goose.DialectSQLite3, db, sub)
	}
	// goose asks for the lock every 5 s by default, so ten replicas would start in steps of 5 s: ask each second, for two minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, fmt.Errorf("make migration lock: %w", err)
	}
	return goose.NewProvider(goose.DialectPostgres, db, sub, goose.WithSessionLocker(locker))
}
