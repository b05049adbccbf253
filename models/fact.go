package models

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Fact is the newest version of one fact.
type Fact struct {
	About      string `json:"about"`
	AboutID    int64  `json:"about_id"`
	Name       string `json:"name"`
	Key        string `json:"key"`
	Value      string `json:"-"` // JSON
	At         Time   `json:"at"`
	Rank       int    `json:"-"`           // severity: the higher one counts if two versions have the same time
	ExternalID string `json:"external_id"` // of the event that says so
}

// What facts are about.
const (
	aboutCustomer = "customer"
	aboutCase     = "case"
	aboutCompany  = "company"
)

// The names of facts.
const (
	factProfile    = "profile"
	factDecision   = "decision"
	factCheck      = "check"
	factUnfinished = "unfinished_check" // a screening without a result: it replaces none that has one
	factHit        = "hit"
	factResolution = "resolution"
	factOpened     = "opened"
	factLinked     = "linked"
	factAssigned   = "assigned"
	factStatus     = "status"
	factEscalated  = "escalated"
	factResolved   = "resolved"
	factRegistered = "registered"
	factVerified   = "verified"
	factOwner      = "owner"
)

// sep separates the parts of a key.
const sep = "\x1f"

// aboutPerson lists what f says about the person.
func (f *Facts) aboutPerson() (facts []Fact) {
	add := func(name, key string, rank int, value any) {
		facts = append(facts, Fact{About: aboutCustomer, Name: name, Key: key, Rank: rank, Value: toJSON(value)})
	}
	for field, value := range f.Profile {
		add(factProfile, string(field), 0, value)
	}
	for _, d := range f.Decisions {
		add(factDecision, d.Source+sep+string(d.Authority), severity[d.Status], d)
	}
	for _, c := range f.Checks {
		name := factCheck
		if c.Kind == ScreeningCheck && !slices.Contains([]CheckStatus{CheckClear, CheckPassed, CheckHit}, c.Status) {
			name = factUnfinished
		}
		add(name, c.Kind+sep+c.CheckID, checkSeverity[c.Status], c)
	}
	for _, h := range f.Hits {
		if len(h.CheckIDs) == 0 { // an alert
			add(factHit, h.HitID, 0, h)
		}
		for _, check := range h.CheckIDs { // one fact for each check that found it
			add(factHit, h.HitID+sep+check, 0, h)
		}
	}
	for _, r := range f.Resolutions {
		add(factResolution, r.HitID, 0, r)
	}
	return facts
}

// aboutCase lists what f says about the case. It links the case to the person if f names one.
func (f *Facts) aboutCase() (facts []Fact) {
	c := f.Case
	add := func(isSet bool, name string, rank int, value any) {
		if isSet {
			facts = append(facts, Fact{About: aboutCase, Name: name, Rank: rank, Value: toJSON(value)})
		}
	}
	add(c.Opened != nil, factOpened, 0, c.Opened)
	add(f.SubjectID != "" || c.CompanyID != "", factLinked, 0, link{f.SubjectID, c.CompanyID})
	add(c.Assignee != "", factAssigned, 0, c.Assignee)
	add(c.Status != "", factStatus, slices.Index(stages, strings.ToLower(c.Status)), c.Status)
	add(c.Escalated != nil, factEscalated, 0, c.Escalated)
	if c.Resolved != nil {
		add(true, factResolved, severity[c.Resolved.Action], c.Resolved)
	}
	return facts
}

// aboutCompany lists what f says about the company.
func (f *Facts) aboutCompany() (facts []Fact) {
	add := func(name, key string, rank int, value any) {
		facts = append(facts, Fact{About: aboutCompany, Name: name, Key: key, Rank: rank, Value: toJSON(value)})
	}
	if r := f.Company.Registered; r != nil {
		add(factRegistered, "", 0, r)
	}
	if v := f.Company.Verified; v != nil {
		add(factVerified, "", severity[v.Status], v)
	}
	if o := f.Company.Owner; o != nil {
		add(factOwner, o.OwnerID, 0, o)
	}
	return facts
}

// link is the person or the company that a case is about.
type link struct {
	SubjectID string `json:"subject_id"`
	CompanyID string `json:"company_id"`
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode fact: %v", err)) // a programmer's error: facts are plain data
	}
	return string(b)
}

// value decodes a fact. Only this package writes facts, from the same types.
func value[T any](f Fact) (v T) {
	if err := json.Unmarshal([]byte(f.Value), &v); err != nil {
		panic(fmt.Sprintf("decode fact %s %q: %v", f.Name, f.Key, err))
	}
	return v
}
