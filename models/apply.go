package models

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// ProcessedEvent is the record that makes processing idempotent. It holds no personal data, and outlives the event's body.
type ProcessedEvent struct {
	ExternalID  string `gorm:"primaryKey"`
	Provider    string `gorm:"primaryKey"`
	EventID     int64
	Type        string
	Outcome     Outcome
	Reason      string
	Attempts    int
	CustomerID  *int64
	CaseID      *int64
	ProcessedAt Time
}

// errAlreadyProcessed means that the event's ID was processed before.
var errAlreadyProcessed = errors.New("already processed")

// ApplyEvent applies a claimed event in one transaction. It writes the idempotency record, the facts, the rows that follow from them, and
// the follow-ups that react returns for each customer who changed, and deletes the pending event. react must be pure. It sets Name, Once
// and Queue of each follow-up, and Result and Note of one that is turned off. ApplyEvent returns all of them as caused.
//
// The error is ErrClaimLost if another attempt has the event. After an error nothing is changed.
func (s *Store) ApplyEvent(ctx context.Context, e Event, f Facts, react func(Change) []FollowUp, now Time) (o Outcome, caused []FollowUp, err error) {
	var a application
	err = s.transact(ctx, func(tx *gorm.DB) error {
		a = application{event: e, facts: f, react: react, now: now}
		return a.apply(tx)
	})
	if errors.Is(err, errAlreadyProcessed) {
		a.outcome = Duplicate
		err = s.transact(ctx, a.end)
	}
	return a.outcome, a.caused, wrap(fmt.Sprintf("apply event %d", e.ID), err)
}

// application is one event being applied.
type application struct {
	event Event
	facts Facts
	react func(Change) []FollowUp
	now   Time

	outcome   Outcome
	customers []*Customer // locked, in the order of their subject IDs
	kase      *Case       // locked; nil if the event is not about a case
	company   *Company    // likewise
	caused    []FollowUp
}

// apply runs in the transaction. It locks the case first, then customers in the order of their subject IDs, then the company, so that two
// transactions wait for each other instead of deadlocking. Facts are read under these locks.
func (a *application) apply(tx *gorm.DB) error {
	// The wait for a lock is bounded. The commit may return before it is synced: after a power cut the event is still pending, and is
	// applied again.
	if err := onPostgres(tx, "SELECT set_config('lock_timeout', '1000', true), set_config('synchronous_commit', 'off', true)"); err != nil {
		return err
	}
	steps := []func(*gorm.DB) error{a.record, a.end}
	switch {
	case a.facts.Ignored != "":
		a.outcome = Ignored
	case a.facts.Sandbox:
		a.outcome = Sandbox
	default:
		a.outcome = Applied
		steps = []func(*gorm.DB) error{a.lock, a.write, a.record, a.foldCase, a.foldCustomers, a.foldCompany, a.end}
	}
	for _, step := range steps {
		if err := step(tx); err != nil {
			return err
		}
	}
	return nil
}

// lock locks the rows that the event may change, and creates those that do not exist.
func (a *application) lock(tx *gorm.DB) error {
	subjects := map[string]bool{a.facts.SubjectID: true}
	if c := a.facts.Case; c != nil {
		a.kase = &Case{Provider: a.event.Provider, CaseID: c.CaseID, CreatedAt: a.now, UpdatedAt: a.now}
		if err := lockRow(tx, a.kase, "case_id"); err != nil {
			return err
		}
		subjects[a.kase.SubjectID] = true // the person it was linked to before
	}
	delete(subjects, "")
	for _, subject := range slices.Sorted(maps.Keys(subjects)) {
		c := &Customer{Provider: a.event.Provider, SubjectID: subject, Status: StatusPending, CreatedAt: a.now, UpdatedAt: a.now}
		if err := lockRow(tx, c, "subject_id"); err != nil {
			return err
		}
		a.customers = append(a.customers, c)
	}
	if c := a.facts.Company; c != nil {
		a.company = &Company{Provider: a.event.Provider, CompanyID: c.CompanyID, Status: StatusPending, CreatedAt: a.now, UpdatedAt: a.now}
		return lockRow(tx, a.company, "company_id")
	}
	return nil
}

