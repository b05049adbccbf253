package models

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// The protocol between the database and the queue. The row alone decides whether and when something is processed. The queue only carries
// tasks that name rows, and may lose them.
//
//	offer    a due row gets due_at = now + ClaimTimeout; the new due_at names the offer
//	claim    where due_at is still the offer's: attempts + 1, due_at = now + ClaimTimeout
//	apply    the last statement of the transaction deletes the row where attempts is still the claim's
//	fail     due_at = now + backoff, or 0 and failed, where attempts is still the claim's
//
// Each step is a conditional write, so any number of relays and workers may run. The row of a killed worker becomes due again by itself.

const (
	// ClaimTimeout is how long an offer and an attempt may take. After it the row is due again.
	ClaimTimeout = 15 * time.Second
	// MaxAttempts is how often something is tried before it is left as failed.
	MaxAttempts = 10
	// maxDelay is longer than any offer, claim or backoff. A later due_at was written by a clock that was ahead, so the row counts as due.
	maxDelay = 15 * time.Minute
)

// Work is a table of things to do: pending events or follow-ups. Both have the columns id, queue, due_at, attempts, failed and last_error.
type Work string

// The tables of things to do.
const (
	EventWork    Work = "pending_events"
	FollowUpWork Work = "follow_ups"
)

// PendingEvent is an event that still has to be processed, or has failed.
type PendingEvent struct {
	ID        int64 `gorm:"autoIncrement:false"` // the event's
	Queue     string
	DueAt     Time
	Attempts  int
	Failed    bool
	LastError string
}

// pendingEvent returns the pending row of an event that was just stored: due at once, or failed if the event has a Problem.
func pendingEvent(e *Event, id int64) *PendingEvent {
	if e.Problem != "" {
		return &PendingEvent{ID: id, Queue: e.Queue, Failed: true, LastError: e.Problem}
	}
	return &PendingEvent{ID: id, Queue: e.Queue, DueAt: e.ReceivedAt}
}

// Offer is a set of rows that are offered to the workers together.
type Offer struct {
	Work  Work
	DueAt Time // identifies the offer: a row with another due_at is no longer in it
	IDs   []int64
}

// due selects the rows of a queue that are due.
func due(db *gorm.DB, w Work, queue string, now time.Time) *gorm.DB {
	return db.Table(string(w)).Where("queue = ? AND due_at > 0 AND (due_at <= ? OR due_at > ?)", queue, At(now), At(now.Add(maxDelay)))
}

// Due reports whether a queue has rows that are due.
func (s *Store) Due(ctx context.Context, w Work, queue string, now time.Time) (bool, error) {
	var ids []int64
	err := due(s.read.WithContext(ctx), w, queue, now).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, wrap("look for due "+string(w), err)
}

// Offer marks up to limit due rows of a queue as offered, those due longest first. Rows that have used up their attempts, because each
// ended in a crash, become failed instead; gaveUp lists them.
func (s *Store) Offer(ctx context.Context, w Work, queue string, limit int, now time.Time) (o Offer, gaveUp []int64, err error) {
	o = Offer{Work: w, DueAt: At(now.Add(ClaimTimeout))}
	err = s.transact(ctx, func(tx *gorm.DB) error {
		o.IDs, gaveUp = nil, nil // it may be called again
		oldest := due(tx, w, queue, now).Select("id", "attempts").Order("due_at").Limit(limit)
		if s.dialect == "postgres" {
			oldest = oldest.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}) // another relay is offering those
		}
		var rows []PendingEvent
		if err := oldest.Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			if r.Attempts >= MaxAttempts {
				gaveUp = append(gaveUp, r.ID)
			} else {
				o.IDs = append(o.IDs, r.ID)
			}
		}
		if len(o.IDs) > 0 {
			if err := tx.Table(string(w)).Where("id IN ?", o.IDs).Update("due_at", o.DueAt).Error; err != nil {
				return err
			}
		}
		if len(gaveUp) == 0 {
			return nil
		}
		err := tx.Table(string(w)).Where("id IN ?", gaveUp).Updates(map[string]any{
			"due_at": 0, "failed": true,
			"last_error": gorm.Expr("CASE WHEN last_error = '' THEN 'the worker died in each attempt' ELSE last_error END"),
		}).Error
		for i := 0; err == nil && w == EventWork && i < len(gaveUp); i++ {
			err = replaceFailed(tx, gaveUp[i])
		}
		return err
	})
	if err != nil {
		return Offer{}, nil, wrap("offer "+string(w), err)
	}
	return o, gaveUp, nil
}

// Release makes the rows of an offer that did not reach the queue due again at once.
func (s *Store) Release(ctx context.Context, o Offer, now time.Time) error {
	err := s.transact(ctx, func(tx *gorm.DB) error {
		return tx.Table(string(o.Work)).Where("id IN ? AND due_at = ?", o.IDs, o.DueAt).Update("due_at", At(now)).Error
	})
	return wrap("release "+string(o.Work), err)
}

