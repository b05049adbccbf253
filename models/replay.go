package models

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// replayBatch is how many events one transaction puts back: deliveries wait behind it on SQLite.
const replayBatch = 2000

// replayable are the rows that a replay starts again: all but those under way, those whose effect stands, and those that
// must never be applied.
const replayable = "(status = 'failed' OR status = 'processed' AND outcome IN ('ignored', 'sandbox'))"

// Pace says how many events a replay starts again, and when.
type Pace struct {
	Limit int // at most so many, the oldest first; 0 is all
	Rate  int // so many a second; 0 is all at once
}

// ReplayEvent puts an event back to the start, with all its attempts before it. An applied event is left as it is: replaying
// it would change nothing. It reports whether it put it back, and returns ErrNotFound if there is no such event.
func (s *Store) ReplayEvent(ctx context.Context, id int64, now time.Time) (bool, error) {
	if _, err := s.Event(ctx, id); err != nil {
		return false, err
	}
	ids, err := s.replay(ctx, 1, 0, now, func(db *gorm.DB) *gorm.DB { return db.Where("id = ?", id) })
	return len(ids) > 0, err
}

// ReplayEvents does the same for the events that the filter selects, and returns how many it put back. It does so in several
// transactions: an error leaves the rest as it was, and to replay again goes on with it.
func (s *Store) ReplayEvents(ctx context.Context, f EventFilter, p Pace, now time.Time) (n int64, err error) {
	interval := time.Duration(0)
	if p.Rate > 0 {
		interval = time.Second / time.Duration(p.Rate)
	}
	for last := int64(0); ; {
		limit := replayBatch
		if p.Limit > 0 {
			limit = min(limit, p.Limit-int(n))
		}
		if limit == 0 {
			return n, nil
		}
		ids, err := s.replay(ctx, limit, interval, now.Add(time.Duration(n)*interval), func(db *gorm.DB) *gorm.DB {
			return f.where(db).Where("id > ?", last)
		})
		if err != nil {
			return n, err
		}
		if len(ids) == 0 {
			return n, nil
		}
		n, last = n+int64(len(ids)), ids[len(ids)-1]
	}
}

// CountReplayable returns how many events ReplayEvents would put back.
func (s *Store) CountReplayable(ctx context.Context, f EventFilter, p Pace) (n int64, err error) {
	db := f.where(s.read.WithContext(ctx).Model(&Event{})).Where(replayable)
	if err := db.Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count replayable events: %w", err)
	}
	if p.Limit > 0 {
		n = min(n, int64(p.Limit))
	}
	return n, nil
}

// replay puts back up to limit events, the oldest first, the first at start and each an interval after the one before it, and
// returns their IDs.
func (s *Store) replay(ctx context.Context, limit int, interval time.Duration, start time.Time, which func(*gorm.DB) *gorm.DB) ([]int64, error) {
	var ids []int64
	err := s.transact(ctx, func(tx *gorm.DB) error {
		ids = nil
		chosen := which(tx.Model(&Event{})).Where(replayable).Order("id").Limit(limit).
			Select("id AS chosen_id, ROW_NUMBER() OVER (ORDER BY id) - 1 AS turn")
		// What is no longer replayable when its row is locked was put back by somebody else.
		return tx.Raw(`UPDATE events SET status = 'received', outcome = '', attempts = 0, unclaimed = 0, processed_at = 0,
				next_at = ? + turn * ?
			FROM (?) AS chosen WHERE id = chosen_id AND `+replayable+` RETURNING id`,
			start.UnixMicro(), interval.Microseconds(), chosen).Scan(&ids).Error
	})
	if err != nil {
		return nil, fmt.Errorf("replay events: %w", err)
	}
	slices.Sort(ids)
	return ids, nil
}
