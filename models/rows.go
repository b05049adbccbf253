package models

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"gorm.io/gorm"
)

// The tables that events are applied to.
var (
	customersTable = newTable[Customer]([]string{"provider", "subject_id"}, "external_id", "status", "aml_hold")
	casesTable     = newTable[Case]([]string{"provider", "case_id"})
	companiesTable = newTable[Company]([]string{"provider", "company_id"})
	ownersTable    = newTable[BeneficialOwner]([]string{"company", "owner_id"})
	decisionsTable = newTable[Decision]([]string{"customer_id", "source", "authority"})
	checksTable    = newTable[Check]([]string{"customer_id", "kind", "check_id"})
	hitsTable      = newTable[Hit]([]string{"customer_id", "hit_id"})
)

// rows are all that some events may change, locked until their transaction ends. The events change them in memory.
type rows struct {
	customers map[identity]*person
	cases     map[identity]*Case
	companies map[identity]*Company
	owners    map[factKey]BeneficialOwner

	// What is to be written, beside the customers and cases.
	decisions    map[factKey]Decision
	checks       map[factKey]Check
	hits         map[factKey]Hit
	newCompanies map[identity]*Company
	newOwners    map[factKey]BeneficialOwner
}

// person is a customer with what is known about them.
type person struct {
	Customer
	facts Facts    // of the cases, those that are not among the rows
	was   Customer // before
}

// load locks the rows of the events: cases first, then customers, then companies, each in the order of their keys, so that two
// transactions wait for each other instead of deadlocking. Facts are read under those locks.
func load(tx *gorm.DB, as applications) (*rows, error) {
	r := &rows{
		decisions: map[factKey]Decision{}, checks: map[factKey]Check{}, hits: map[factKey]Hit{},
		newCompanies: map[identity]*Company{}, newOwners: map[factKey]BeneficialOwner{},
	}
	return r, inTurn(
		func() error { return r.loadCases(tx, as) },
		func() error { return r.loadCustomers(tx, as) },
		func() error { return r.loadFacts(tx) },
		func() error { return r.loadCompanies(tx, as) },
	)
}

func (r *rows) loadCases(tx *gorm.DB, as applications) (err error) {
	wanted := map[identity]*Case{}
	for _, a := range as {
		for _, k := range a.change.Cases {
			wanted[identity{a.event.Provider, k.CaseID}] = &Case{Provider: a.event.Provider, CaseID: k.CaseID, CreatedAt: a.now, UpdatedAt: a.now}
		}
	}
	r.cases, err = lock(tx, casesTable, wanted, (*Case).identity)
	return err
}

// loadCustomers locks whom the events name, and whom their cases belonged to before.
func (r *rows) loadCustomers(tx *gorm.DB, as applications) error {
	wanted := map[identity]*Customer{}
	want := func(a *application, subject string) {
		if subject != "" {
			wanted[identity{a.event.Provider, subject}] = &Customer{
				Provider: a.event.Provider, SubjectID: subject, Status: Pending, CreatedAt: a.now, UpdatedAt: a.now,
			}
		}
	}
	for _, a := range as {
		want(a, a.change.SubjectID)
		for _, k := range a.change.Cases {
			want(a, r.cases[identity{a.event.Provider, k.CaseID}].SubjectID)
		}
	}
	locked, err := lock(tx, customersTable, wanted, (*Customer).identity)
	r.customers = map[identity]*person{}
	for key, c := range locked {
		r.customers[key] = &person{Customer: *c, was: *c}
	}
	return err
}

// loadFacts reads what is known about the customers. Of one whose revision is 0 nothing was heard before.
func (r *rows) loadFacts(tx *gorm.DB) error {
	known := map[int64]*person{}
	for _, p := range r.customers {
		if p.Revision > 0 {
			known[p.ID] = p
		}
	}
	f, err := factsOf(tx, slices.Sorted(maps.Keys(known)))
	if err != nil {
		return err
	}
	for _, d := range f.Decisions {
		of := &known[d.CustomerID].facts
		of.Decisions = append(of.Decisions, d)
	}
	for _, k := range f.Checks {
		of := &known[k.CustomerID].facts
		of.Checks = append(of.Checks, k)
	}
	for _, h := range f.Hits {
		of := &known[h.CustomerID].facts
		of.Hits = append(of.Hits, h)
	}
	for _, k := range f.Cases {
		if of := &known[*k.CustomerID].facts; r.cases[k.identity()] == nil {
			of.Cases = append(of.Cases, k)
		}
	}
	return nil
}

