package models

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Erasure is the record that a person was erased. It holds no personal data.
type Erasure struct {
	ID         int64  `json:"id"`
	CustomerID int64  `json:"customer_id"` // the row that is gone; no other customer gets its ID
	Provider   string `json:"provider"`
	Events     int64  `json:"events"` // how many bodies were removed
	Facts      int64  `json:"facts"`  // how many rows were deleted, as in the next two
	Cases      int64  `json:"cases"`
	FollowUps  int64  `json:"follow_ups"`
	ErasedAt   Time   `json:"erased_at"`
}

// Erased is the reason of events that were erased before they were processed.
const Erased = "erased"

// Erase removes a customer and all that is about them: facts, cases, follow-ups, and the bodies of their events, processed or not. The rows
// of the events stay without what leads back to the person, so that late duplicates are still recognized. An event that arrives meanwhile is
// either erased or leads to a new customer.
//
// If the customer was erased before, it returns that record. If there never was one, the error is ErrNotFound. On SQLite the erased bytes
// are still in the files until CleanFiles.
func (s *Store) Erase(ctx context.Context, id int64, now Time) (record Erasure, err error) {
	for range 5 {
		if record, err = s.tryErase(ctx, id, now); !isBusy(err) {
			break
		}
	}
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = s.read.WithContext(ctx).Where("customer_id = ?", id).Take(&record).Error
	}
	return record, wrap(fmt.Sprintf("erase customer %d", id), err)
}

func (s *Store) tryErase(ctx context.Context, id int64, now Time) (Erasure, error) {
	p, err := s.person(ctx, id)
	if err != nil {
		return Erasure{}, err
	}
	var e erasing
	err = s.transact(ctx, func(tx *gorm.DB) error {
		e = erasing{person: p, record: Erasure{CustomerID: id, Provider: p.customer.Provider, ErasedAt: now}}
		return e.erase(tx)
	})
	return e.record, err
}

// errCasesChanged means that a case was linked to the person, or to somebody else, after the events were searched.
var errCasesChanged = errors.New("the person's cases changed meanwhile")

// isBusy reports whether a transaction failed because of another one, and can be repeated.
func isBusy(err error) bool {
	pg, isPG := errors.AsType[*pgconn.PgError](err)
	return errors.Is(err, errCasesChanged) || isPG && slices.Contains([]string{"40P01", "55P03"}, pg.Code) // a deadlock, or the lock_timeout
}

// erasing is one person being erased.
type erasing struct {
	person
	record Erasure
}

// erase runs in the transaction. It locks rows in the order of application.apply, so that an event of the person is applied either before,
// and erased, or not at all: its pending row is gone.
func (e *erasing) erase(tx *gorm.DB) error {
	if err := onPostgres(tx, "SELECT set_config('lock_timeout', '5000', true), set_config('synchronous_commit', 'on', true)"); err != nil {
		return err
	}
	for _, step := range []func(*gorm.DB) error{e.lock, e.eraseEvents, e.deleteFacts, e.deleteRows} {
		if err := step(tx); err != nil {
			return err
		}
	}
	return tx.Create(&e.record).Error
}

var forUpdate = clause.Locking{Strength: "UPDATE"}

// lock locks the cases and the customer. With the customer locked, no other case can be linked.
func (e *erasing) lock(tx *gorm.DB) error {
	var cases []int64
	if err := tx.Clauses(forUpdate).Model(&Case{}).Where("id IN ?", e.cases).Order("id").Pluck("id", &cases).Error; err != nil {
		return err
	}
	if err := tx.Clauses(forUpdate).Take(&e.customer, e.customer.ID).Error; err != nil {
		return err
	}
	if err := tx.Model(&Case{}).Where("customer_id = ?", e.customer.ID).Order("id").Pluck("id", &cases).Error; err != nil {
		return err
	}
	if !slices.Equal(cases, e.cases) {
		return errCasesChanged
	}
	return nil
}

// eraseEvents ends the processing of the events, and removes from them and from their records what is about the person. The hash of a body
// stays, to recognize a duplicate.
func (e *erasing) eraseEvents(tx *gorm.DB) error {
	events, err := e.events(tx)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(events, idsAtOnce) {
		if err := e.eraseSome(tx, some); err != nil {
			return err
		}
	}
	for _, of := range []*gorm.DB{tx.Where("customer_id = ?", e.customer.ID), tx.Where("case_id IN ?", e.cases)} {
		if err := of.Model(&ProcessedEvent{}).Updates(map[string]any{"customer_id": nil, "case_id": nil, "reason": ""}).Error; err != nil {
			return err
		}
	}
	return nil
}