// lockRow reads the row with this provider and ID into row, locked until the transaction ends. If there is none, it inserts row.
func lockRow(tx *gorm.DB, row any, id string) error {
	found := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where(row, "provider", id).Limit(1).Find(row)
	if found.Error != nil || found.RowsAffected > 0 {
		return found.Error
	}
	if c, isCustomer := row.(*Customer); isCustomer && tx.Name() == "sqlite" {
		// SQLite would give the ID of the last customer again, if that one was erased.
		err := tx.Raw("SELECT COALESCE(MAX(id), 0) + 1 FROM (SELECT MAX(id) AS id FROM customers UNION ALL SELECT MAX(customer_id) FROM erasures)").Scan(&c.ID).Error
		if err != nil {
			return err
		}
	}
	return tx.Clauses(clause.OnConflict{ // another transaction may have inserted it meanwhile
		Columns:   []clause.Column{{Name: "provider"}, {Name: id}},
		DoUpdates: clause.AssignmentColumns([]string{"updated_at"}),
	}, clause.Returning{}).Create(row).Error
}

// factsAtOnce is how many facts one statement writes: SQLite binds at most 32,766 values.
const factsAtOnce = 500

// write stores the facts that are newer than the stored ones. If none is newer, the event is stale.
func (a *application) write(tx *gorm.DB) error {
	newest := map[[4]string]Fact{} // one statement must not write a row twice
	add := func(id int64, facts []Fact) {
		for _, f := range facts {
			f.AboutID, f.At, f.ExternalID = id, a.event.OccurredAt, a.event.ExternalID
			key := [4]string{f.About, fmt.Sprint(id), f.Name, f.Key}
			if old, twice := newest[key]; !twice || f.Rank > old.Rank {
				newest[key] = f
			}
		}
	}
	if c := a.customer(a.facts.SubjectID); c != nil {
		add(c.ID, a.facts.aboutPerson())
	}
	if a.kase != nil {
		add(a.kase.ID, a.facts.aboutCase())
	}
	if a.company != nil {
		add(a.company.ID, a.facts.aboutCompany())
	}
	if len(newest) == 0 {
		a.outcome = Stale
		return nil
	}
	facts := slices.SortedFunc(maps.Values(newest), func(x, y Fact) int { // in the order of the key, so that transactions do not deadlock
		return cmp.Or(cmp.Compare(x.About, y.About), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Key, y.Key))
	})
	written := tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "about"}, {Name: "about_id"}, {Name: "name"}, {Name: "key"}},
		DoUpdates: clause.AssignmentColumns([]string{"value", "at", "rank", "external_id"}),
		Where: clause.Where{Exprs: []clause.Expression{clause.Expr{
			SQL: "(excluded.at, excluded.rank, excluded.external_id) > (facts.at, facts.rank, facts.external_id)",
		}}},
	}).CreateInBatches(&facts, factsAtOnce)
	if written.Error == nil && written.RowsAffected == 0 {
		a.outcome = Stale
	}
	return written.Error
}

// record writes the idempotency record. It replaces that of an ignored or sandbox event, so that a replay can apply the event.
func (a *application) record(tx *gorm.DB) error {
	p := ProcessedEvent{
		ExternalID: a.event.ExternalID, Provider: a.event.Provider, EventID: a.event.ID, Type: a.event.Type, Outcome: a.outcome,
		Reason: a.facts.Ignored, Attempts: a.event.Attempts, ProcessedAt: a.now,
	}
	if c := a.customer(a.facts.SubjectID); c != nil {
		p.CustomerID = &c.ID
	} else if a.kase != nil {
		p.CaseID = &a.kase.ID
	}
	return orNone(tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "external_id"}, {Name: "provider"}},
		UpdateAll: true,
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "processed_events.outcome IN ('ignored', 'sandbox')"}}},
	}).Create(&p), errAlreadyProcessed)
}

// customer returns the locked customer with this subject ID, or nil.
func (a *application) customer(subject string) *Customer {
	for _, c := range a.customers {
		if c.SubjectID == subject {
			return c
		}
	}
	return nil
}

func (a *application) foldCase(tx *gorm.DB) error {
	if a.kase == nil {
		return nil
	}
	facts, err := factsAbout(tx, aboutCase, a.kase.ID)
	if err != nil {
		return err
	}
	a.kase.fold(facts)
	if a.facts.SubjectID == "" && a.facts.Case.CompanyID == "" {
		a.kase.Events++
	}
	a.kase.CustomerID, a.kase.UpdatedAt = nil, a.now
	if c := a.customer(a.kase.SubjectID); c != nil {
		a.kase.CustomerID = &c.ID
	}
	return tx.Select("*").Updates(a.kase).Error
}

