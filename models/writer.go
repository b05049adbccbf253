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
	// maxApply is how many claims, and how many events to apply, share one commit at the most. A delivery waits behind them.
	maxApply = 32
	// lanes is how many transactions apply events at a time on Postgres: the second works while the first waits for its sync.
	lanes = 2
	// maxUnits is how many other statements join a commit on SQLite.
	maxUnits = 8
	// applyTimeout bounds a commit of workers' work on Postgres.
	applyTimeout = 5 * time.Second
	// A commit of so many deliveries says that more come than one by one can be stored, for as long as crowdTime.
	crowd     = 8
	crowdTime = 50 * time.Millisecond
)

// errClosed is returned for what comes after Close.
var errClosed = errors.New("database is closed")

// work is what is written in one transaction, together with other work.
type work interface {
	// write must do the same when it runs again in another transaction.
	write(tx *gorm.DB) error
	// parts are what may succeed or fail alone.
	parts() []work
	// finish tells the callers how it ended.
	finish(err error)
}

// start runs the goroutines that collect work into shared commits. Postgres commits in parallel, so a second one fills a batch
// while the first waits for its sync; SQLite has one writer, which serves everybody.
func (s *Store) start() {
	if s.dialect == "sqlite" {
		s.running.Go(s.writeSQLite)
		return
	}
	for range 2 {
		s.running.Go(func() { collectWork(s, s.additions, maxBatch, addTimeout, s.crowded) })
		s.running.Go(func() { collectWork(s, s.claims, maxApply, applyTimeout, claimWork) })
	}
	for _, lane := range s.applications {
		s.running.Go(func() { collectWork(s, lane, maxApply, applyTimeout, applyWork) })
	}
}

// collectWork commits what comes from a queue, as much of it at once as waits, until the store closes.
func collectWork[T any](s *Store, queue chan T, most int, timeout time.Duration, batch func([]T) work) {
	for {
		select {
		case first := <-queue:
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			s.commit(ctx, batch(waiting(queue, []T{first}, most)))
			cancel()
		case <-s.closing:
			return
		}
	}
}

// writeSQLite is the one goroutine that writes to SQLite. Each round is one commit of all that waits. A lone caller never waits
// for others to join.
func (s *Store) writeSQLite() {
	for {
		var as additions
		var cs claims
		var ps applications
		var us units
		select {
		case a := <-s.additions:
			as = append(as, a)
		case c := <-s.claims:
			cs = append(cs, c)
		case p := <-s.applications[0]:
			ps = append(ps, p)
		case u := <-s.units:
			us = append(us, u)
		case <-s.closing:
			return
		}
		s.commit(context.Background(),
			s.crowded(waiting(s.additions, as, maxBatch)), claimWork(waiting(s.claims, cs, maxApply)),
			applyWork(waiting(s.applications[0], ps, maxApply)), units(waiting(s.units, us, maxUnits)))
	}
}

// waiting adds to a batch what waits in a queue now.
func waiting[T any](queue chan T, batch []T, most int) []T {
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

// commit writes all the work in one transaction and tells everybody in it. If any of it fails, all of it is undone and each
// part is written by itself, so that only that one fails: that is rare, and cheaper than a savepoint around each.
func (s *Store) commit(ctx context.Context, all ...work) {
	err := s.write(ctx, all)
	var parts []work
	for _, w := range all {
		parts = append(parts, w.parts()...)
	}
	for _, part := range parts {
		if err != nil && len(parts) > 1 {
			part.finish(s.write(ctx, []work{part}))
		} else {
			part.finish(err)
		}
	}
}

// write commits the work, or none of it. A panic in it is an error: it must not end the goroutine that writes for all.
func (s *Store) write(ctx context.Context, all []work) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in transaction: %v", r)
		}
	}()
	db := s.db.WithContext(ctx)
	if _, several := all[0].(applications); s.dialect == "postgres" && !several {
		return all[0].write(db) // a statement, which Postgres commits by itself: two round trips less
	}
	return db.Transaction(func(tx *gorm.DB) error {
		for _, w := range all {
			if err := w.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// Crowded reports whether so many deliveries come in that background work should leave them the machine.
func (s *Store) Crowded() bool { return time.Since(s.opened) < time.Duration(s.crowdedUntil.Load()) }

// crowded makes work of deliveries, and notes whether there are many.
func (s *Store) crowded(as []*addition) work {
	if len(as) >= crowd {
		s.crowdedUntil.Store(int64(time.Since(s.opened) + crowdTime))
	}
	return additions(as)
}

func claimWork(cs []*claim) work { return claims(cs) }

func applyWork(as []*application) work { return applications(as) }

// unit is any other transaction on its way through SQLite's writer.
type unit struct {
	ctx  context.Context
	do   func(tx *gorm.DB) error
	done chan error // buffered: the writer never waits for the caller
}

type units []*unit

func (us units) write(tx *gorm.DB) error {
	for _, u := range us {
		if err := u.ctx.Err(); err != nil {
			return err // nobody waits for it
		}
		if err := u.do(tx); err != nil {
			return err
		}
	}
	return nil
}

func (us units) parts() (parts []work) {
	for i := range us {
		parts = append(parts, us[i:i+1])
	}
	return parts
}

func (us units) finish(err error) {
	for _, u := range us {
		u.done <- err
	}
}

// transact runs do in a transaction: all of it is committed, or nothing. On SQLite the commit is shared with others, and do may
// run twice: see commit. It must not keep tx, and must not wait for anything but the database.
func (s *Store) transact(ctx context.Context, do func(tx *gorm.DB) error) error {
	if s.dialect != "sqlite" {
		return s.db.WithContext(ctx).Transaction(do)
	}
	u := &unit{ctx, do, make(chan error, 1)}
	return hand(ctx, s, s.units, u, u.done)
}

// statement is transact for a single statement, which Postgres commits by itself: two round trips less.
func (s *Store) statement(ctx context.Context, do func(db *gorm.DB) error) error {
	if s.dialect != "sqlite" {
		return do(s.db.WithContext(ctx))
	}
	return s.transact(ctx, do)
}

// hand gives work to those who commit it, and waits until they have, or until ctx is done: then it may yet be committed.
func hand[T any](ctx context.Context, s *Store, queue chan T, w T, done chan error) error {
	for {
		select {
		case queue <- w:
			queue = nil // from now on only the answer counts
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return errClosed
		}
	}
}
