package models

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"
)

// Export is all that is stored about a person. The events are read one by one, with ExportedEvent: their bodies may be large.
type Export struct {
	Customer Customer `json:"customer"`
	CustomerFacts
	Facts     []ExportedFact     `json:"facts"`     // about the person and the cases, as they are stored
	Companies []Company          `json:"companies"` // that the person owns a part of; Owners holds only the person
	FollowUps []ExportedFollowUp `json:"follow_ups"`
	EventIDs  []int64            `json:"-"` // oldest first
}

// ExportedFact is a stored fact.
type ExportedFact struct {
	Fact
	Value json.RawMessage `json:"value"`
}

// ExportedFollowUp is a follow-up with the change that caused it.
type ExportedFollowUp struct {
	FollowUp
	Change json.RawMessage `json:"change"`
}

// ExportedEvent is an event with the attempts that failed.
type ExportedEvent struct {
	Event
	FailedAttempts []FailedAttempt `json:"failed_attempts"`
}

// Export returns what Erase would remove, or ErrNotFound if there is no such customer.
func (s *Store) Export(ctx context.Context, id int64) (x Export, err error) {
	if x.Customer, x.CustomerFacts, err = s.Customer(ctx, id); err != nil {
		return x, err
	}
	x.Facts, x.Companies, x.FollowUps = []ExportedFact{}, []Company{}, []ExportedFollowUp{}
	p, err := s.person(ctx, id)
	if err != nil {
		return x, wrap(fmt.Sprintf("export customer %d", id), err)
	}
	for _, read := range []func(*gorm.DB, person) error{x.readFacts, x.readCompanies, x.readFollowUps, x.readEventIDs} {
		if err := read(s.read.WithContext(ctx), p); err != nil {
			return x, wrap(fmt.Sprintf("export customer %d", id), err)
		}
	}
	return x, nil
}

func (x *Export) readFacts(db *gorm.DB, p person) error {
	var facts []Fact
	err := db.Where("about = ? AND about_id = ?", aboutCustomer, p.customer.ID).Or("about = ? AND about_id IN ?", aboutCase, p.cases).Find(&facts).Error
	for _, f := range facts {
		x.Facts = append(x.Facts, ExportedFact{f, json.RawMessage(f.Value)})
	}
	return err
}

func (x *Export) readCompanies(db *gorm.DB, p person) error {
	var facts []Fact
	if err := owned(db, p.customer).Find(&facts).Error; err != nil {
		return err
	}
	for _, f := range facts {
		var company Company
		if err := db.Take(&company, f.AboutID).Error; err != nil {
			return err
		}
		owner := value[BeneficialOwner](f)
		owner.At, owner.ExternalID = f.At, f.ExternalID
		company.Owners = []BeneficialOwner{owner}
		x.Companies = append(x.Companies, company)
	}
	return nil
}

func (x *Export) readFollowUps(db *gorm.DB, p person) error {
	var ups []FollowUp
	err := db.Select(followUpView+", change").Where("customer_id = ?", p.customer.ID).Order("id").Find(&ups).Error
	for _, up := range ups {
		x.FollowUps = append(x.FollowUps, ExportedFollowUp{up, up.Change})
	}
	return err
}

func (x *Export) readEventIDs(db *gorm.DB, p person) error {
	events, err := p.events(db)
	x.EventIDs = slices.Sorted(slices.Values(rowIDs(events)))
	return err
}

// ExportedEvent returns one of the events, with its body.
func (s *Store) ExportedEvent(ctx context.Context, id int64) (e ExportedEvent, err error) {
	if e.Event, err = s.Event(ctx, id); err != nil {
		return e, err
	}
	e.FailedAttempts = []FailedAttempt{}
	err = s.read.WithContext(ctx).Where("event_id = ?", id).Order("began_at").Find(&e.FailedAttempts).Error
	return e, wrap("list failed attempts", err)
}