func (e *erasing) eraseSome(tx *gorm.DB, events []Event) error {
	ids, byID := rowIDs(events), map[int64]Event{}
	for _, x := range events {
		byID[x.ID] = x
	}
	var sizes []int64
	// In the order of the deliveries, which lock rows of events, too.
	if err := tx.Clauses(forUpdate).Model(&Event{}).Where("id IN ?", ids).Order("key").Pluck("length(body)", &sizes).Error; err != nil {
		return err
	}
	for _, size := range sizes {
		e.record.Events += min(size, 1)
	}
	// From here on, no worker can apply them.
	var ended []PendingEvent
	if err := tx.Clauses(clause.Returning{}).Where("id IN ?", ids).Delete(&ended).Error; err != nil {
		return err
	}
	var records []ProcessedEvent
	for _, p := range ended {
		records = append(records, ProcessedEvent{
			ExternalID: byID[p.ID].ExternalID, Provider: e.customer.Provider, EventID: p.ID, Type: byID[p.ID].Type,
			Outcome: Ignored, Reason: Erased, Attempts: p.Attempts, ProcessedAt: e.record.ErasedAt,
		})
	}
	if len(records) > 0 { // a conflict: it was being replayed
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&records).Error; err != nil {
			return err
		}
	}
	if err := tx.Where("event_id IN ?", ids).Delete(&FailedAttempt{}).Error; err != nil {
		return err
	}
	return tx.Model(&Event{}).Where("id IN ?", ids).Updates(map[string]any{
		"body": []byte{}, "body_key": "", "problem": "", "tenant_id": "", "correlation_id": "",
	}).Error
}

// deleteFacts deletes the facts about the person, about their cases, and about them as an owner of companies. The row of a company does not
// depend on its owners.
func (e *erasing) deleteFacts(tx *gorm.DB) error {
	for _, about := range []*gorm.DB{
		tx.Where("about = ? AND about_id = ?", aboutCustomer, e.customer.ID),
		tx.Where("about = ? AND about_id IN ?", aboutCase, e.cases),
		owned(tx, e.customer),
	} {
		deleted := about.Delete(&Fact{})
		if deleted.Error != nil {
			return deleted.Error
		}
		e.record.Facts += deleted.RowsAffected
	}
	return nil
}

// owned selects the facts by which the person owns a part of a company.
func owned(db *gorm.DB, c Customer) *gorm.DB {
	return db.Where("about = ? AND name = ? AND key = ? AND about_id IN (SELECT id FROM companies WHERE provider = ?)",
		aboutCompany, factOwner, c.SubjectID, c.Provider)
}

func (e *erasing) deleteRows(tx *gorm.DB) error {
	ups := tx.Where("customer_id = ?", e.customer.ID).Delete(&FollowUp{})
	if ups.Error != nil {
		return ups.Error
	}
	e.record.FollowUps, e.record.Cases = ups.RowsAffected, int64(len(e.cases))
	if err := tx.Where("id IN ?", e.cases).Delete(&Case{}).Error; err != nil {
		return err
	}
	return tx.Delete(&Customer{ID: e.customer.ID}).Error
}

// Erasures lists the erasures.
func (s *Store) Erasures(ctx context.Context, p Page) (list []Erasure, err error) {
	err = p.of(s.read.WithContext(ctx), "id").Find(&list).Error
	return list, wrap("list erasures", err)
}

// CleanFiles rewrites SQLite's files, so that they hold no byte of rows that were deleted or changed. Deliveries and all other writes
// wait meanwhile. On Postgres it does nothing: there, autovacuum frees their space for new rows.
func (s *Store) CleanFiles(ctx context.Context) error {
	if s.dialect != "sqlite" {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.closing: // interrupts the statement, which changes nothing then
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.alone(ctx, func(db *gorm.DB) error { return db.Exec("VACUUM").Error }); err != nil {
		return fmt.Errorf("vacuum database: %w", err)
	}
	for { // the log can be emptied only while nobody reads from it
		var busy int
		err := s.alone(ctx, func(db *gorm.DB) error {
			return db.Raw("PRAGMA wal_checkpoint(TRUNCATE)").Row().Scan(&busy, new(int), new(int))
		})
		if err != nil {
			return fmt.Errorf("empty the log of the database: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("empty the log of the database: %w", ctx.Err())
		}
	}
}
