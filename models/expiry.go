package models

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

const (
	// expiryBatch is how many rows lose their payload in one transaction: on SQLite, deliveries have to wait for it.
	expiryBatch = 250
	// maxExpiryRest is how long a transaction waits at most while many deliveries arrive, and expiryRestCheck how often it checks.
	maxExpiryRest   = time.Second
	expiryRestCheck = 20 * time.Millisecond
)

// perishable is a table whose rows hold a payload that is removed after a time. The rows themselves stay.
type perishable struct {
	table, at string         // the name, and the column of a row's age
	full      string         // the condition of rows with a payload
	inUse     string         // the condition of rows that still need it
	empty     map[string]any // what takes its place
	next      int64          // rows with lower IDs are done, or in kept
	kept      []int64
}

// Expiry removes the payloads of events and follow-ups that are older than some time. An event that is pending or has failed, and a
// follow-up that is not finished, keeps its payload until it is. Use it in one goroutine; several processes may each have one.
type Expiry struct {
	store  *Store
	tables []*perishable
}

// NewExpiry returns an Expiry that has looked at nothing yet.
func (s *Store) NewExpiry() *Expiry {
	return &Expiry{s, []*perishable{
		{
			table: "events", at: "received_at", full: "length(body) > 0", empty: map[string]any{"body": []byte{}, "body_key": ""},
			// Not EXISTS: Postgres would make it a join that reads all of pending_events.
			inUse: "(SELECT p.id FROM pending_events p WHERE p.id = events.id) IS NOT NULL",
		},
		{
			table: "follow_ups", at: "created_at", full: "length(change) > 2", empty: map[string]any{"change": []byte("{}")},
			inUse: "failed OR due_at > 0",
		},
	}}
}

// Remove removes the payloads of rows from before a time, and returns how many. It remembers how far it has come, and which rows it has
// passed over; after an error it starts from the beginning.
func (x *Expiry) Remove(ctx context.Context, before Time) (n int, err error) {
	for _, p := range x.tables {
		some, err := x.removeFrom(ctx, p, before)
		n += some
		if err != nil {
			p.next, p.kept = 0, nil
			return n, wrap("remove payloads from "+p.table, err)
		}
	}
	return n, nil
}

func (x *Expiry) removeFrom(ctx context.Context, p *perishable, before Time) (n int, err error) {
	end, err := x.store.firstAt(ctx, p.table, p.at, before)
	if err != nil {
		return 0, err
	}
	kept := p.kept
	p.kept, p.next = nil, min(p.next, end) // SQLite gives the IDs of the newest follow-ups again, if those were erased
	for ids := range slices.Chunk(kept, expiryBatch) {
		some, err := x.removeSome(ctx, p, before, "id IN ?", ids)
		if n += some; err != nil {
			return n, err
		}
	}
	for p.next < end {
		last := min(p.next+expiryBatch, end)
		some, err := x.removeSome(ctx, p, before, "id >= ? AND id < ?", p.next, last)
		if n += some; err != nil {
			return n, err
		}
		p.next = last
	}
	return n, nil
}

// removeSome removes the payloads of the rows that a condition selects, in one transaction, and adds the others to p.kept.
func (x *Expiry) removeSome(ctx context.Context, p *perishable, before Time, where string, args ...any) (removed int, err error) {
	full := x.store.read.WithContext(ctx).Table(p.table).Where(where, args...).Where(p.full).Order("id").Session(&gorm.Session{})
	var ids, kept []int64
	if err := full.Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
		return 0, err
	}
	for end := time.Now().Add(maxExpiryRest); x.store.Crowded() && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(expiryRestCheck)
	}
	err = x.store.transact(ctx, func(tx *gorm.DB) error {
		// A replay waits for this lock. Rows that others have locked are left for the next round: without waiting there is no deadlock with
		// a delivery. The update checks the condition again, and sees what was committed before the lock.
		var locked []int64
		err := tx.Table(p.table).Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).Where("id IN ?", ids).Order("id").Pluck("id", &locked).Error
		if err != nil {
			return err
		}
		updated := tx.Table(p.table).Where("id IN ? AND "+p.at+" < ? AND NOT ("+p.inUse+")", locked, before).Updates(p.empty)
		removed = int(updated.RowsAffected)
		if updated.Error != nil || p.table != "events" {
			return updated.Error
		}
		return tx.Where("event_id IN (SELECT id FROM events WHERE id IN ? AND length(body) = 0)", locked).Delete(&FailedAttempt{}).Error
	})
	if err != nil {
		return 0, err
	}
	err = full.Pluck("id", &kept).Error
	p.kept = append(p.kept, kept...)
	return removed, err
}
