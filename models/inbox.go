package models

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"gorm.io/gorm"
)

// Receipt says what became of a delivery in the inbox.
type Receipt int

// The receipts. Each means that the delivery is accounted for on disk.
const (
	Accepted    Receipt = iota + 1 // a new event
	Repeated                       // an event that was stored before; one more delivery is counted
	Conflicting                    // the ID of another event with another body; kept beside it, quarantined
)

// addTimeout is how long a delivery waits for its commit. Providers give up after 10 s at the earliest; a quick 503 lets
// them retry, and keeps the deliveries behind it from piling up.
const addTimeout = 1500 * time.Millisecond

// addition is a delivery on its way into the inbox.
type addition struct {
	event *Event
	done  chan addResult // buffered: the writer never waits for the caller
}

type addResult struct {
	receipt Receipt
	err     error
}

// AddEvent stores a verified event and returns when it is committed and synced, together with whatever else was waiting. Of
// e it takes what the delivery says; Status is Received, Failed for a body that cannot be read (LastError says why) or
// Quarantined for one that contradicts itself.
//
// An error means that the event may not be stored, and that the provider should send it again.
func (s *Store) AddEvent(ctx context.Context, e Event) (Receipt, error) {
	sum := sha256.Sum256(e.Body)
	e.SHA256, e.Deliveries, e.NextAt = sum[:], 1, e.ReceivedAt
	a := &addition{&e, make(chan addResult, 1)}
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	queue := s.additions
	for {
		select {
		case queue <- a:
			queue = nil // from now on only the answer counts
		case r := <-a.done:
			if r.err != nil {
				return 0, fmt.Errorf("add event: %w", r.err)
			}
			return r.receipt, nil
		case <-ctx.Done():
			return 0, fmt.Errorf("add event: %w", ctx.Err())
		case <-s.closing:
			return 0, fmt.Errorf("add event: %w", errClosed)
		}
	}
}

// answer tells each delivery in a committed batch its receipt.
func answer(batch []*addition, results []addResult) {
	for i, a := range batch {
		a.done <- results[i]
	}
}

// insertBatch stores the batch in one statement and returns a result for each of it, in order. Where one row's data is
// at fault it stores them one by one, so that only that one fails.
func insertBatch(db *gorm.DB, batch []*addition) []addResult {
	if len(batch) == 0 {
		return nil
	}
	shared := db.Name() == "sqlite" // a transaction with others, in which what a failure leaves behind must be undone
	if shared {
		if err := db.SavePoint("batch").Error; err != nil {
			return failed(batch, err)
		}
	}
	results, err := insert(db, batch)
	if err == nil {
		return results
	}
	if shared {
		if back := db.RollbackTo("batch").Error; back != nil {
			return failed(batch, errors.Join(err, back))
		}
	}
	results = failed(batch, err)
	if !isDataError(err) || len(batch) == 1 {
		return results
	}
	for i := range batch {
		one, oneErr := insert(db, batch[i:i+1])
		results[i] = addResult{err: oneErr}
		if oneErr == nil {
			results[i] = one[0]
		}
	}
	return results
}

func failed(batch []*addition, err error) []addResult {
	results := make([]addResult, len(batch))
	for i := range results {
		results[i].err = err
	}
	return results
}

// isDataError reports whether the rows are at fault, not the database.
func isDataError(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23") // data exception, constraint violation
	}
	var lite sqlite3.Error
	return errors.As(err, &lite) && (lite.Code == sqlite3.ErrConstraint || lite.Code == sqlite3.ErrTooBig || lite.Code == sqlite3.ErrMismatch)
}

type identity struct{ provider, externalID string }

// insert stores the batch. Equal identities are collapsed and the rows sorted, so that two batches that overlap wait for
// each other instead of deadlocking, and no statement meets its own row twice. Where one identity comes with several bodies,
// all but the first take another turn.
func insert(db *gorm.DB, batch []*addition) ([]addResult, error) {
	results := make([]addResult, len(batch))
	first := map[identity]*Event{} // the row to be stored under each identity
	var rows []*Event
	var again []int
	for i, a := range batch {
		e := *a.event
		key := identity{e.Provider, e.ExternalID}
		switch stored, known := first[key]; {
		case e.Status == Quarantined:
			results[i].receipt = Conflicting
			if err := quarantine(db, e); err != nil {
				return nil, err
			}
		case !known:
			first[key] = &e
			rows = append(rows, &e)
		case stored.sameBody(&e):
			stored.Deliveries++
		default:
			again = append(again, i)
		}
	}
	slices.SortFunc(rows, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ExternalID, b.ExternalID))
	})
	now, err := upsert(db, rows)
	if err != nil {
		return nil, err
	}
	for i, a := range batch {
		if a.event.Status == Quarantined || slices.Contains(again, i) {
			continue
		}
		key := identity{a.event.Provider, a.event.ExternalID}
		switch stored := now[key]; {
		case !stored.sameBody(a.event):
			results[i].receipt = Conflicting
			if err := quarantine(db, *a.event); err != nil {
				return nil, err
			}
		case first[key] != nil && stored.Deliveries == first[key].Deliveries:
			results[i].receipt = Accepted
			first[key] = nil // the others in this batch repeat it
		default:
			results[i].receipt = Repeated
		}
	}
	return results, insertAgain(db, batch, again, results)
}

// insertAgain stores those of the batch that had to wait, and puts their results in place.
func insertAgain(db *gorm.DB, batch []*addition, which []int, results []addResult) error {
	if len(which) == 0 {
		return nil
	}
	var rest []*addition
	for _, i := range which {
		rest = append(rest, batch[i])
	}
	later, err := insert(db, rest)
	for j, i := range which[:len(later)] {
		results[i] = later[j]
	}
	return err
}

// sameBody reports whether a delivery of o repeats e. Where the ID is derived from the payload's meaning, other bytes are
// no conflict: a retry may carry a new time stamp.
func (e *Event) sameBody(o *Event) bool { return e.Derived || string(e.SHA256) == string(o.SHA256) }
