// Package models has the tables and every query, and is the only package that imports gorm. Its core is fold.go: pure functions that
// compute a customer's row from the facts that events have established.
//
// The file protocol.go describes how events and follow-ups move between the database and the queue.
package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

var (
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrClaimLost means that the caller's claim on an event or a follow-up ran out, and another attempt has it now.
	ErrClaimLost = errors.New("claim lost")
)

// Store is the database. Its methods may be called from many goroutines.
type Store struct {
	db      *gorm.DB     // writes; on SQLite a single connection, which only the goroutine in commit.go uses
	read    *gorm.DB     // reads; on Postgres the same as db
	lock    *flock.Flock // SQLite: keeps other processes away from the file
	dialect string
	keys    []Key // encrypt and decrypt bodies; the first one encrypts

	inbox   chan *delivery    // deliveries that wait for a commit, see inbox.go
	others  chan *transaction // all other transactions, see commit.go
	upkeep  chan *transaction // what needs SQLite's writing connection outside a transaction
	crowded atomic.Int64      // when deliveries last crowded in, as Unix nanoseconds
	metrics metrics
	closing chan struct{}
	running sync.WaitGroup
}

// Open connects to the database at rawURL, sqlite:<path> or postgres://…. It does not create the tables: see package
// migrations. A SQLite file is created with its folder if it does not exist, readable by its owner only. It is an error if
// another process has the file open.
//
// The first key encrypts the bodies of new events, and all keys decrypt. Without keys, bodies are stored as they are.
//
// The error never contains the URL or parts of it: it may hold a password.
func Open(ctx context.Context, rawURL string, keys ...Key) (*Store, error) {
	s := &Store{keys: keys, inbox: make(chan *delivery, maxBatch), others: make(chan *transaction), upkeep: make(chan *transaction), metrics: newMetrics(), closing: make(chan struct{})}
	path, isSQLite := strings.CutPrefix(rawURL, "sqlite:")
	var err error
	switch {
	case isSQLite:
		err = s.openSQLite(strings.TrimPrefix(path, "//"))
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		err = s.openPostgres(rawURL)
	default:
		err = errors.New("want sqlite:<path> or postgres://<user>:<password>@<host>/<database>")
	}
	if err == nil {
		err = s.DB().PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	s.start()
	return s, nil
}

func (s *Store) openSQLite(path string) error {
	if path == "" || strings.Contains(path, ":memory:") {
		return errors.New("sqlite: needs the path of a file")
	}
	s.dialect = "sqlite"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create database folder: %w", err)
	}
	// Creating the file here allows links to be resolved: the lock is for the file, not for one of its names.
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open database file: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("open database file: %w", err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return fmt.Errorf("open database file: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} { // others may have been able to read a copy that was restored
		_ = os.Chmod(name, 0o600) // it may not exist, or belong to somebody else: doctor warns
	}
	s.lock = flock.New(path+".lock", flock.SetPermissions(0o600))
	locked, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock database file: %w", err)
	}
	if !locked {
		return fmt.Errorf("%s is in use by another process: stop that one, or use Postgres for several", path)
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath()
	// FULL syncs the log at each commit: a committed event survives a power cut.
	s.db, err = openPool(sqlite.Open(dsn+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_foreign_keys=on&_stmt_cache_size=100"), 1)
	if err != nil {
		return err
	}
	s.read, err = openPool(sqlite.Open(dsn+"?mode=ro&_query_only=1&_busy_timeout=5000&_stmt_cache_size=50"), 4)
	return err
}

// openPostgres sets no session parameters, which PgBouncer does not support. Transactions set what they need.
func (s *Store) openPostgres(rawURL string) error {
	s.dialect = "postgres"
	cfg, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return errors.New("not a postgres:// URL: special characters in user and password must be percent-encoded, such as %40 for @")
	}
	// A server that is read-only, such as a standby after a failover, is refused when a connection is opened.
	cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	s.db, err = openPool(postgres.New(postgres.Config{Conn: stdlib.OpenDB(*cfg)}), maxConns)
	s.read = s.db
	return err
}

// maxConns is how many connections to Postgres one process opens at most.
const maxConns = 20

// openPool opens a database without what gorm would add to each statement. PrepareStmt stays off: its cache leaks statements and goroutines
// in gorm 1.31 (go-gorm/gorm#7788, #7831, #7832), and both drivers cache statements themselves.
func openPool(d gorm.Dialector, conns int) (*gorm.DB, error) {
	db, err := gorm.Open(d, &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard, DisableAutomaticPing: true})
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

// LogSlow logs each statement that takes longer than limit, without its parameters. Call it before all methods but DB.
func (s *Store) LogSlow(log *slog.Logger, limit time.Duration) {
	l := slowLog{logger.Discard, log, limit}
	s.db.Logger, s.read.Logger = l, l
}

type slowLog struct {
	logger.Interface // for all else
	log              *slog.Logger
	limit            time.Duration
}

// Trace implements logger.Interface.
func (l slowLog) Trace(ctx context.Context, began time.Time, statement func() (string, int64), _ error) {
	if took := time.Since(began); took > l.limit {
		text, _ := statement()
		l.log.WarnContext(ctx, "slow statement", "ms", took.Milliseconds(), "sql", text[:min(len(text), 1000)])
	}
}

// ParamsFilter implements gorm.ParamsFilter: it keeps the parameters out of the statement.
func (slowLog) ParamsFilter(_ context.Context, text string, _ ...any) (string, []any) {
	return text, nil
}

// DB returns the connection pool, for migrations.
func (s *Store) DB() *sql.DB {
	pool, err := s.db.DB()
	if err != nil {
		panic(err) // openPool has asked for it already
	}
	return pool
}

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect }

// Ready returns why deliveries cannot be stored, or nil. It writes a row to find out: a database that answers may still be read-only, or
// its disk may be full.
func (s *Store) Ready(ctx context.Context) error {
	err := s.transact(ctx, func(tx *gorm.DB) error {
		return tx.Table("installation").Where("1 = 1").Update("probed_at", At(time.Now())).Error
	})
	return wrap("write to database", err)
}

// InstallationID returns the ID that was created with the tables. All processes that share the database have the same.
func (s *Store) InstallationID(ctx context.Context) (id string, err error) {
	err = s.read.WithContext(ctx).Table("installation").Pluck("id", &id).Error
	return id, wrap("get installation ID", err)
}

// Close waits for the writes in progress and disconnects. No method may be called after it.
func (s *Store) Close() error {
	close(s.closing)
	s.running.Wait()
	return s.disconnect()
}

// disconnect closes the writing connection last: SQLite then moves its log into the database file, so that one complete file is left.
func (s *Store) disconnect() error {
	var errs []error
	for _, db := range []*gorm.DB{s.read, s.db} {
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

// onPostgres runs a statement that sets something for the transaction, unless the database is SQLite.
func onPostgres(tx *gorm.DB, statement string) error {
	if tx.Name() != "postgres" {
		return nil
	}
	return tx.Exec(statement).Error
}

// orNone returns the error of a statement, or none if it wrote no row.
func orNone(result *gorm.DB, none error) error {
	if result.Error == nil && result.RowsAffected == 0 {
		return none
	}
	return result.Error
}

// wrap adds what was being done to an error, and replaces gorm's ErrRecordNotFound by ErrNotFound.
func wrap(doing string, err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, hideLogin(err))
	}
	return nil
}

// hideLogin replaces an error of the connection to Postgres, which names the user, by its cause.
func hideLogin(err error) error {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	var refused *pgconn.PgError
	var network *net.OpError
	cause := errors.New("no answer")
	switch {
	case errors.As(connect, &refused):
		cause = errors.New("SQLSTATE " + refused.Code) // the message may name the user, too
	case errors.As(connect, &network):
		cause = network
	case errors.Is(connect, context.Canceled):
		cause = context.Canceled
	case errors.Is(connect, context.DeadlineExceeded):
		cause = context.DeadlineExceeded
	}
	return fmt.Errorf("connect to Postgres: %w", cause)
}