// foldCustomers updates the rows of the person that the event names, and of those that its case is or was linked to.
func (a *application) foldCustomers(tx *gorm.DB) error {
	for _, c := range a.customers {
		before := *c
		if c.Revision == 0 {
			before = Customer{Status: StatusPending} // it is new
		}
		c.HasCases = c.HasCases || a.kase != nil
		facts, cases, err := customerRows(tx, *c)
		if err != nil {
			return err
		}
		if c.SubjectID == a.facts.SubjectID {
			c.Events++
		}
		c.fold(facts, cases)
		c.UpdatedAt, c.Sequence = a.now, nil
		if err := tx.Select("*").Omit(unchanged(before, *c)...).Updates(c).Error; err != nil {
			return err
		}
		if c.Status != before.Status || c.AMLHold != before.AMLHold {
			if err := a.followUp(tx, Change{Before: before, After: *c, Event: a.event}); err != nil {
				return err
			}
		}
	}
	return nil
}

// unchanged lists the indexed columns that have not changed. SQLite rewrites the index entry of each column that an UPDATE names.
func unchanged(before, after Customer) []string {
	columns := []string{"provider", "subject_id"}
	for column, same := range map[string]bool{
		"external_id": before.ExternalID == after.ExternalID, "status": before.Status == after.Status, "aml_hold": before.AMLHold == after.AMLHold,
		"sequence": before.Sequence == nil || sameState(before, after),
	} {
		if same {
			columns = append(columns, column)
		}
	}
	return columns
}

// sameState reports whether an event changed nothing but the counters and the time of the last event.
func sameState(before, after Customer) bool {
	same := slices.Equal(before.Flags, after.Flags) // nil is equal to an empty list
	for _, c := range []*Customer{&before, &after} {
		c.Flags, c.HasCases, c.Events, c.Revision, c.UpdatedAt, c.Sequence = nil, false, 0, 0, Time{}, nil
	}
	return same && reflect.DeepEqual(before, after)
}

// followUp stores the follow-ups of a change.
func (a *application) followUp(tx *gorm.DB, c Change) error {
	ups := a.react(c)
	if len(ups) == 0 {
		return nil
	}
	a.caused = append(a.caused, ups...)
	c.Event.Status, c.Event.Outcome, c.Event.CustomerID, c.Event.ProcessedAt = Processed, a.outcome, &c.After.ID, a.now
	change, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode change: %w", err)
	}
	for i := range ups {
		up := &ups[i]
		up.Key = followUpKey(a.event, c.After, up.Name)
		up.CustomerID, up.EventID, up.Change, up.CreatedAt, up.DueAt = c.After.ID, a.event.ID, change, a.now, a.now
		if up.Result != "" { // nothing is left to do
			up.DueAt, up.DoneAt = Time{}, a.now
		}
	}
	return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&ups).Error // a conflict: it exists already, and must happen only once
}

// followUpKey returns an idempotency key. It depends on no ID that the database generates.
func followUpKey(e Event, c Customer, name string) string {
	h := sha256.Sum256([]byte(e.Provider + sep + e.ExternalID + sep + c.SubjectID + sep + name))
	return "fu_" + hex.EncodeToString(h[:16])
}

func (a *application) foldCompany(tx *gorm.DB) error {
	if a.company == nil {
		return nil
	}
	facts, err := factsAbout(tx, aboutCompany, a.company.ID)
	if err != nil {
		return err
	}
	a.company.fold(facts)
	a.company.UpdatedAt = a.now
	return tx.Select("*").Updates(a.company).Error
}

// end deletes the pending event. It is the last statement: if the claim was lost meanwhile, all of the above is undone.
func (a *application) end(tx *gorm.DB) error {
	return orNone(tx.Where("id = ? AND attempts = ? AND due_at > 0", a.event.ID, a.event.Attempts).Delete(&PendingEvent{}), ErrClaimLost)
}

// factsAbout reads the facts about a customer, a case or a company, with only the columns that fold needs.
func factsAbout(db *gorm.DB, about string, id int64) (facts []Fact, err error) {
	err = db.Select("name", "key", "value", "at", "external_id").Where("about = ? AND about_id = ?", about, id).Find(&facts).Error
	return facts, err
}

// customerRows reads the facts and cases that a customer's row follows from.
func customerRows(db *gorm.DB, c Customer) (facts []Fact, cases []Case, err error) {
	facts, err = factsAbout(db, aboutCustomer, c.ID)
	if err != nil || !c.HasCases {
		return facts, nil, err
	}
	err = db.Where("customer_id = ?", c.ID).Order("id").Find(&cases).Error
	return facts, cases, err
}
