package models

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Pace is how many events to replay, and how fast.
type Pace struct {
	Limit int // at most this many, the oldest first; 0 is all
	Rate  int // events per second, for ten minutes at most; 0 is all at once
}

// most returns how many events one call may replay; 0 is any number. A row due later than maxDelay would be due at once.
func (p Pace) most() int {
	if p.Rate > 0 && (p.Limit == 0 || p.Limit > p.Rate*600) {
		return p.Rate * 600
	}
	return p.Limit
}

// replayBatch is how many events one transaction replays: on SQLite, deliveries have to wait for it.
const replayBatch = 2000

// replayable returns the parts of the selected events that can be replayed: those that failed, were ignored or came from a sandbox. Events
// that were applied, or whose body was removed, cannot be replayed.
func (f EventFilter) replayable() (sources []source) {
	for _, src := range f.sources() {
		if src.replayable != "" {
			src.where += " AND " + src.replayable + " AND length(events.body) > 0"
			sources = append(sources, src)
		}
	}
	return sources
}

// ReplayEvent makes an event due again, with all its attempts. It reports whether it did. The error is ErrNotFound if there is none, and
// ErrBodyRemoved if its body was removed.
func (s *Store) ReplayEvent(ctx context.Context, id int64, now time.Time) (bool, error) {
	e, err := s.Event(ctx, id)
	if err != nil {
		return false, err
	}
	if e.BodyRemoved {
		return false, fmt.Errorf("replay event %d: %w", id, ErrBodyRemoved)
	}
	for _, src := range (EventFilter{}).replayable() {
		ids, err := s.replay(ctx, now, 0, func(db *gorm.DB) *gorm.DB {
			return EventFilter{}.in(db, src).Where("events.id = ?", id).Select("events.id")
		})
		if err != nil || len(ids) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// ReplayEvents does the same for the events that the filter selects, and returns how many it made due. It uses several transactions: after
// an error, call it again to continue with the rest.
func (s *Store) ReplayEvents(ctx context.Context, f EventFilter, p Pace, now time.Time) (n int64, err error) {
	if f, err = s.located(ctx, f); err != nil {
		return 0, wrap("replay events", err)
	}
	for _, src := range f.replayable() {
		for last := int64(0); ; {
			limit := replayBatch
			if most := p.most(); most > 0 {
				limit = min(limit, most-int(n))
			}
			if limit == 0 {
				return n, nil
			}
			start := now
			if p.Rate > 0 {
				start = now.Add(time.Duration(n) * time.Second / time.Duration(p.Rate))
			}
			ids, err := s.replay(ctx, start, p.Rate, func(db *gorm.DB) *gorm.DB {
				return f.in(db, src).Where(src.id+" > ?", last).Order(src.id).Limit(limit).Select("events.id")
			})
			if err != nil {
				return n, err
			}
			if len(ids) == 0 {
				break
			}
			n, last = n+int64(len(ids)), ids[len(ids)-1]
		}
	}
	return n, nil
}

// CountReplayable returns how many events ReplayEvents would make due.
func (s *Store) CountReplayable(ctx context.Context, f EventFilter, p Pace) (n int64, err error) {
	if f, err = s.located(ctx, f); err != nil {
		return 0, wrap("count replayable events", err)
	}
	for _, src := range f.replayable() {
		var some int64
		if err := f.in(s.read.WithContext(ctx), src).Count(&some).Error; err != nil {
			return 0, fmt.Errorf("count replayable events: %w", err)
		}
		n += some
	}
	if most := p.most(); most > 0 {
		n = min(n, int64(most))
	}
	return n, nil
}

// replay makes the selected events due, rate of them per second beginning at start, and returns their IDs in order.
func (s *Store) replay(ctx context.Context, start time.Time, rate int, selected func(*gorm.DB) *gorm.DB) (ids []int64, err error) {
	err = s.transact(ctx, func(tx *gorm.DB) error {
		// The lock keeps an Expiry from removing a body meanwhile. Deliveries do not wait for it.
		lock := clause.Locking{Strength: "KEY SHARE", Table: clause.Table{Name: "events"}}
		if err := selected(tx).Clauses(lock).Pluck("events.id", &ids).Error; err != nil {
			return err
		}
		slices.Sort(ids)
		if rate == 0 {
			rate = max(1, len(ids))
		}
		due := start
		for some := range slices.Chunk(ids, rate) {
			if err := makeDue(tx, some, At(due)); err != nil {
				return err
			}
			due = due.Add(time.Second)
		}
		return nil
	})
	return ids, wrap("replay events", err)
}

// makeDue inserts a pending row for each event, or resets its failed one.
func makeDue(tx *gorm.DB, ids []int64, due Time) error {
	var rows []PendingEvent
	if err := tx.Table("events").Select("id", "queue").Where("id IN ?", ids).Find(&rows).Error; err != nil {
		return err
	}
	for i := range rows {
		rows[i].DueAt = due
	}
	return tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "id"}},
		DoUpdates: clause.AssignmentColumns([]string{"due_at", "attempts", "failed", "last_error"}),
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "pending_events.failed"}}},
	}).Create(&rows).Error
}

// ReplayFollowUp makes a failed follow-up due again. It reports whether it did, and returns ErrNotFound if there is no such follow-up.
func (s *Store) ReplayFollowUp(ctx context.Context, id int64, now time.Time) (bool, error) {
	var started bool
	err := s.transact(ctx, func(tx *gorm.DB) error {
		updated := tx.Model(&FollowUp{ID: id}).Where("failed").Updates(map[string]any{
			"failed": false, "attempts": 0, "last_error": "", "due_at": At(now),
		})
		if started = updated.RowsAffected > 0; started || updated.Error != nil {
			return updated.Error
		}
		return tx.Select("id").Take(&FollowUp{}, id).Error
	})
	return started, wrap(fmt.Sprintf("replay follow-up %d", id), err)
}
