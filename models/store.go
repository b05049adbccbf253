// Package models owns the tables and every query. It is the only importer of gorm.
//
// A Store hides which database is behind it: SQLite, where one goroutine does all writing, or Postgres.
package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// ErrNotFound says that there is no such row, or that it is no longer the caller's to change.
var ErrNotFound = errors.New("not found")

// Store is the database. Its methods may be called from many goroutines.
type Store struct {
	db      *gorm.DB // writes; on SQLite the single connection, which only the writer goroutine uses
	read    *gorm.DB // reads; on Postgres the same as db
	dialect string
	lock    *flock.Flock // SQLite: keeps a second process away from the file

	// Work for shared commits: see start.
	additions    chan *addition
	claims       chan *claim
	applications [lanes]chan *application // SQLite: the first
	units        chan *unit               // SQLite

	settled      settled
	closing      chan struct{}
	running      sync.WaitGroup
	opened       time.Time    // read with its monotonic clock, which nobody sets
	crowdedUntil atomic.Int64 // nanoseconds after opened
}

// Open connects to the database that url names, sqlite:<path> or postgres://…, and starts the goroutines that write to it.
// It does not create the tables: see package migrations. A SQLite file, with its folder, is made if it does not exist; one
// that another process has open is an error.
func Open(ctx context.Context, url string) (*Store, error) {
	s := &Store{
		additions: make(chan *addition, maxBatch), claims: make(chan *claim, maxApply),
		units: make(chan *unit), closing: make(chan struct{}), opened: time.Now(),
	}
	for i := range s.applications {
		s.applications[i] = make(chan *application, maxApply)
	}
	path, isSQLite := strings.CutPrefix(url, "sqlite:")
	var err error
	switch {
	case isSQLite:
		err = s.openSQLite(path)
	case isPostgres(url):
		err = s.openPostgres(url)
	default:
		err = errURL
	}
	if err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	s.start()
	return s, nil
}

// errURL says how a database is named.
var errURL = errors.New("want sqlite:<path> or postgres://<user>:<password>@<host>/<database>")

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// config leaves out what gorm would add to each statement. PrepareStmt stays off: its cache leaks statements and
// goroutines in gorm 1.31 (go-gorm/gorm#7788, #7831, #7832), and both drivers cope without.
func config() *gorm.Config {
	return &gorm.Config{SkipDefaultTransaction: true, TranslateError: true, Logger: logger.Discard}
}

func (s *Store) openSQLite(path string) error {
	if path = strings.TrimPrefix(path, "//"); path == "" || strings.Contains(path, ":memory:") {
		return errors.New("sqlite: wants the path of a file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make database folder: %w", err)
	}
	s.dialect, s.lock = "sqlite", flock.New(path+".lock")
	locked, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock database file: %w", err)
	}
	if !locked {
		return fmt.Errorf("%s is in use by another process: stop that one, or use Postgres for several", path)
	}
	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	// FULL syncs the log at each commit: a committed event survives a power cut, not only a crash of the process.
	// The driver keeps prepared statements: to parse the insert of an event takes longer than to run it.
	writer := file + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_foreign_keys=on&_stmt_cache_size=100"
	if s.db, err = open(sqlite.Open(writer), 1); err != nil {
		return err
	}
	s.read, err = open(sqlite.Open(file+"?mode=ro&_query_only=1&_busy_timeout=5000&_stmt_cache_size=50"), 4)
	return err
}

func (s *Store) openPostgres(url string) error {
	s.dialect = "postgres"
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return err // pgx has taken the password out
	}
	cfg.RuntimeParams["synchronous_commit"] = "on" // whatever the server's default: a 200 means synced
	// There is an index for whatever an event needs. Until Postgres has counted its rows, it takes a table for a small one, and
	// would read all of it for each event; and it would compile what looks expensive.
	for name, value := range map[string]string{"enable_seqscan": "off", "jit": "off"} {
		if _, given := cfg.RuntimeParams[name]; !given {
			cfg.RuntimeParams[name] = value
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second // who waits for the connection has a deadline of their own
	}
	s.db, err = open(postgres.New(postgres.Config{Conn: stdlib.OpenDB(*cfg)}), 20)
	s.read = s.db
	return err
}

func open(d gorm.Dialector, conns int) (*gorm.DB, error) {
	db, err := gorm.Open(d, config())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return db, nil
}

// DB is the connection pool that migrations run on.
func (s *Store) DB() *sql.DB {
	pool, err := s.db.DB()
	if err != nil {
		panic(err) // open has asked for it already
	}
	return pool
}

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	pools := []*gorm.DB{s.db}
	if s.read != s.db {
		pools = append(pools, s.read)
	}
	for _, db := range pools {
		pool, err := db.DB()
		if err != nil {
			return fmt.Errorf("ping database: %w", err)
		}
		if err := pool.PingContext(ctx); err != nil {
			return fmt.Errorf("ping database: %w", err)
		}
	}
	return nil
}

// Close waits for the writes under way and disconnects. No method may be called after it.
func (s *Store) Close() error {
	close(s.closing)
	s.running.Wait()
	return s.disconnect()
}

func (s *Store) disconnect() error {
	var errs []error
	for _, db := range []*gorm.DB{s.db, s.read} {
		if db == nil {
			continue
		}
		if pool, err := db.DB(); err == nil {
			errs = append(errs, pool.Close()) // closing twice does nothing
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
