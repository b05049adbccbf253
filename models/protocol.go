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
	var found, lost []Offer // not the results: a statement that nobody waits for any more may still run
	err = s.statement(ctx, func(db *gorm.DB) error {
		found, lost = nil, nil
		skip := ""
		if s.dialect == "postgres" {
			skip = "FOR UPDATE SKIP LOCKED" // another relay is offering those
		}
		rows, err := collect(db, (*Event).offered, `UPDATE events SET
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
				lost = append(lost, Offer{e.ID, e.Offers})
			} else {
				found = append(found, Offer{e.ID, e.Offers})
			}
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("offer events: %w", err)
	}
	return found, lost, nil
}

// offered is where the columns go that OfferEvents returns.
func (e *Event) offered() []any { return []any{&e.ID, &e.Offers, &e.Status} }

const (
	// clockSkew is how far the clocks of two of our machines may differ.
	clockSkew = 5 * time.Second
	// farthest is more than any offer, claim or backoff lasts.
	farthest = 15 * time.Minute
)

// RecallEvents makes events of a queue due that lie farther in the future than anything puts them: a clock was ahead, and was set
// back. It returns how many. Events that a paced replay has spread stay where they are.
func (s *Store) RecallEvents(ctx context.Context, queue string, now time.Time) (int64, error) {
	var n int64
	err := s.statement(ctx, func(db *gorm.DB) (err error) {
		n, err = exec(db, `UPDATE events SET next_at = ?
			WHERE queue = ? AND status IN ('received', 'queued') AND next_at > ?
				AND (status = 'received' AND received_at > ? OR status = 'queued' AND next_at > ?)`,
			now.UnixMicro(), queue, now.Add(clockSkew).UnixMicro(), now.Add(clockSkew).UnixMicro(), now.Add(farthest).UnixMicro())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("recall events: %w", err)
	}
	return n, nil
}

// RetryEvent gives a claimed event back, due at the time next, or leaves it as failed where next is zero. ErrNotFound says
// that the claim had run out and another attempt has the event.
func (s *Store) RetryEvent(ctx context.Context, e Event, cause error, next time.Time) error {
	status := Queued
	if next.IsZero() {
		status = Failed
	}
	return s.statement(ctx, func(db *gorm.DB) error {
		n, err := exec(db, `UPDATE events SET status = ?, last_error = ?, next_at = ?
			WHERE id = ? AND status = 'queued' AND attempts = ?`, string(status), cause.Error(), At(next).micro(), e.ID, e.Attempts)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("return event %d: %w", e.ID, err)
		}
		return nil
	})
}
