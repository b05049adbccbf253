package models

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// The protocol between the inbox and the queue. The row alone decides when and whether an event is worked on; the queue only
// carries the news. Every change of hands is one conditional UPDATE, so any number of relays and workers may try.

const (
	// offerTimeout is how long an offer stands before the event is offered again. It doubles while nobody claims it.
	offerTimeout = 10 * time.Second
	maxOffer     = 5 * time.Minute
	// ClaimTimeout is how long a worker has for an attempt. After it the event is due again: the worker was killed.
	ClaimTimeout = 15 * time.Second
	// MaxAttempts is how often an event is tried before it is left as failed.
	MaxAttempts = 10
)

// Offer names an event and the how-manieth time it is offered. Only the newest offer of an event can be claimed.
type Offer struct {
	ID     int64
	Offers int
}

// OfferEvents marks up to limit due events of a queue as offered and returns them, those due longest first. Events whose
// attempts are used up, because each of them ended in a crash, become failed instead and are returned as dead.
func (s *Store) OfferEvents(ctx context.Context, queue string, limit int, now time.Time) (offered, dead []Offer, err error) {
	err = s.transact(ctx, func(tx *gorm.DB) error {
		skip := ""
		if s.dialect == "postgres" {
			skip = "FOR UPDATE SKIP LOCKED" // another relay is offering those
		}
		rows, err := collect[Event](tx, `UPDATE events SET
				status     = CASE WHEN attempts >= ? THEN 'failed' ELSE 'queued' END,
				last_error = CASE WHEN attempts >= ? AND last_error = '' THEN ? ELSE last_error END,
				offers     = offers + 1,
				unclaimed  = unclaimed + 1,
				next_at    = CAST(? AS BIGINT) + CASE WHEN unclaimed >= 5 THEN CAST(? AS BIGINT) ELSE CAST(? AS BIGINT) * (1 << CAST(unclaimed AS INT)) END
			WHERE id IN (
				SELECT id FROM events WHERE status IN ('received', 'queued') AND queue = ? AND next_at <= ?
				ORDER BY next_at LIMIT ? `+skip+`)
			RETURNING id, offers, status`,
			MaxAttempts, MaxAttempts, "the worker died in each attempt",
			now.UnixMicro(), maxOffer.Microseconds(), offerTimeout.Microseconds(),
			queue, now.UnixMicro(), limit)
		for _, e := range rows {
			if e.Status == Failed {
				dead = append(dead, Offer{e.ID, e.Offers})
			} else {
				offered = append(offered, Offer{e.ID, e.Offers})
			}
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("offer events: %w", err)
	}
	return offered, dead, nil
}

// ClaimEvent gives the event of an offer to the caller for ClaimTimeout, and counts the attempt. ErrNotFound says that the
// offer is out of date: the event is done, or offered anew.
func (s *Store) ClaimEvent(ctx context.Context, o Offer, now time.Time) (Event, error) {
	var claimed []Event
	err := s.transact(ctx, func(tx *gorm.DB) (err error) {
		claimed, err = collect[Event](tx, `UPDATE events SET attempts = attempts + 1, unclaimed = 0, next_at = ?
			WHERE id = ? AND status = 'queued' AND offers = ? AND unclaimed > 0 RETURNING *`,
			now.Add(ClaimTimeout).UnixMicro(), o.ID, o.Offers)
		return err
	})
	if err == nil && len(claimed) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Event{}, fmt.Errorf("claim event %d: %w", o.ID, err)
	}
	return claimed[0], nil
}

// RetryEvent gives a claimed event back, due at the time next, or leaves it as failed where next is zero. ErrNotFound says
// that the claim had run out and another attempt has the event.
func (s *Store) RetryEvent(ctx context.Context, e Event, cause error, next time.Time) error {
	status := Queued
	if next.IsZero() {
		status = Failed
	}
	return s.transact(ctx, func(tx *gorm.DB) error {
		done := tx.Exec(`UPDATE events SET status = ?, last_error = ?, next_at = ?
			WHERE id = ? AND status = 'queued' AND attempts = ?`, status, cause.Error(), At(next), e.ID, e.Attempts)
		if done.Error != nil {
			return fmt.Errorf("return event %d: %w", e.ID, done.Error)
		}
		if done.RowsAffected == 0 {
			return fmt.Errorf("return event %d: %w", e.ID, ErrNotFound)
		}
		return nil
	})
}

// replayable are the rows that a replay starts again: all but those under way, those whose effect stands, and those that
// must never be applied.
const replayable = "(status = 'failed' OR status = 'processed' AND outcome IN ('ignored', 'sandbox'))"

// ReplayEvent puts an event back to the start, with all its attempts before it. An applied event is left as it is: replaying
// it would change nothing. It reports whether it put it back, and returns ErrNotFound if there is no such event.
func (s *Store) ReplayEvent(ctx context.Context, id int64, now time.Time) (bool, error) {
	if _, err := s.Event(ctx, id); err != nil {
		return false, err
	}
	n, err := s.replay(ctx, now, func(tx *gorm.DB) *gorm.DB { return tx.Where("id = ?", id) })
	return n > 0, err
}

// ReplayEvents does the same for all events that the filter selects, and returns how many it put back.
func (s *Store) ReplayEvents(ctx context.Context, f EventFilter, now time.Time) (int64, error) {
	return s.replay(ctx, now, f.where)
}

func (s *Store) replay(ctx context.Context, now time.Time, which func(*gorm.DB) *gorm.DB) (n int64, err error) {
	err = s.transact(ctx, func(tx *gorm.DB) error {
		done := which(tx.Model(&Event{})).Where(replayable).Updates(map[string]any{
			"status": Received, "outcome": "", "attempts": 0, "unclaimed": 0, "next_at": At(now), "processed_at": 0,
		})
		n = done.RowsAffected
		return done.Error
	})
	if err != nil {
		return 0, fmt.Errorf("replay events: %w", err)
	}
	return n, nil
}
