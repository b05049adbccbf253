package models

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	About      string          `json:"about"`
	AboutID    int64           `json:"about_id"`
	Name       string          `json:"name"`
	Key        string          `json:"key"`
	Value      json.RawMessage `json:"value"`
	At         Time            `json:"at"`
	ExternalID string          `json:"external_id"` // of the event that says so
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
	for _, read := range []func(context.Context, *Store) error{x.readFacts, x.readCompanies, x.readFollowUps, x.readEventIDs} {
		if err := read(ctx, s); err != nil {
			return x, wrap(fmt.Sprintf("export customer %d", id), err)
		}
	}
	return x, nil
}

// caseIDs lists the row IDs of the cases.
func (x *Export) caseIDs() (ids []int64) {
	for _, k := range x.Cases {
		ids = append(ids, k.ID)
	}
	return ids
}

func (x *Export) readFacts(ctx context.Context, s *Store) error {
	x.Facts = []ExportedFact{}
	var ofPerson, ofCases []Fact
	db := s.read.WithContext(ctx)
	if err := db.Where("about = ? AND about_id = ?", aboutCustomer, x.Customer.ID).Find(&ofPerson).Error; err != nil {
		return err
	}
	if err := db.Where("about = ? AND about_id IN ?", aboutCase, x.caseIDs()).Find(&ofCases).Error; err != nil {
		return err
	}
	for _, f := range slices.Concat(ofPerson, ofCases) {
		x.Facts = append(x.Facts, ExportedFact{f.About, f.AboutID, f.Name, f.Key, json.RawMessage(f.Value), f.At, f.ExternalID})
	}
	return nil
}

func (x *Export) readCompanies(ctx context.Context, s *Store) error {
	x.Companies = []Company{}
	var facts []Fact
	db := s.read.WithContext(ctx)
	if err := owned(db, x.Customer).Find(&facts).Error; err != nil {
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

func (x *Export) readFollowUps(ctx context.Context, s *Store) error {
	x.FollowUps = []ExportedFollowUp{}
	var ups []FollowUp
	err := s.read.WithContext(ctx).Select(followUpView+", change").Where("customer_id = ?", x.Customer.ID).Order("id").Find(&ups).Error
	for _, up := range ups {
		x.FollowUps = append(x.FollowUps, ExportedFollowUp{up, up.Change})
	}
	return err
}

func (x *Export) readEventIDs(ctx context.Context, s *Store) error {
	found, err := s.mentioning(ctx, x.Customer)
	if err != nil {
		return err
	}
	events, err := eventsOf(s.read.WithContext(ctx), x.Customer, x.caseIDs(), found)
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
