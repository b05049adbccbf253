package models

import (
	"cmp"
	"slices"
)

// Case is a matter that the provider's reviewers look into. What is said about it may come in any order: each part keeps its
// newest version, and CustomerID stays nil until something links the case to a person. The …By fields are the external IDs of
// the events that said so.
type Case struct {
	ID         int64  `json:"id"`
	Provider   string `json:"provider"`
	CaseID     string `json:"case_id"`
	CustomerID *int64 `json:"customer_id"`
	Events     int    `json:"-"` // processed events that named the case and nobody

	Type     string `json:"type"`
	Priority string `json:"priority"`
	Reason   string `json:"reason"`
	OpenedAt Time   `json:"opened_at"`
	OpenedBy string `json:"-"`

	SubjectID string `json:"subject_id"` // the person; empty while nobody is linked
	CompanyID string `json:"company_id"` // for a case about a company
	LinkedAt  Time   `json:"-"`
	LinkedBy  string `json:"-"`

	Assignee   string `json:"assignee"`
	AssignedAt Time   `json:"assigned_at"`
	AssignedBy string `json:"-"`

	Status   string `json:"status"` // the provider's word
	StatusAt Time   `json:"status_at"`
	StatusBy string `json:"-"`

	EscalatedTo string `json:"escalated_to"`
	Escalation  string `json:"escalation"` // why
	EscalatedAt Time   `json:"escalated_at"`
	EscalatedBy string `json:"-"`

	Resolution      string `json:"resolution"`
	ApplicantAction Status `json:"applicant_action"` // Verified, Rejected or empty
	Resolver        string `json:"resolver"`
	ResolvedAt      Time   `json:"resolved_at"`
	ResolvedBy      string `json:"-"`

	CreatedAt Time `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt Time `json:"updated_at" gorm:"autoUpdateTime:false"`
}

func (c *Case) identity() identity { return identity{c.Provider, c.CaseID} }

// CaseChange is what an event says about a case, one or several parts of it. Where the event names a person, the case is
// linked to them.
type CaseChange struct {
	CaseID    string
	Opened    *Opening
	CompanyID string
	Assignee  string
	Status    string
	Escalated *Escalation
	Resolved  *CaseResolution
}

// Opening is how a case began.
type Opening struct{ Type, Priority, Reason string }

// Escalation is to whom a case went, and why.
type Escalation struct{ To, Reason string }

// CaseResolution is how a case ended. Action is what it means for the person: Verified, Rejected or nothing.
type CaseResolution struct {
	Resolution, Resolver string
	Action               Status
}

// merge takes each part of n that is newer than c's, and reports whether there was one.
func (c *Case) merge(n CaseChange, subject string, at Time, by string) bool {
	changed := false
	newer := func(carried bool, rank int, oldAt *Time, oldRank int, oldBy *string) bool {
		if !carried || !ranked(at, rank, by).newer(ranked(*oldAt, oldRank, *oldBy)) {
			return false
		}
		*oldAt, *oldBy, changed = at, by, true
		return true
	}
	if o := n.Opened; newer(o != nil, 0, &c.OpenedAt, 0, &c.OpenedBy) {
		c.Type, c.Priority, c.Reason = o.Type, o.Priority, o.Reason
	}
	if newer(subject != "" || n.CompanyID != "", 0, &c.LinkedAt, 0, &c.LinkedBy) {
		c.SubjectID, c.CompanyID = subject, n.CompanyID
	}
	if newer(n.Assignee != "", 0, &c.AssignedAt, 0, &c.AssignedBy) {
		c.Assignee = n.Assignee
	}
	if newer(n.Status != "", stage(n.Status), &c.StatusAt, stage(c.Status), &c.StatusBy) {
		c.Status = n.Status
	}
	if e := n.Escalated; newer(e != nil, 0, &c.EscalatedAt, 0, &c.EscalatedBy) {
		c.EscalatedTo, c.Escalation = e.To, e.Reason
	}
	if r := n.Resolved; r != nil && newer(true, severity[r.Action], &c.ResolvedAt, severity[c.ApplicantAction], &c.ResolvedBy) {
		c.Resolution, c.Resolver, c.ApplicantAction = r.Resolution, r.Resolver, r.Action
	}
	return changed
}

// stages orders a case's states for two of the same instant: the later stage counts. States we do not know are open.
var stages = []string{"open", "in_progress", "escalated", "resolved", "closed"}

func stage(status string) int { return slices.Index(stages, status) }

func closed(status string) bool { return status == "resolved" || status == "closed" }

// open reports whether the case waits for a reviewer. A resolution ends it, unless a later status opens it again. A case that
// is only known because a hit names it does not count: a hit leaves the person's status alone.
func (c *Case) open() bool {
	if !c.StatusAt.IsZero() && c.StatusAt.After(c.ResolvedAt.Time) {
		return !closed(c.Status)
	}
	return c.ResolvedAt.IsZero() && !c.since().IsZero()
}

// since is when the case was opened, or the first that is known of its being open.
func (c *Case) since() Time {
	if !c.OpenedAt.IsZero() {
		return c.OpenedAt
	}
	var first Time
	for _, t := range []Time{c.AssignedAt, c.StatusAt, c.EscalatedAt} {
		if first.IsZero() || !t.IsZero() && t.Before(first.Time) {
			first = t
		}
	}
	return first
}

// decisions are what the case has to say about its person: it is open, or how it was resolved.
func (c *Case) decisions() (ds []Decision) {
	if c.open() {
		ds = append(ds, Decision{
			Source: FromCase, Authority: OpenCase, Status: InReview, Reason: cmp.Or(c.Reason, "a case is open"),
			At: c.since(), ExternalID: c.CaseID,
		})
	}
	if c.ApplicantAction != "" {
		ds = append(ds, Decision{
			Source: FromCase, Authority: Manual, Status: c.ApplicantAction, Reason: cmp.Or(c.Resolution, "case resolved"),
			Reviewer: c.Resolver, At: c.ResolvedAt, ExternalID: c.ResolvedBy,
		})
	}
	return ds
}
