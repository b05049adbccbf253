package models

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"
)

const (
	// maxShared is how many transactions share one commit on SQLite. A delivery may have to wait for that many.
	maxShared = 32
	// fewShared is the same while deliveries arrive, until none has arrived for lull. The acknowledgements go first.
	fewShared = 4
	lull      = 20 * time.Millisecond
)

// errClosed is returned by calls after Close.
var errClosed = errors.New("database is closed")

// transaction is one caller's transaction that waits for SQLite's only writing connection.
type transaction struct {
	ctx  context.Context
	do   func(tx *gorm.DB) error
	done chan error // buffered: the writer never waits for the caller
}

// transact runs do in a transaction, which is committed if do returns nil. do must use only tx.
//
// On SQLite, transactions that wait for the writing connection share a commit. Each has its own savepoint, so that it can fail alone. A
// single transaction does not wait for others.
func (s *Store) transact(ctx context.Context, do func(tx *gorm.DB) error) error {
	return s.transactIn(ctx, s.shared, do)
}

// transactIn does the same with one of the two queues for SQLite's writing connection.
func (s *Store) transactIn(ctx context.Context, queue chan *transaction, do func(tx *gorm.DB) error) error {
	t := &transaction{ctx, do, make(chan error, 1)}
	if s.dialect != "sqlite" {
		return s.dropReadOnly(s.db.WithContext(ctx).Transaction(t.run))
	}
	select {
	case queue <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
	return <-t.done // even if ctx is done: do may be running
}

// start runs the goroutines that collect work into shared commits. Postgres commits in parallel: a second goroutine fills a batch
// of deliveries while the first waits for its commit.
func (s *Store) start() {
	s.running.Go(s.collectDeliveries)
	if s.dialect == "sqlite" {
		s.running.Go(s.commitShared)
	} else {
		s.running.Go(s.collectDeliveries)
	}
}

// commitShared is the one goroutine that writes to SQLite.
func (s *Store) commitShared() {
	var lastDeliveries time.Time
	for {
		select {
		case deliveries := <-s.urgent:
			lastDeliveries = time.Now()
			s.commit(waiting(s.shared, deliveries, 1+fewShared))
		case first := <-s.shared:
			most := maxShared
			if time.Since(lastDeliveries) < lull {
				most = fewShared
			}
			s.commit(waiting(s.shared, first, most))
		case <-s.closing:
			return
		}
	}
}

// commit runs the transactions of a batch in one, and sends each caller the result of its own.
func (s *Store) commit(batch []*transaction) {
	errs := make([]error, len(batch))
	err := s.db.Transaction(func(tx *gorm.DB) error {
		for i, t := range batch {
			if err := tx.Exec("SAVEPOINT one").Error; err != nil {
				return err
			}
			if errs[i] = t.run(tx); errs[i] != nil && tx.Exec("ROLLBACK TO one").Error != nil {
				return errs[i] // SQLite has rolled back the whole batch itself, as it may when the disk is full
			}
		}
		return nil
	})
	err = s.dropReadOnly(err)
	for i, t := range batch {
		if errs[i] == nil {
			errs[i] = err // the error of the commit, if it failed
		}
		t.done <- errs[i]
	}
}

// run calls do. It returns a panic as an error, since it must not end the goroutine that writes for all.
func (t *transaction) run(tx *gorm.DB) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in transaction: %v", p)
		}
	}()
	if err := t.ctx.Err(); err != nil {
		return err // nobody waits for it
	}
	return t.do(tx)
}

// waiting returns first and what else is in the channel now, up to most.
func waiting[T any](queue chan T, first T, most int) []T {
	batch := []T{first}
	for len(batch) < most {
		select {
		case next := <-queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// dropReadOnly returns err. If the database was read-only, it also closes the idle connections: a connection that was opened while the
// server or the file was read-only stays read-only, but a new one need not be.
func (s *Store) dropReadOnly(err error) error {
	var pg *pgconn.PgError
	var lite sqlite3.Error
	if errors.As(err, &pg) && pg.Code == "25006" || errors.As(err, &lite) && lite.Code == sqlite3.ErrReadonly {
		pool := s.DB()
		pool.SetMaxIdleConns(0)
		pool.SetMaxIdleConns(pool.Stats().MaxOpenConnections)
	}
	return err
}
