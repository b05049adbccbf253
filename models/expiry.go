package models

import (
	"context"
	"fmt"
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
	table, payload, at string // the name, and the columns of the payload and of the row's age
	empty              string // what takes the payload's place
	inUse              string // the condition of rows that still need their payload
	next               int64  // rows with lower IDs are done, or in kept
	kept               []int64
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
		// Not EXISTS: Postgres would make it a join that reads all of pending_events.
		{table: "events", payload: "body", at: "received_at", inUse: "(SELECT p.id FROM pending_events p WHERE p.id = events.id) IS NOT NULL"},
		{table: "follow_ups", payload: "change", at: "created_at", empty: "{}", inUse: "failed OR due_at > 0"},
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
	p.kept = nil
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
func (x *Expiry) removeSome(ctx context.Context, p *perishable, before Time, where string, args ...any) (int, error) {
	var ids []int64
	full := fmt.Sprintf("length(%s) > %d", p.payload, len(p.empty))
	err := x.store.read.WithContext(ctx).Table(p.table).Where(where, args...).Where(full).Order("id").Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	for end := time.Now().Add(maxExpiryRest); x.store.Crowded() && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(expiryRestCheck)
	}
	var removed []struct{ ID int64 }
	err = x.store.transact(ctx, func(tx *gorm.DB) error {
		removed = nil // it may be called again
		// A replay waits for this lock. Rows that others have locked are left for the next round: without waiting there is no deadlock with
		// a delivery. The update checks the condition again, and sees what was committed before the lock.
		var locked []int64
		err := tx.Table(p.table).Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).Where("id IN ?", ids).Order("id").Pluck("id", &locked).Error
		if err != nil || len(locked) == 0 {
			return err
		}
		values := map[string]any{p.payload: []byte(p.empty)}
		if p.table == "events" {
			values["body_key"] = ""
		}
		err = tx.Table(p.table).Model(&removed).Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}}}).
			Where("id IN ? AND "+p.at+" < ? AND NOT ("+p.inUse+")", locked, before).Updates(values).Error
		if err != nil || p.table != "events" || len(removed) == 0 {
			return err
		}
		ids := make([]int64, len(removed))
		for i, r := range removed {
			ids[i] = r.ID
		}
		return tx.Where("event_id IN ?", ids).Delete(&FailedAttempt{}).Error
	})
	if err != nil {
		return 0, err
	}
	done := make(map[int64]bool, len(removed))
	for _, r := range removed {
		done[r.ID] = true
	}
	p.kept = append(p.kept, slices.DeleteFunc(ids, func(id int64) bool { return done[id] })...)
	return len(removed), nil
}
