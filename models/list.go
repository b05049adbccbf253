package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// Page asks for a part of a list, newest first: at most Limit rows whose ID is below Before. Before 0 starts at the newest.
type Page struct {
	Limit  int
	Before int64
}

func (p Page) of(db *gorm.DB, id string) *gorm.DB {
	if p.Before > 0 {
		db = db.Where(id+" < ?", p.Before)
	}
	return db.Order(id + " DESC").Limit(p.Limit)
}

// EventFilter selects events. Empty fields select everything.
type EventFilter struct {
	ExternalID string
	Provider   string
	Type       string
	Status     EventStatus
	Outcome    Outcome
	CustomerID int64 // events about the customer, or about a case of theirs
	Since      Time  // received at this time or later
	Until      Time  // received before it

	first, end int64 // the IDs that Since and Until mean: see located
}

// located returns the filter with the IDs that its times mean.
func (s *Store) located(ctx context.Context, f EventFilter) (EventFilter, error) {
	var err1, err2 error
	if !f.Since.IsZero() {
		f.first, err1 = s.firstSince(ctx, f.Since)
	}
	if !f.Until.IsZero() {
		f.end, err2 = s.firstSince(ctx, f.Until)
	}
	return f, errors.Join(err1, err2)
}

// eventView are the fields of Event that are not columns of events.
var eventView = []string{"status", "outcome", "reason", "error", "attempts", "customer_id", "processed_at", "body_removed"}

// eventColumns are the columns of an event in a list, from events, pending_events p and processed_events r. The record of an earlier
// processing counts only if the event is not pending again.
const eventColumns = `events.id, events.provider, events.generation, events.external_id, events.derived, events.type, events.tenant_id,
	events.correlation_id, events.queue, events.secret, events.sandbox, events.quarantined, events.deliveries, events.occurred_at,
	events.received_at, (length(events.body) = 0 AND events.sha256 <> ?) AS body_removed,
	CASE WHEN events.quarantined THEN 'quarantined' WHEN p.id IS NULL THEN 'processed' ELSE ` + pendingStatus + ` END AS status,
	CASE WHEN events.quarantined OR p.id IS NOT NULL THEN '' WHEN r.event_id = events.id THEN r.outcome ELSE 'duplicate' END AS outcome,
	CASE WHEN p.id IS NULL THEN COALESCE(r.reason, '') ELSE '' END AS reason,
	COALESCE(p.last_error, events.problem) AS error,
	COALESCE(p.attempts, r.attempts, 0) AS attempts,
	CASE WHEN p.id IS NULL THEN r.customer_id END AS customer_id,
	CASE WHEN p.id IS NULL THEN COALESCE(r.processed_at, 0) ELSE 0 END AS processed_at`

// pendingStatus is the status of an event in pending_events p.
const pendingStatus = "CASE WHEN p.failed THEN 'failed' WHEN p.attempts = 0 AND p.due_at <= ? THEN 'received' ELSE 'queued' END"

// joinRecord joins the idempotency record of an event.
const joinRecord = " LEFT JOIN processed_events r ON r.external_id = events.external_id AND r.provider = events.provider AND NOT events.quarantined"

// The sources of a list of events. Each begins with the table whose index selects the rows: SQLite reads tables in the order of a CROSS
// JOIN.
const (
	everything    = "events LEFT JOIN pending_events p ON p.id = events.id" + joinRecord
	pendingOnly   = "pending_events p CROSS JOIN events" + joinRecord
	processedOnly = "processed_events r CROSS JOIN events LEFT JOIN pending_events p ON p.id = events.id"
)

// source is a part of the events that one index lists.
type source struct {
	from       string
	id         string // the column to order by
	where      string
	of         string // the table whose provider, type and external ID the filter compares
	replayable string // the condition of events that can be replayed; empty if none can
}

// sources returns the parts of the events that the filter may select. Without a filter they are all events, each in one part.
func (f EventFilter) sources() []source {
	pending := source{pendingOnly, "p.id", "events.id = p.id", "events", "p.failed"}
	processed := source{processedOnly, "r.event_id", "events.id = r.event_id AND p.id IS NULL", "r", "r.outcome IN ('ignored', 'sandbox')"}
	quarantined := source{everything, "events.id", "events.quarantined", "events", ""}
	if f.Outcome != "" || f.CustomerID != 0 { // only a processed event has them
		if f.Status != "" && f.Status != Processed {
			return nil
		}
		f.Status = Processed
	}
	switch f.Status {
	case Received, Queued, Failed:
		return []source{pending}
	case Quarantined:
		return []source{quarantined}
	case Processed:
		if f.CustomerID == 0 {
			return []source{processed}
		}
		ofCases := processed // an event has either a customer or a case
		processed.where += fmt.Sprintf(" AND r.customer_id = %d", f.CustomerID)
		ofCases.where += fmt.Sprintf(" AND r.case_id IN (SELECT id FROM cases WHERE customer_id = %d)", f.CustomerID)
		return []source{processed, ofCases}
	}
	return []source{pending, processed, quarantined}
}

// in applies the filter to one source.
func (f EventFilter) in(db *gorm.DB, src source) *gorm.DB {
	db = db.Table(src.from).Where(src.where)
	db = equal(db, src.of+".provider", f.Provider)
	db = equal(db, src.of+".type", f.Type)
	db = equal(db, src.of+".external_id", f.ExternalID)
	db = equal(db, "r.outcome", f.Outcome)
	if f.first > 0 {
		db = db.Where(src.id+" >= ?", f.first)
	}
	if f.end > 0 {
		db = db.Where(src.id+" < ?", f.end)
	}
	switch f.Status {
	case Received:
		db = db.Where("NOT p.failed AND p.attempts = 0 AND p.due_at <= ?", At(time.Now()))
	case Queued:
		db = db.Where("NOT p.failed AND (p.attempts > 0 OR p.due_at > ?)", At(time.Now()))
	case Failed:
		db = db.Where("p.failed")
	}
	return db
}

