package models

import (
	"cmp"
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Change is what one event establishes. The facts in it need no times and no customer: those of the event and of SubjectID
// are put in when the change is applied.
type Change struct {
	// Outcome, where it is set, says that the event changes nothing: Ignored or Sandbox.
	Outcome Outcome

	SubjectID string // the provider's ID of the person; empty where the event names nobody
	Profile   Profile
	Decisions []Decision
	Checks    []Check
	Hits      []Hit           // found
	Resolved  []HitResolution // resolved, which may become known first
	Cases     []CaseChange
	Company   *CompanyChange

	// Sandbox says that the event is a test in the provider's sandbox.
	Sandbox bool
	// Drift lists how the payload differs from what we know of its form.
	Drift []string
}

// ProcessedEvent is the record that an event was worked on. It makes handling idempotent.
type ProcessedEvent struct {
	Provider    string
	ExternalID  string
	Type        string
	Outcome     Outcome
	ProcessedAt Time
}

// ApplyEvent does all that a claimed event asks for in one transaction: the idempotency record, the facts, the customer that
// follows from them, and the end of the inbox row. ErrNotFound says that the claim had run out; then nothing is changed.
func (s *Store) ApplyEvent(ctx context.Context, e Event, c Change, now Time) (Outcome, error) {
	var outcome Outcome
	err := s.transact(ctx, func(tx *gorm.DB) error {
		a := application{tx: tx, event: e, now: now}
		var err error
		if outcome, err = a.process(c); err != nil {
			return err
		}
		done := tx.Exec(`UPDATE events SET status = 'processed', outcome = ?, last_error = '', processed_at = ?, customer_id = ?, case_id = ?
			WHERE id = ? AND status = 'queued' AND attempts = ?`, outcome, now, a.customerID, a.caseID, e.ID, e.Attempts)
		if done.Error == nil && done.RowsAffected == 0 {
			return ErrNotFound
		}
		return done.Error
	})
	if err != nil {
		return "", fmt.Errorf("apply event %d: %w", e.ID, err)
	}
	return outcome, nil
}

// application is one event's way through its transaction.
type application struct {
	tx         *gorm.DB
	event      Event
	now        Time
	customerID *int64 // whom the event was about, for the timeline
	caseID     *int64
}

// process writes the idempotency record and, if it is new, the change.
func (a *application) process(c Change) (Outcome, error) {
	outcome := cmp.Or(c.Outcome, Applied)
	record := ProcessedEvent{a.event.Provider, a.event.ExternalID, a.event.Type, outcome, a.now}
	done := a.tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "provider"}, {Name: "external_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"type", "outcome", "processed_at"}),
		// An event that changed nothing may be replayed: a meaning added since then reaches it.
		Where: clause.Where{Exprs: []clause.Expression{gorm.Expr("processed_events.outcome IN ('ignored', 'sandbox')")}},
	}).Create(&record)
	switch {
	case done.Error != nil:
		return "", done.Error
	case done.RowsAffected == 0:
		return Duplicate, nil
	case c.Outcome != "":
		return c.Outcome, nil
	}
	changed, err := a.write(c)
	if err == nil && c.Company != nil {
		var newer bool
		newer, err = a.writeCompany(*c.Company)
		changed = changed || newer
	}
	if err != nil || changed {
		return outcome, err
	}
	return Stale, a.tx.Model(&ProcessedEvent{}).Where("provider = ? AND external_id = ?", record.Provider, record.ExternalID).
		Update("outcome", Stale).Error
}
