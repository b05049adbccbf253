package models

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"

	"gorm.io/gorm"
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

// ApplyEvent does all that a claimed event asks for in one transaction: the idempotency record, the facts, the customer that
// follows from them, and the end of the inbox row. ErrNotFound says that the claim had run out; then nothing is changed.
func (s *Store) ApplyEvent(ctx context.Context, e Event, c Change, now Time) (Outcome, error) {
	a := &application{event: e, change: c, now: now, done: make(chan error, 1)}
	if err := hand(ctx, s, s.applications[s.lane(a)], a, a.done); err != nil {
		return "", fmt.Errorf("apply event %d: %w", e.ID, err)
	}
	return a.outcome, nil
}

// lane is where an application waits. What one customer's events change, one lane locks: two transactions at a time seldom want the
// same rows.
func (s *Store) lane(a *application) int {
	if s.dialect == "sqlite" {
		return 0
	}
	about := a.change.SubjectID
	if about == "" && len(a.change.Cases) > 0 {
		about = a.change.Cases[0].CaseID
	}
	return int(crc32.ChecksumIEEE([]byte(about)) % lanes)
}

// application is an event on its way through a transaction.
type application struct {
	event  Event
	change Change
	now    Time
	done   chan error // buffered: the writer never waits for the caller

	// What came of it.
	outcome    Outcome
	customerID *int64 // whom the event was about, for the timeline
	caseID     *int64
}

// applications are those that share a transaction.
type applications []*application

// write applies the events one after the other to rows that are each read once and written once.
func (as applications) write(tx *gorm.DB) error {
	if len(as) == 0 {
		return nil
	}
	if tx.Name() == "postgres" { // who waits for somebody else's lock should not keep the others waiting
		if _, err := exec(tx, "SET LOCAL lock_timeout = '1s'"); err != nil {
			return err
		}
	}
	effective, err := as.record(tx)
	if err != nil {
		return err
	}
	rows, err := load(tx, effective)
	if err != nil {
		return err
	}
	var stale applications
	for _, a := range effective {
		if !rows.apply(a) {
			a.outcome = Stale
			stale = append(stale, a)
		}
	}
	if err := rows.save(tx); err != nil {
		return err
	}
	if err := stale.note(tx); err != nil {
		return err
	}
	return as.end(tx)
}

// record writes the idempotency records, gives each event its outcome as far as it is known, and returns the events that are to
// be applied. An event that changed nothing may be replayed: a meaning added since then reaches it.
func (as applications) record(tx *gorm.DB) (effective applications, err error) {
	fresh := map[identity]bool{}
	for _, group := range groups(tx, as) {
		var args []any
		for _, a := range group {
			a.outcome, a.customerID, a.caseID = cmp.Or(a.change.Outcome, Applied), nil, nil
			args = append(args, a.event.Provider, a.event.ExternalID, a.event.Type, string(a.outcome), a.now.micro())
		}
		rows, err := collect(tx, (*Event).identified, `INSERT INTO processed_events (provider, external_id, type, outcome, processed_at)
			VALUES `+places(len(group), "", "", "", "", "")+`
			ON CONFLICT (provider, external_id) DO UPDATE
				SET type = excluded.type, outcome = excluded.outcome, processed_at = excluded.processed_at
				WHERE processed_events.outcome IN ('ignored', 'sandbox')
			RETURNING provider, external_id`, args...)
		if err != nil {
			return nil, err
		}
		for _, e := range rows {
			fresh[identity{e.Provider, e.ExternalID}] = true
		}
	}
	for _, a := range as {
		switch {
		case !fresh[identity{a.event.Provider, a.event.ExternalID}]:
			a.outcome = Duplicate
		case a.change.Outcome == "":
			effective = append(effective, a)
		}
	}
	return effective, nil
}

// identified is where the columns go that a record returns.
func (e *Event) identified() []any { return []any{&e.Provider, &e.ExternalID} }

// note says in the idempotency records that the events were stale.
func (as applications) note(tx *gorm.DB) error {
	if len(as) == 0 {
		return nil
	}
	var args []any
	for _, a := range as {
		args = append(args, a.event.Provider, a.event.ExternalID)
	}
	_, err := exec(tx, "UPDATE processed_events SET outcome = 'stale' WHERE (provider, external_id) IN (VALUES "+places(len(as), "", "")+")", args...)
	return err
}

// end ends the inbox rows. ErrNotFound says that a claim had run out.
func (as applications) end(tx *gorm.DB) error {
	var args []any
	for _, a := range as {
		args = append(args, a.event.ID, a.event.Attempts, string(a.outcome), a.now.micro(), a.customerID, a.caseID)
	}
	n, err := exec(tx, `WITH done (id, attempts, outcome, at, customer_id, case_id) AS (VALUES `+places(len(as), bigint, bigint, "TEXT", bigint, bigint, bigint)+`)
		UPDATE events SET status = 'processed', outcome = done.outcome, last_error = '', processed_at = done.at,
			customer_id = done.customer_id, case_id = done.case_id
		FROM done WHERE events.id = done.id AND events.status = 'queued' AND events.attempts = done.attempts`, args...)
	if err == nil && n < int64(len(as)) {
		return ErrNotFound
	}
	return err
}

func (as applications) parts() (parts []work) {
	for i := range as {
		parts = append(parts, as[i:i+1])
	}
	return parts
}

func (as applications) finish(err error) {
	for _, a := range as {
		a.done <- err
	}
}
