package models

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"
)

const (
	// maxShared is how many transactions share one commit on SQLite. A delivery may have to wait for that many.
	maxShared = 16
	// maxParallel is how many transactions run at once on Postgres, besides those of deliveries. It leaves some of maxConns for deliveries
	// and reads.
	maxParallel = 14
)

// errClosed is returned by calls after Close.
var errClosed = errors.New("database is closed")

// transaction is one transaction that waits to be run.
type transaction struct {
	ctx  context.Context
	do   func(tx *gorm.DB) error
	done func(error) // gets the result; must not block
}

// transact runs do in a transaction, which is committed if do returns nil. do must use only tx. It may be called again, if the first
// transaction was not committed.
func (s *Store) transact(ctx context.Context, do func(tx *gorm.DB) error) error {
	done := make(chan error, 1)
	select {
	case s.others <- &transaction{ctx, do, func(err error) { done <- err }}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
	return <-done // even if ctx is done: do may be running
}

// alone runs do outside a transaction, on the writing connection of SQLite. No other write runs meanwhile.
func (s *Store) alone(ctx context.Context, do func(db *gorm.DB) error) error {
	done := make(chan error, 1)
	select {
	case s.upkeep <- &transaction{ctx, do, func(err error) { done <- err }}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
	return <-done
}

// start runs the goroutines that write. SQLite has a single writer. On Postgres, two take turns with the deliveries: one collects a
// batch while the other waits for its commit.
func (s *Store) start() {
	if s.dialect == "sqlite" {
		s.running.Go(func() { s.write(s.inbox, s.others, maxShared) })
		return
	}
	for range 2 {
		s.running.Go(func() { s.write(s.inbox, nil, 1) })
	}
	for range maxParallel {
		s.running.Go(func() { s.write(nil, s.others, 1) })
	}
}

// write commits what waits in the two channels, one of which may be nil, until the store is closed. All deliveries that wait are one
// transaction. Up to most transactions share a commit.
func (s *Store) write(inbox chan *delivery, others chan *transaction, most int) {
	for {
		var first *transaction
		select {
		case d := <-inbox:
			deliveries := waiting(inbox, d, maxBatch)
			s.metrics.deliveries.Observe(float64(len(deliveries)))
			if len(deliveries) >= crowd {
				s.crowded.Store(time.Now().UnixNano())
			}
			first = addition(deliveries)
		case first = <-others:
		case t := <-s.upkeep:
			t.done(t.run(s.db.WithContext(t.ctx)))
			continue
		case <-s.closing:
			return
		}
		s.commit(waiting(others, first, most))
	}
}

// commit runs some transactions in one, and sends each caller the result. If one of them fails, it is run again alone, and the others
// again without it.
func (s *Store) commit(batch []*transaction) {
	ctx := context.Background()
	if len(batch) == 1 {
		ctx = batch[0].ctx
	}
	began := time.Now()
	failed := 0 // stays 0 if the commit itself fails: then the first one runs alone
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		for i, t := range batch {
			if err := t.run(tx); err != nil {
				failed = i
				return err
			}
		}
		return nil
	})
	if err != nil && len(batch) > 1 {
		s.commit([]*transaction{batch[failed]})
		s.commit(slices.Delete(batch, failed, failed+1))
		return
	}
	if err == nil {
		s.metrics.duration.Observe(time.Since(began).Seconds())
	}
	err = s.dropReadOnly(err)
	for _, t := range batch {
		t.done(err)
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
		return err // the caller has given up
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
