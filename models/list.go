package models

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// Page asks for a part of a list, newest first: at most Limit rows whose ID is below Before. Before 0 starts at the newest.
type Page struct {
	Limit  int
	Before int64
}

func (p Page) of(db *gorm.DB) *gorm.DB {
	if p.Before > 0 {
		db = db.Where("id < ?", p.Before)
	}
	return db.Order("id DESC").Limit(p.Limit)
}

// EventFilter selects events. Empty fields select everything.
type EventFilter struct {
	ExternalID string
	Provider   string
	Type       string
	Status     EventStatus
	Outcome    Outcome
	CustomerID int64
}

func (f EventFilter) where(db *gorm.DB) *gorm.DB {
	db = equal(db, "provider", f.Provider)
	db = equal(db, "type", f.Type)
	db = oneOf(db, "status", f.Status, []EventStatus{Received, Queued}, []EventStatus{Failed, Quarantined}, EventStatuses)
	if f.Status == Received || f.Status == Queued {
		db = db.Where("queue IN (?, ?)", CriticalQueue, DefaultQueue) // that is all, and what their index begins with
	}
	db = oneOf(db, "outcome", f.Outcome, []Outcome{Stale, Ignored, Duplicate, Sandbox}, Outcomes)
	if f.ExternalID != "" { // each half has its index
		db = db.Where(`id IN (SELECT id FROM events WHERE external_id = ? AND NOT quarantined
			UNION ALL SELECT id FROM events WHERE external_id = ? AND quarantined)`, f.ExternalID, f.ExternalID)
	}
	if f.CustomerID != 0 {
		db = db.Where("(customer_id = ? OR case_id IN (SELECT id FROM cases WHERE customer_id = ?))", f.CustomerID, f.CustomerID)
	}
	return db
}

// CustomerFilter selects customers. Empty fields select everything.
type CustomerFilter struct {
	Provider   string
	SubjectID  string
	ExternalID string
	Status     Status
	AMLHold    *bool
}

func equal(db *gorm.DB, column, value string) *gorm.DB {
	if value == "" {
		return db
	}
	return db.Where(column+" = ?", value)
}

// oneOf is equal for a value out of the first list that has it. It writes both into the statement: an index on the rows of such a
// list is used only where the planner sees the same words.
func oneOf[T ~string](db *gorm.DB, column string, value T, lists ...[]T) *gorm.DB {
	if value == "" {
		return db
	}
	for _, list := range lists {
		if slices.Contains(list, value) {
			var words []string
			for _, v := range list {
				words = append(words, "'"+string(v)+"'")
			}
			return db.Where(column + " IN (" + strings.Join(words, ", ") + ") AND " + column + " = '" + string(value) + "'")
		}
	}
	return db.Where("FALSE")
}

// Events lists events without their bodies.
func (s *Store) Events(ctx context.Context, f EventFilter, p Page) ([]Event, error) {
	var events []Event
	err := p.of(f.where(s.read.WithContext(ctx).Omit("body", "sha256"))).Find(&events).Error
	return events, wrap("list events", err)
}

// Event returns one event with its body, or ErrNotFound.
func (s *Store) Event(ctx context.Context, id int64) (Event, error) {
	var e Event
	err := s.read.WithContext(ctx).First(&e, id).Error
	return e, wrap(fmt.Sprintf("get event %d", id), err)
}

// Customers lists customers.
func (s *Store) Customers(ctx context.Context, f CustomerFilter, p Page) ([]Customer, error) {
	db := s.read.WithContext(ctx)
	db = equal(db, "provider", f.Provider)
	db = equal(db, "subject_id", f.SubjectID)
	db = oneOf(db, "status", f.Status, Statuses)
	if f.ExternalID != "" {
		db = db.Where("external_id = ? AND external_id <> ''", f.ExternalID) // the latter is what its index says
	}
	if f.AMLHold != nil {
		db = db.Where(map[bool]string{true: "aml_hold", false: "NOT aml_hold"}[*f.AMLHold])
	}
	var customers []Customer
	err := p.of(db).Find(&customers).Error
	return customers, wrap("list customers", err)
}

// Customer returns one customer with the facts it follows from, or ErrNotFound.
func (s *Store) Customer(ctx context.Context, id int64) (Customer, Facts, error) {
	db := s.read.WithContext(ctx)
	var c Customer
	if err := db.First(&c, id).Error; err != nil {
		return c, Facts{}, wrap(fmt.Sprintf("get customer %d", id), err)
	}
	f, err := factsOf(db, []int64{id})
	return c, f, wrap(fmt.Sprintf("get facts of customer %d", id), err)
}

// Cases lists cases.
func (s *Store) Cases(ctx context.Context, p Page) ([]Case, error) {
	var cases []Case
	err := p.of(s.read.WithContext(ctx)).Find(&cases).Error
	return cases, wrap("list cases", err)
}

// Companies lists companies with their owners.
func (s *Store) Companies(ctx context.Context, p Page) ([]Company, error) {
	db := s.read.WithContext(ctx)
	var companies []Company
	if err := p.of(db).Find(&companies).Error; err != nil {
		return nil, wrap("list companies", err)
	}
	byID := map[int64]*Company{}
	var ids []int64
	for i := range companies {
		companies[i].Owners = []BeneficialOwner{}
		byID[companies[i].ID] = &companies[i]
		ids = append(ids, companies[i].ID)
	}
	var owners []BeneficialOwner
	err := db.Where("company IN ?", ids).Order("owner_id").Find(&owners).Error
	for _, o := range owners {
		byID[o.Company].Owners = append(byID[o.Company].Owners, o)
	}
	return companies, wrap("list beneficial owners", err)
}

func wrap(what string, err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
