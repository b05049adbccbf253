package models

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

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
	event   *Event
	receipt Receipt
	done    chan error // buffered: the writer never waits for the caller
}

// AddEvent stores a verified event and returns when it is committed and synced, together with whatever else was waiting. Of
// e it takes what the delivery says; Status is Received, Failed for a body that cannot be read (LastError says why) or
// Quarantined for one that contradicts itself.
//
// An error means that the event may not be stored, and that the provider should send it again.
func (s *Store) AddEvent(ctx context.Context, e Event) (Receipt, error) {
	sum := sha256.Sum256(e.Body)
	e.SHA256, e.Deliveries, e.NextAt = sum[:], 1, e.ReceivedAt
	a := &addition{event: &e, done: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	if err := hand(ctx, s, s.additions, a, a.done); err != nil {
		return 0, fmt.Errorf("add event: %w", err)
	}
	return a.receipt, nil
}

// additions are deliveries that share a commit.
type additions []*addition

func (as additions) write(tx *gorm.DB) error { return insert(tx, as) }

func (as additions) parts() (parts []work) {
	for i := range as {
		parts = append(parts, as[i:i+1])
	}
	return parts
}

func (as additions) finish(err error) {
	for _, a := range as {
		a.done <- err
	}
}

// identity is what tells rows apart that providers name: the provider, and its ID of the thing.
type identity struct{ provider, externalID string }

// insert stores the batch. Equal identities are collapsed and the rows sorted, so that two batches that overlap wait for
// each other instead of deadlocking, and no statement meets its own row twice. Where one identity comes with several bodies,
// all but the first take another turn.
func insert(db *gorm.DB, batch additions) error {
	first := map[identity]*Event{} // the row to be stored under each identity
	var rows []*Event
	var again additions
	for _, a := range batch {
		a.receipt = 0
		e := *a.event
		key := identity{e.Provider, e.ExternalID}
		switch stored, known := first[key]; {
		case e.Status == Quarantined:
			a.receipt = Conflicting
			if err := quarantine(db, e); err != nil {
				return err
			}
		case !known:
			first[key] = &e
			rows = append(rows, &e)
		case stored.sameBody(&e):
			stored.Deliveries++
		default:
			again = append(again, a)
		}
	}
	slices.SortFunc(rows, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ExternalID, b.ExternalID))
	})
	now, err := upsert(db, rows)
	if err != nil {
		return err
	}
	for _, a := range batch {
		if a.event.Status == Quarantined || slices.Contains(again, a) {
			continue
		}
		key := identity{a.event.Provider, a.event.ExternalID}
		switch stored := now[key]; {
		case !stored.sameBody(a.event):
			a.receipt = Conflicting
			if err := quarantine(db, *a.event); err != nil {
				return err
			}
		case first[key] != nil && stored.Deliveries == first[key].Deliveries:
			a.receipt = Accepted
			first[key] = nil // the others in this batch repeat it
		default:
			a.receipt = Repeated
		}
	}
	if len(again) == 0 {
		return nil
	}
	return insert(db, again)
}

// sameBody reports whether a delivery of o repeats e. Where the ID is derived from the payload's meaning, other bytes are
// no conflict: a retry may carry a new time stamp.
func (e *Event) sameBody(o *Event) bool { return e.Derived || string(e.SHA256) == string(o.SHA256) }