// equal selects the rows with the value in the column, or all if the value is zero.
func equal[T comparable](db *gorm.DB, column string, value T) *gorm.DB {
	var zero T
	if value == zero {
		return db
	}
	return db.Where(column+" = ?", value)
}

// Events lists events without their bodies.
func (s *Store) Events(ctx context.Context, f EventFilter, p Page) ([]Event, error) {
	sources := f.sources()
	if f == (EventFilter{Since: f.Since, Until: f.Until}) {
		sources = []source{{everything, "events.id", "1 = 1", "events", ""}}
	}
	f, err := s.located(ctx, f)
	if err != nil {
		return nil, wrap("list events", err)
	}
	var events []Event
	for _, src := range sources {
		var some []Event
		db := f.in(s.read.WithContext(ctx), src).Select(eventColumns, noBody, At(time.Now()))
		if err := p.of(db, src.id).Find(&some).Error; err != nil {
			return nil, wrap("list events", err)
		}
		events = append(events, some...)
	}
	slices.SortFunc(events, func(a, b Event) int { return cmp.Compare(b.ID, a.ID) })
	return events[:min(len(events), p.Limit)], nil
}

// Event returns one event with its body, or ErrNotFound. If the body cannot be read, the event has a BodyError.
func (s *Store) Event(ctx context.Context, id int64) (Event, error) {
	var e Event
	err := s.read.WithContext(ctx).Table(everything).Select(eventColumns+", events.body, events.body_key, events.sha256", noBody, At(time.Now())).
		Where("events.id = ?", id).Take(&e).Error
	s.open(&e)
	return e, wrap(fmt.Sprintf("get event %d", id), err)
}

// CustomerFilter selects customers. Empty fields select everything.
type CustomerFilter struct {
	Provider   string
	SubjectID  string
	ExternalID string
	Status     Status
	AMLHold    *bool
	RiskLevel  string
}

// in applies the filter.
func (f CustomerFilter) in(db *gorm.DB) *gorm.DB {
	db = equal(db, "provider", f.Provider)
	db = equal(db, "subject_id", f.SubjectID)
	db = equal(db, "status", f.Status)
	db = equal(db, "risk_level", f.RiskLevel)
	if f.ExternalID != "" {
		db = db.Where("external_id = ? AND external_id <> ''", f.ExternalID) // the second condition is that of the partial index
	}
	if f.AMLHold != nil {
		db = db.Where(map[bool]string{true: "aml_hold", false: "NOT aml_hold"}[*f.AMLHold])
	}
	return db
}

// Customers lists customers.
func (s *Store) Customers(ctx context.Context, f CustomerFilter, p Page) ([]Customer, error) {
	var customers []Customer
	err := p.of(f.in(s.read.WithContext(ctx)), "id").Find(&customers).Error
	return customers, wrap("list customers", err)
}

// Customer returns one customer and the facts about it, or ErrNotFound.
func (s *Store) Customer(ctx context.Context, id int64) (Customer, CustomerFacts, error) {
	var c Customer
	if err := s.read.WithContext(ctx).Take(&c, id).Error; err != nil {
		return c, CustomerFacts{}, wrap(fmt.Sprintf("get customer %d", id), err)
	}
	facts, cases, err := customerRows(s.read.WithContext(ctx), c)
	return c, customerFacts(facts, cases), wrap(fmt.Sprintf("get facts of customer %d", id), err)
}

// Cases lists cases.
func (s *Store) Cases(ctx context.Context, p Page) ([]Case, error) {
	var cases []Case
	err := p.of(s.read.WithContext(ctx), "id").Find(&cases).Error
	return cases, wrap("list cases", err)
}

// Companies lists companies with their owners.
func (s *Store) Companies(ctx context.Context, p Page) ([]Company, error) {
	db := s.read.WithContext(ctx)
	var companies []Company
	if err := p.of(db, "id").Find(&companies).Error; err != nil {
		return nil, wrap("list companies", err)
	}
	for i := range companies {
		facts, err := factsAbout(db, aboutCompany, companies[i].ID)
		if err != nil {
			return nil, wrap("get facts of company", err)
		}
		companies[i].fold(facts)
	}
	return companies, nil
}

// FollowUpFilter selects follow-ups. Empty fields select everything.
type FollowUpFilter struct {
	Status     FollowUpStatus
	Name       string
	CustomerID int64
	EventID    int64
}

// followUpView are the columns of a follow-up in a list, and followUpStatus is its status.
const (
	followUpView = "id, key, name, once, customer_id, event_id, result, note, created_at, done_at, queue, due_at, attempts, failed, last_error, " +
		followUpStatus + " AS status"
	followUpStatus = "CASE WHEN failed THEN 'failed' WHEN result = '' THEN 'waiting' ELSE result END"
)

// FollowUps lists follow-ups.
func (s *Store) FollowUps(ctx context.Context, f FollowUpFilter, p Page) ([]FollowUp, error) {
	db := equal(s.read.WithContext(ctx).Select(followUpView), "name", f.Name)
	db = equal(db, "customer_id", f.CustomerID)
	db = equal(db, "event_id", f.EventID)
	switch f.Status {
	case "":
	case FollowUpFailed:
		db = db.Where("failed")
	case FollowUpWaiting:
		db = db.Where("NOT failed AND result = ''")
	default:
		db = db.Where("NOT failed AND result = ?", f.Status)
	}
	var ups []FollowUp
	err := p.of(db, "id").Find(&ups).Error
	return ups, wrap("list follow-ups", err)
}
