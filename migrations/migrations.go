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

// appliedVersions are the migrations that the database has; none where goose has not made its table yet.
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

// tableExists asks for a table by its name. Goose's own question is for some dialects only.
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
	if dialect == "sqlite" {
		return goose.NewProvider(gooseDialects[dialect], db, sub)
	}
	// goose asks for the lock every 5 s by default, so ten replicas would start in steps of 5 s: ask each second, for two minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, fmt.Errorf("make migration lock: %w", err)
	}
	return goose.NewProvider(gooseDialects[dialect], db, sub, goose.WithSessionLocker(locker))
}