// ClaimEvents claims the events of an offer, and returns them with their bodies. It leaves out events that are done or were offered again.
// An event whose body cannot be decrypted has a BodyError.
func (s *Store) ClaimEvents(ctx context.Context, o Offer, now time.Time) ([]Event, error) {
	return claim(ctx, s, o, now, eventView, func(e *Event, attempts map[int64]int) {
		e.Attempts = attempts[e.ID]
		s.open(e)
	})
}

// ClaimFollowUps does the same for follow-ups.
func (s *Store) ClaimFollowUps(ctx context.Context, o Offer, now time.Time) ([]FollowUp, error) {
	return claim(ctx, s, o, now, []string{"status"}, func(f *FollowUp, attempts map[int64]int) { f.Attempts = attempts[f.ID] })
}

// claim claims the rows that are still in the offer for ClaimTimeout, and counts the attempt. It reads what they stand for without the
// columns in omit, and calls set for each with the attempts by ID.
func claim[T any](ctx context.Context, s *Store, o Offer, now time.Time, omit []string, set func(*T, map[int64]int)) ([]T, error) {
	var rows []PendingEvent
	err := s.transact(ctx, func(tx *gorm.DB) error {
		rows = nil // it may be called again
		return tx.Table(string(o.Work)).Model(&rows).Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}, {Name: "attempts"}}}).
			Where("id IN ? AND due_at = ?", o.IDs, o.DueAt).
			Updates(map[string]any{"attempts": gorm.Expr("attempts + 1"), "due_at": At(now.Add(ClaimTimeout))}).Error
	})
	if err != nil || len(rows) == 0 {
		return nil, wrap("claim "+string(o.Work), err)
	}
	attempts := make(map[int64]int, len(rows))
	for _, r := range rows {
		attempts[r.ID] = r.Attempts
	}
	var claimed []T
	err = s.read.WithContext(ctx).Omit(omit...).Where("id IN ?", slices.Collect(maps.Keys(attempts))).Find(&claimed).Error
	for i := range claimed {
		set(&claimed[i], attempts)
	}
	return claimed, wrap("read claimed "+string(o.Work), err)
}

// Retry ends a failed attempt: the row is due again at next, or failed if next is zero. It may return ErrClaimLost.
func (s *Store) Retry(ctx context.Context, w Work, id int64, attempts int, cause error, next time.Time) error {
	text := storable(cause.Error(), maxError)
	err := s.transact(ctx, func(tx *gorm.DB) error {
		if w == EventWork {
			if err := addFailedAttempt(tx, id, attempts, text); err != nil {
				return err
			}
		}
		err := orNone(tx.Table(string(w)).Where("id = ? AND attempts = ? AND due_at > 0", id, attempts).Updates(map[string]any{
			"due_at": At(next), "failed": next.IsZero(), "last_error": text,
		}), ErrClaimLost)
		if err != nil || w != EventWork || !next.IsZero() {
			return err
		}
		return replaceFailed(tx, id)
	})
	return wrap(fmt.Sprintf("retry row %d of %s", id, w), err)
}

// FailedAttempt is an attempt at an event that ended with an error.
type FailedAttempt struct {
	EventID int64  `json:"-"`
	Attempt int    `json:"attempt"` // from 1; a replay begins with 1 again
	BeganAt Time   `json:"began_at"`
	EndedAt Time   `json:"ended_at"`
	Error   string `json:"error"`
}

// addFailedAttempt records an attempt that ends now. It began when the event was claimed, which is ClaimTimeout before it is due again.
func addFailedAttempt(tx *gorm.DB, id int64, attempts int, text string) error {
	var claimed PendingEvent
	if err := tx.Select("due_at").Where("id = ? AND attempts = ? AND due_at > 0", id, attempts).Take(&claimed).Error; err != nil {
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return ErrClaimLost
		}
		return err
	}
	return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&FailedAttempt{
		EventID: id, Attempt: attempts, BeganAt: At(claimed.DueAt.Add(-ClaimTimeout)), EndedAt: At(time.Now()), Error: text,
	}).Error
}

// FailedAttempts lists the newest failed attempts at an event, the newest first.
func (s *Store) FailedAttempts(ctx context.Context, eventID int64) (list []FailedAttempt, err error) {
	err = s.read.WithContext(ctx).Where("event_id = ?", eventID).Order("began_at DESC").Limit(50).Find(&list).Error
	return list, wrap("list failed attempts", err)
}

// maxError is the longest error text that is stored, in bytes.
const maxError = 1000

// storable makes any text fit for a text column: valid UTF-8, no NUL, and cut off after most bytes.
func storable(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
