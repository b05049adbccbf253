package models

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Receipt is the result of a delivery. With each of them the delivery is committed.
type Receipt int

// The receipts.
const (
	Accepted    Receipt = iota + 1 // a new event
	Repeated                       // an event that was stored before; one more delivery is counted
	Conflicting                    // the ID of a stored event, with another body; quarantined
)

const (
	// maxBatch is how many deliveries share one commit at most.
	maxBatch = 128
	// crowd is how many deliveries in one commit mean that they crowd in, and crowdTime how long that counts.
	crowd     = 16
	crowdTime = 50 * time.Millisecond
	// addTimeout is how long a delivery waits for its commit. Providers give up after 5 s at the earliest; a quick 503 lets
	// them try again, and keeps the deliveries behind it from piling up.
	addTimeout = 1500 * time.Millisecond
)

// delivery is an event that waits to be added to the inbox.
type delivery struct {
	event   Event
	receipt Receipt
	done    chan error // buffered: the writer never waits for the caller
}

// AddEvent stores a verified event, and returns when it is committed and synced. Deliveries that wait at the same time share a commit. An
// event with a Problem is stored as failed. A Quarantined event is stored beside the event that has its ID.
//
// An error means that the event may not have been stored, and that the provider should send it again.
func (s *Store) AddEvent(ctx context.Context, e Event) (Receipt, error) {
	sum := sha256.Sum256(e.Body)
	e.SHA256, e.Deliveries = sum[:], 1
	s.seal(&e)
	d := &delivery{event: e, done: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	select {
	case s.inbox <- d:
	case <-ctx.Done():
		return 0, wrap("add event", ctx.Err())
	}
	select {
	case err := <-d.done:
		return d.receipt, wrap("add event", err)
	case <-ctx.Done(): // it may still be committed
		return 0, wrap("add event", ctx.Err())
	case <-s.closing:
		return 0, wrap("add event", errClosed)
	}
}

// Crowded reports whether deliveries arrive so fast that they have to wait for each other. Other work should wait then.
func (s *Store) Crowded() bool { return time.Since(time.Unix(0, s.crowded.Load())) < crowdTime }

// addition returns the transaction that adds some deliveries.
func addition(batch []*delivery) *transaction {
	ctx, cancel := context.WithTimeout(context.Background(), addTimeout)
	add := func(tx *gorm.DB) error {
		// The commit waits for the disk, whatever the server's default. SQLite's always does.
		if err := onPostgres(tx, "SELECT set_config('synchronous_commit', 'on', true)"); err != nil {
			return err
		}
		return addEvents(tx, batch)
	}
	return &transaction{ctx, add, func(err error) {
		cancel()
		for _, d := range batch {
			d.done <- err
		}
	}}
}

// eventKey returns what makes a row of events unique: 16 bytes of a hash over the provider and its ID of the event. For a quarantined
// event, the hash also covers the body. A hash keeps the index small and allows IDs of any length.
func eventKey(e *Event) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x1f%s", e.Provider, e.ExternalID)
	if e.Quarantined {
		fmt.Fprintf(h, "\x1f%s", e.SHA256)
	}
	return h.Sum(nil)[:16]
}

// addEvents stores a batch. Deliveries with the same key and body share a row. If a key comes with several bodies, all but the first are
// stored afterwards, so that one statement never writes a row twice.
func addEvents(tx *gorm.DB, batch []*delivery) error {
	var rows []*Event
	first := map[string]*Event{} // the row for each key
	of := map[*Event][]*delivery{}
	var again []*delivery
	for _, d := range batch {
		e := d.event
		e.Key = eventKey(&e)
		row, known := first[string(e.Key)]
		switch {
		case !known:
			row = &e
			first[string(e.Key)], rows = row, append(rows, row)
		case row.sameBody(&e):
			row.Deliveries++
		default:
			again = append(again, d)
			continue
		}
		of[row] = append(of[row], d)
	}
	// Two processes that store overlapping batches must lock the rows in the same order.
	slices.SortFunc(rows, func(a, b *Event) int { return bytes.Compare(a.Key, b.Key) })
	stored, err := upsertEvents(tx, rows)
	if err != nil {
		return err
	}
	var added []*PendingEvent
	for _, row := range rows {
		now := stored[string(row.Key)]
		receipt := Repeated
		switch {
		case now.Deliveries == row.Deliveries: // it was not stored before
			receipt = Accepted
			if !row.Quarantined {
				added = append(added, pendingEvent(row, now.ID))
			}
		case !now.sameBody(row):
			if receipt, err = addConflicting(tx, row, now.ID); err != nil {
				return err
			}
		}
		for i, d := range of[row] {
			d.receipt = receipt
			if i > 0 && receipt == Accepted {
				d.receipt = Repeated
			}
			if row.Quarantined {
				d.receipt = Conflicting
			}
		}
	}
	if len(added) > 0 {
		if err := tx.Create(added).Error; err != nil {
			return err
		}
	}
	if len(again) == 0 {
		return nil
	}
	return addEvents(tx, again)
}

