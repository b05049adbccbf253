package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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

// write stores what is new in the change and recomputes the customers it touches. It locks the cases first and the
// customers after them, each in the order of their keys, and reads facts only under those locks.
func (a *application) write(c Change) (changed bool, err error) {
	slices.SortFunc(c.Cases, func(x, y CaseChange) int { return cmp.Compare(x.CaseID, y.CaseID) })
	var cases []*Case
	touched := []string{c.SubjectID}
	for _, k := range c.Cases {
		row, before, newer, err := a.mergeCase(k, c.SubjectID)
		if err != nil {
			return false, err
		}
		cases, touched, changed = append(cases, row), append(touched, before, row.SubjectID), changed || newer
	}
	customers, err := a.lockCustomers(touched)
	if err != nil {
		return false, err
	}
	for _, row := range cases {
		row.CustomerID = nil
		if owner := customers[row.SubjectID]; owner != nil {
			row.CustomerID = &owner.ID
		}
		if err := a.tx.Save(row).Error; err != nil {
			return false, err
		}
	}
	for subject, customer := range customers {
		var say Change
		if subject == c.SubjectID {
			say = c
			customer.Events++
			a.customerID = &customer.ID
		}
		newer, err := a.writeCustomer(customer, say)
		if err != nil {
			return false, err
		}
		changed = changed || newer
	}
	return changed, nil
}

// mergeCase locks a case and takes what is new. It returns the person whom the case belonged to before, too.
func (a *application) mergeCase(k CaseChange, subject string) (row *Case, before string, changed bool, err error) {
	row = &Case{Provider: a.event.Provider, CaseID: k.CaseID, CreatedAt: a.now, UpdatedAt: a.now}
	if err := a.lock(row, "provider", "case_id"); err != nil {
		return nil, "", false, err
	}
	before = row.SubjectID
	if subject == "" && k.CompanyID == "" {
		row.Events++
		a.caseID = &row.ID
	}
	return row, before, row.merge(k, subject, a.event.OccurredAt, a.event.ExternalID), nil
}

// lockCustomers returns the customers of these subjects by subject, made where they are new.
func (a *application) lockCustomers(subjects []string) (map[string]*Customer, error) {
	slices.Sort(subjects)
	customers := map[string]*Customer{}
	for _, subject := range slices.Compact(subjects) {
		if subject == "" {
			continue
		}
		row := &Customer{Provider: a.event.Provider, SubjectID: subject, Status: Pending, CreatedAt: a.now, UpdatedAt: a.now}
		if err := a.lock(row, "provider", "subject_id"); err != nil {
			return nil, err
		}
		customers[subject] = row
	}
	return customers, nil
}

// lock inserts row if there is none of its key, and reads it, locked until the transaction ends.
func (a *application) lock(row any, key ...string) error {
	var columns []clause.Column
	for _, name := range key {
		columns = append(columns, clause.Column{Name: name})
	}
	return a.tx.Clauses(clause.OnConflict{
		Columns: columns, DoUpdates: clause.AssignmentColumns([]string{"updated_at"}),
	}, clause.Returning{}).Create(row).Error
}

// writeCustomer adds what c says to a locked customer's facts and recomputes the customer. It reports whether any of it
// was new.
func (a *application) writeCustomer(customer *Customer, c Change) (changed bool, err error) {
	f, err := facts(a.tx, customer.ID)
	if err != nil {
		return false, err
	}
	at, by := a.event.OccurredAt, a.event.ExternalID
	changed = customer.merge(c.Profile, at, by)
	for _, d := range c.Decisions {
		d.CustomerID, d.At, d.ExternalID = customer.ID, at, by
		var newer bool
		if f.Decisions, newer = merge(f.Decisions, d, Decision.sameThing); newer {
			changed, err = true, errors.Join(err, a.put(&d, "customer_id", "source", "authority"))
		}
	}
	for _, k := range c.Checks {
		k.CustomerID, k.At, k.ExternalID = customer.ID, at, by
		var newer bool
		if f.Checks, newer = merge(f.Checks, k, Check.sameThing); newer {
			changed, err = true, errors.Join(err, a.put(&k, "customer_id", "kind", "check_id"))
		}
	}
	for _, h := range c.found(at, by) {
		h.CustomerID = customer.ID
		row, newer := f.mergeHit(h)
		if newer {
			changed, err = true, errors.Join(err, a.put(row, "customer_id", "hit_id"))
		}
	}
	if err != nil {
		return false, err
	}
	customer.recompute(f)
	return changed, a.tx.Save(customer).Error
}

// found lists the hits that c reports and those whose resolution it reports, with the time that belongs to each.
func (c Change) found(at Time, by string) (hits []Hit) {
	for _, h := range c.Hits {
		h.FoundAt, h.FoundBy = at, by
		hits = append(hits, h)
	}
	for _, r := range c.Resolved {
		hits = append(hits, Hit{HitID: r.HitID, Kind: HitKind, Resolution: r.Resolution, Resolver: r.Resolver, ResolvedAt: at, ResolvedBy: by})
	}
	return hits
}

// writeCompany stores what is new about a company.
func (a *application) writeCompany(k CompanyChange) (changed bool, err error) {
	row := &Company{Provider: a.event.Provider, CompanyID: k.CompanyID, Status: Pending, CreatedAt: a.now, UpdatedAt: a.now}
	if err := a.lock(row, "provider", "company_id"); err != nil {
		return false, err
	}
	if changed = row.merge(k, a.event.OccurredAt, a.event.ExternalID); changed {
		err = a.tx.Save(row).Error
	}
	if k.Owner == nil || err != nil {
		return changed, err
	}
	owner := *k.Owner
	owner.Company, owner.At, owner.ExternalID = row.ID, a.event.OccurredAt, a.event.ExternalID
	var known []BeneficialOwner
	if err := a.tx.Where("company = ? AND owner_id = ?", row.ID, owner.OwnerID).Find(&known).Error; err != nil {
		return false, err
	}
	if len(known) > 0 && !said(owner.At, owner.ExternalID).newer(said(known[0].At, known[0].ExternalID)) {
		return changed, nil
	}
	return true, a.put(&owner, "company", "owner_id")
}

// put writes a fact in place of its older version.
func (a *application) put(fact any, key ...string) error {
	var columns []clause.Column
	for _, name := range key {
		columns = append(columns, clause.Column{Name: name})
	}
	return a.tx.Clauses(clause.OnConflict{Columns: columns, UpdateAll: true}).Create(fact).Error
}

// facts reads all that is known about a customer.
func facts(db *gorm.DB, customer int64) (Facts, error) {
	var f Facts
	mine := func() *gorm.DB { return db.Where("customer_id = ?", customer) }
	return f, errors.Join(
		mine().Order("at, source, authority").Find(&f.Decisions).Error,
		mine().Order("at, kind, check_id").Find(&f.Checks).Error,
		mine().Order("found_at, hit_id").Find(&f.Hits).Error,
		mine().Order("id").Find(&f.Cases).Error,
	)
}
