// Package migrations holds the database schema as SQL, one folder per dialect, and brings a database up to date.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// lockID is the key of the advisory lock that Up holds on Postgres: any fixed number that no other program uses.
const lockID = 4_812_730_955

// Up applies the migrations that db lacks and returns the names of their files. The dialect is "sqlite" or "postgres".
//
// Many processes may call Up at once. On Postgres they wait for each other: a transaction holds the lock while another connection
// migrates, which works through PgBouncer as well. On SQLite models.Open has made sure that there is only one process.
func Up(ctx context.Context, db *sql.DB, dialect string) (applied []string, err error) {
	p, err := provider(db, dialect)
	if err != nil {
		return nil, err
	}
	if dialect == "postgres" {
		lock, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil, fmt.Errorf("lock migrations: %w", err)
		}
		defer lock.Rollback() //nolint:errcheck // it has changed nothing
		if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lockID); err != nil {
			return nil, fmt.Errorf("lock migrations: %w", err)
		}
	}
	results, err := p.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate database: %w", err)
	}
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	return applied, nil
}

// Pending returns the names of the files that Up would apply. It only reads, and waits for no lock.
func Pending(ctx context.Context, db *sql.DB, dialect string) ([]string, error) {
	p, err := provider(db, dialect)
	if err != nil {
		return nil, err
	}
	applied, err := appliedVersions(ctx, db, dialect)
	if err != nil {
		return nil, fmt.Errorf("read table of migrations: %w", err)
	}
	var pending []string
	for _, file := range p.ListSources() {
		if !applied[file.Version] {
			pending = append(pending, file.Path)
		}
	}
	return pending, nil
}

// appliedVersions returns the migrations that the database has; none if goose's table does not exist yet.
func appliedVersions(ctx context.Context, db *sql.DB, dialect string) (map[int64]bool, error) {
	store, err := database.NewStore(gooseDialects[dialect], goose.DefaultTablename)
	if err != nil {
		return nil, err
	}
	var exists bool
	if err := db.QueryRowContext(ctx, tableExists[dialect], goose.DefaultTablename).Scan(&exists); err != nil || !exists {
		return nil, err
	}
	rows, err := store.ListMigrations(ctx, db)
	applied := map[int64]bool{}
	for _, row := range rows {
		applied[row.Version] = row.IsApplied
	}
	return applied, err
}

// tableExists are the queries for whether a table exists. Goose has its own for some dialects only.
var tableExists = map[string]string{
	"sqlite":   "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)",
	"postgres": "SELECT to_regclass($1) IS NOT NULL",
}

// gooseDialects are the dialects by our names.
var gooseDialects = map[string]goose.Dialect{"sqlite": goose.DialectSQLite3, "postgres": goose.DialectPostgres}

func provider(db *sql.DB, dialect string) (*goose.Provider, error) {
	sub, err := fs.Sub(files, dialect)
	if err != nil {
		return nil, fmt.Errorf("open migrations for %s: %w", dialect, err)
	}
	return goose.NewProvider(gooseDialects[dialect], db, sub)
}