// upsertEvents inserts the new rows, and counts the deliveries of the others. It returns the stored ID, hash and deliveries by key.
func upsertEvents(tx *gorm.DB, rows []*Event) (map[string]*Event, error) {
	// Create writes the returned columns into its argument. It gets copies, so that the caller can compare.
	returned := make([]Event, len(rows))
	for i, row := range rows {
		returned[i] = *row
	}
	err := tx.Clauses(
		clause.OnConflict{
			Columns:   []clause.Column{{Name: "key"}},
			DoUpdates: clause.Assignments(map[string]any{"deliveries": gorm.Expr("events.deliveries + excluded.deliveries")}),
		},
		clause.Returning{Columns: []clause.Column{{Name: "id"}, {Name: "key"}, {Name: "sha256"}, {Name: "deliveries"}}},
	).Create(&returned).Error
	stored := make(map[string]*Event, len(rows))
	for i := range returned {
		stored[string(returned[i].Key)] = &returned[i]
	}
	return stored, err
}

// sameBody reports whether a delivery of o repeats e. If the ID is derived from the payload's meaning, another body is no conflict: a retry
// may have a new timestamp.
func (e *Event) sameBody(o *Event) bool { return e.Derived || string(e.SHA256) == string(o.SHA256) }

// otherBody is the Problem of an event whose ID came before with another body.
const otherBody = "its ID came before with another body"

// addConflicting stores an event whose ID belongs to another event with a different body. If the other event has failed, the new one
// replaces it, since a provider may send a corrected body. Otherwise the new one is quarantined.
func addConflicting(tx *gorm.DB, e *Event, other int64) (Receipt, error) {
	kept := *e
	kept.Quarantined, kept.Problem = true, cmp.Or(e.Problem, otherBody)
	kept.Key = eventKey(&kept)
	if e.Problem == "" { // a quarantined body is not tried again
		failed := tx.Where("id = ? AND failed AND NOT EXISTS (SELECT 1 FROM events WHERE key = ?)", other, kept.Key).Delete(&PendingEvent{})
		if failed.Error != nil {
			return 0, failed.Error
		}
		if failed.RowsAffected > 0 {
			if err := quarantine(tx, other); err != nil {
				return 0, err
			}
			stored, err := upsertEvents(tx, []*Event{e})
			if err != nil {
				return 0, err
			}
			return Accepted, tx.Create(pendingEvent(e, stored[string(e.Key)].ID)).Error
		}
	}
	_, err := upsertEvents(tx, []*Event{&kept})
	return Conflicting, err
}

// quarantine quarantines a stored event. It changes the event's key, so that another event can have it.
func quarantine(tx *gorm.DB, id int64) error {
	var e Event
	if err := tx.Select("id", "provider", "external_id", "sha256").Take(&e, id).Error; err != nil {
		return err
	}
	e.Quarantined = true
	return tx.Model(&e).Updates(map[string]any{
		"key": eventKey(&e), "quarantined": true, "problem": "it failed, and a later body with its ID took its place",
	}).Error
}

// replaceFailed replaces an event that has failed with a quarantined one that came later with the same ID, if there is one. The lock waits
// for a delivery that is being quarantined at this moment.
func replaceFailed(tx *gorm.DB, id int64) error {
	var failed, next Event
	if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Select("id", "provider", "external_id").Take(&failed, id).Error; err != nil {
		return err
	}
	found := tx.Clauses(clause.Locking{Strength: "UPDATE"}).
		Where("quarantined AND provider = ? AND external_id = ? AND problem = ? AND length(body) > 0", failed.Provider, failed.ExternalID, otherBody).
		Order("id").Limit(1).Find(&next)
	if found.Error != nil || found.RowsAffected == 0 {
		return found.Error
	}
	if err := tx.Delete(&PendingEvent{ID: failed.ID}).Error; err != nil {
		return err
	}
	if err := quarantine(tx, failed.ID); err != nil {
		return err
	}
	next.Quarantined, next.Problem = false, ""
	err := tx.Model(&next).Updates(map[string]any{"key": eventKey(&next), "quarantined": false, "problem": ""}).Error
	if err != nil {
		return err
	}
	return tx.Create(pendingEvent(&next, next.ID)).Error
}
