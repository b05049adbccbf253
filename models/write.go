package models

import (
	"cmp"
	"errors"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

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
