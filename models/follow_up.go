package models

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Change is a customer whose status or hold has changed, and the event that changed it.
type Change struct {
	Before Customer `json:"before"` // of a new customer: pending, with ID 0
	After  Customer `json:"after"`
	Event  Event    `json:"event"` // without its body
	// Key is the same for all attempts, even if the event is applied again after a power cut. It is empty until the follow-up is stored.
	Key string `json:"-"`
}

// FollowUpStatus is the state of a follow-up.
type FollowUpStatus string

// The states of a follow-up.
const (
	FollowUpWaiting   FollowUpStatus = "waiting" // to be done, or to be tried again
	FollowUpDone      FollowUpStatus = "done"
	FollowUpLogged    FollowUpStatus = "logged"    // not configured: it was only written to the log
	FollowUpOvertaken FollowUpStatus = "overtaken" // the customer changed again before it was done
	FollowUpFailed    FollowUpStatus = "failed"    // given up; it can be replayed
)

// FollowUpStatuses lists the states of a follow-up.
var FollowUpStatuses = []FollowUpStatus{FollowUpWaiting, FollowUpDone, FollowUpLogged, FollowUpOvertaken, FollowUpFailed}

// FollowUp is something to do outside the database because a customer has changed.
type FollowUp struct {
	ID         int64  `json:"id"`
	Key        string `json:"key"`  // the idempotency key
	Name       string `json:"name"` // as in the list of package jobs
	Once       bool   `json:"-"`    // at most one of this name for the customer
	CustomerID int64  `json:"customer_id"`
	EventID    int64  `json:"event_id"`
	Change     []byte `json:"-"`    // the Change, as JSON
	Note       string `json:"note"` // why it was logged or overtaken
	CreatedAt  Time   `json:"created_at" gorm:"autoCreateTime:false"`
	DoneAt     Time   `json:"done_at"`

	Result   FollowUpStatus `json:"-"` // FollowUpDone, FollowUpLogged or FollowUpOvertaken once it is over
	Queue    string         `json:"-"`
	DueAt    Time           `json:"due_at"` // zero when nothing is left to do
	Attempts int            `json:"attempts"`
	Failed   bool           `json:"-"`
	Error    string         `json:"error" gorm:"column:last_error"`

	Status FollowUpStatus `json:"status" gorm:"->"` // follows from Failed and Result
}

// FinishFollowUp records how a claimed follow-up ended: FollowUpDone or FollowUpLogged. It may return ErrClaimLost.
func (s *Store) FinishFollowUp(ctx context.Context, f FollowUp, result FollowUpStatus, note string, now Time) error {
	err := s.transact(ctx, func(tx *gorm.DB) error { return f.finish(tx, result, note, now) })
	return wrap(fmt.Sprintf("finish follow-up %d", f.ID), err)
}

// FinishOvertaken ends a claimed follow-up as FollowUpOvertaken if why returns a reason for the current customer, and reports whether it
// did. It locks the customer meanwhile: a change back would cause the follow-up again, but an unfinished one with Once would prevent that.
func (s *Store) FinishOvertaken(ctx context.Context, f FollowUp, why func(current Customer) string, now Time) (overtaken bool, err error) {
	err = s.transact(ctx, func(tx *gorm.DB) error {
		var current Customer
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Take(&current, f.CustomerID).Error; err != nil {
			return err
		}
		reason := why(current)
		if overtaken = reason != ""; !overtaken {
			return nil
		}
		return f.finish(tx, FollowUpOvertaken, reason, now)
	})
	return overtaken, wrap(fmt.Sprintf("finish follow-up %d", f.ID), err)
}

// finish names the customer as well: if that one was erased, SQLite may have given the row's ID again.
func (f *FollowUp) finish(tx *gorm.DB, result FollowUpStatus, note string, now Time) error {
	return orNone(tx.Model(&FollowUp{ID: f.ID}).Where("customer_id = ? AND attempts = ? AND due_at > 0", f.CustomerID, f.Attempts).Updates(map[string]any{
		"result": result, "note": storable(note, maxError), "done_at": now, "due_at": 0, "last_error": "",
	}), ErrClaimLost)
}
