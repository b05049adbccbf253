package models

import (
	"context"
	"errors"
	"fmt"

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
	db = equal(db, "external_id", f.ExternalID)
	db = equal(db, "type", f.Type)
	db = equal(db, "status", string(f.Status))
	db = equal(db, "outcome", string(f.Outcome))
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
	db = equal(db, "external_id", f.ExternalID)
	db = equal(db, "status", string(f.Status))
	if f.AMLHold != nil {
		db = db.Where("aml_hold = ?", *f.AMLHold)
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
	f, err := facts(db, id)
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

// Stats counts what is in the database.
type Stats struct {
	Events    map[EventStatus]int64 `json:"events"`
	Customers map[Status]int64      `json:"customers"`
	// OldestWaiting is when the event was received that waits longest to be processed; zero when none waits.
	OldestWaiting Time    `json:"-"`
	Drift         []Drift `json:"drift"`
}

// Stats counts events and customers by their status.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	db := s.read.WithContext(ctx)
	st := Stats{
		Events: zeros(EventStatuses), Customers: zeros(Statuses)}
	err := errors.Join(
		countBy(db, "events", st.Events),
		countBy(db, "customers", st.Customers),
		db.Raw("SELECT COALESCE(MIN(received_at), 0) FROM events WHERE status IN ('received', 'queued')").Scan(&st.OldestWaiting).Error,
		db.Order("last_at DESC").Limit(100).Find(&st.Drift).Error,
	)
	return st, wrap("count rows", err)
}

func zeros[K comparable](keys []K) map[K]int64 {
	counts := map[K]int64{}
	for _, k := range keys {
		counts[k] = 0
	}
	return counts
}

func countBy[K ~string](db *gorm.DB, table string, counts map[K]int64) error {
	var rows []struct {
		Status K
		N      int64
	}
	if err := db.Table(table).Select("status, COUNT(*) AS n").Group("status").Scan(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		counts[r.Status] = r.N
	}
	return nil
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

// collect runs a statement and returns its rows. gorm's own Scan writes out every statement with its values, bodies included,
// even for a logger that discards it.
func collect[T any](db *gorm.DB, statement string, args ...any) (found []T, err error) {
	rows, err := db.Raw(statement, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var row T
		if err := db.ScanRows(rows, &row); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}