func (r *rows) loadCompanies(tx *gorm.DB, as applications) (err error) {
	wanted := map[identity]*Company{}
	for _, a := range as {
		if k := a.change.Company; k != nil {
			wanted[identity{a.event.Provider, k.CompanyID}] = &Company{
				Provider: a.event.Provider, CompanyID: k.CompanyID, Status: Pending, CreatedAt: a.now, UpdatedAt: a.now,
			}
		}
	}
	if r.companies, err = lock(tx, companiesTable, wanted, (*Company).identity); err != nil {
		return err
	}
	var ids []int64
	for _, k := range r.companies {
		ids = append(ids, k.ID)
	}
	owners, err := ownersTable.find(tx, "company", ids, "owner_id")
	r.owners = map[factKey]BeneficialOwner{}
	for _, o := range owners {
		r.owners[o.key()] = o
	}
	return err
}

// save writes what the events changed.
func (r *rows) save(tx *gorm.DB) error {
	var moved, others []*Customer
	for _, key := range sortedKeys(r.customers) {
		c := r.customers[key]
		if c.Status != c.was.Status || c.ExternalID != c.was.ExternalID || c.AMLHold != c.was.AMLHold {
			moved = append(moved, &c.Customer)
		} else {
			others = append(others, &c.Customer)
		}
	}
	return inTurn(
		func() error { return casesTable.put(tx, slices.Collect(maps.Values(r.cases))) },
		func() error { return customersTable.put(tx, moved) },
		func() error { return customersTable.touch(tx, others) },
		func() error { return putFacts(tx, decisionsTable, r.decisions) },
		func() error { return putFacts(tx, checksTable, r.checks) },
		func() error { return putFacts(tx, hitsTable, r.hits) },
		func() error { return companiesTable.put(tx, slices.Collect(maps.Values(r.newCompanies))) },
		func() error { return putFacts(tx, ownersTable, r.newOwners) },
	)
}

// inTurn takes steps until one fails: on Postgres, those after it could not but fail too.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func putFacts[T any](tx *gorm.DB, t *table[T], facts map[factKey]T) error {
	var found []*T
	for _, f := range facts {
		found = append(found, &f)
	}
	return t.put(tx, found)
}

// lock returns the rows of a table with the keys of those that are wanted, which are made where there are none.
func lock[T any](tx *gorm.DB, t *table[T], wanted map[identity]*T, key func(*T) identity) (map[identity]*T, error) {
	var sorted []*T
	for _, k := range sortedKeys(wanted) {
		sorted = append(sorted, wanted[k])
	}
	locked, err := t.lock(tx, sorted)
	byKey := map[identity]*T{}
	for i := range locked {
		byKey[key(&locked[i])] = &locked[i]
	}
	return byKey, err
}

func sortedKeys[V any](m map[identity]V) []identity {
	return slices.SortedFunc(maps.Keys(m), func(a, b identity) int {
		return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.externalID, b.externalID))
	})
}

// factsOf reads what is known about some customers.
func factsOf(db *gorm.DB, customers []int64) (f Facts, err error) {
	var errs [4]error
	f.Decisions, errs[0] = decisionsTable.find(db, "customer_id", customers, "at, source, authority")
	f.Checks, errs[1] = checksTable.find(db, "customer_id", customers, "at, kind, check_id")
	f.Hits, errs[2] = hitsTable.find(db, "customer_id", customers, "found_at, hit_id")
	f.Cases, errs[3] = casesTable.find(db, "customer_id", customers, "id")
	return f, errors.Join(errs[:]...)
}
