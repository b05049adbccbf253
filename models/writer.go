package models

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

const (
	// maxBatch is how many deliveries share one commit at the most.
	maxBatch = 128
	// maxUnits and unitTime bound what workers may add to a commit, so that a delivery never waits long behind them.
	maxUnits = 64
	unitTime = 2 * time.Millisecond
)

// errClosed is returned for what comes after Close.
var errClosed = errors.New("database is closed")

// unit is a worker's transaction on its way through the writer goroutine.
type unit struct {
	ctx  context.Context
	do   func(tx *gorm.DB) error
	done chan error // buffered: the writer never waits for the caller
}

// start runs the goroutines that collect deliveries into shared commits. Postgres commits in parallel, so a second one
// fills a batch while the first waits for its sync; SQLite has one writer at a time, which serves the workers too.
func (s *Store) start() {
	if s.dialect == "sqlite" {
		s.running.Go(s.writeSQLite)
		return
	}
	for range 2 {
		s.running.Go(s.writePostgres)
	}
}

// transact runs do in a transaction: all of it is committed, or nothing. On SQLite the commit is shared with others, each
// behind a savepoint of its own. The do function must not keep tx, and must not wait for anything but the database.
func (s *Store) transact(ctx context.Context, do func(tx *gorm.DB) error) error {
	if s.dialect != "sqlite" {
		return s.db.WithContext(ctx).Transaction(do)
	}
	u := &unit{ctx, do, make(chan error, 1)}
	select {
	case s.work <- u:
		return <-u.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
}

// writePostgres stores batches of deliveries until the store closes.
func (s *Store) writePostgres() {
	for {
		select {
		case first := <-s.additions:
			batch := s.gather(first)
			ctx, cancel := context.WithTimeout(context.Background(), addTimeout)
			answer(batch, insertBatch(s.db.WithContext(ctx), batch))
			cancel()
		case <-s.closing:
			return
		}
	}
}

// writeSQLite is the one goroutine that writes to SQLite. Each round is one commit: first all deliveries that wait, then
// as many workers' units as fit. A lone caller never waits for others to join.
func (s *Store) writeSQLite() {
	for {
		var batch []*addition
		var units []*unit
		select {
		case first := <-s.additions:
			batch = s.gather(first)
		case u := <-s.work:
			batch, units = s.gather(nil), []*unit{u}
		case <-s.closing:
			return
		}
		s.commit(batch, units)
	}
}

// gather collects the deliveries that wait now, beginning with first.
func (s *Store) gather(first *addition) []*addition {
	var batch []*addition
	if first != nil {
		batch = append(batch, first)
	}
	for len(batch) < maxBatch {
		select {
		case a := <-s.additions:
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

// commit writes one round and answers everybody in it.
func (s *Store) commit(batch []*addition, units []*unit) {
	tx := s.db.Begin()
	if tx.Error != nil {
		fail(batch, units, fmt.Errorf("begin: %w", tx.Error))
		return
	}
	receipts := insertBatch(tx, batch)
	var results []error
	deadline := time.Now().Add(unitTime)
	for i := 0; ; i++ {
		if i == len(units) {
			u := s.another(len(units), deadline)
			if u == nil {
				break
			}
			units = append(units, u)
		}
		results = append(results, run(tx, units[i]))
	}
	if err := tx.Commit().Error; err != nil {
		tx.Rollback() // of no use where SQLite has done so itself, as on a full disk: the commit's error says enough
		fail(batch, units, fmt.Errorf("commit: %w", errors.Join(append(results, err)...)))
		return
	}
	answer(batch, receipts)
	for i, u := range units {
		u.done <- results[i]
	}
}

// another returns a further unit for this round, or nil when it is time to commit.
func (s *Store) another(have int, deadline time.Time) *unit {
	if have == maxUnits || len(s.additions) > 0 || time.Now().After(deadline) {
		return nil
	}
	select {
	case u := <-s.work:
		return u
	default:
		return nil
	}
}

// run does one unit behind a savepoint, so that its failure leaves the round's other work alone.
func run(tx *gorm.DB, u *unit) (err error) {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if err := tx.SavePoint("unit").Error; err != nil {
		return fmt.Errorf("set savepoint: %w", err)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in transaction: %v", r)
		}
		if err != nil {
			err = errors.Join(err, tx.RollbackTo("unit").Error)
		}
	}()
	return u.do(tx.WithContext(context.WithoutCancel(u.ctx)))
}

// fail tells everybody in a round the error that struck all of it.
func fail(batch []*addition, units []*unit, err error) {
	for _, a := range batch {
		a.done <- addResult{err: err}
	}
	for _, u := range units {
		u.done <- err
	}
}
