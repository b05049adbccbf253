package models

// Case is a matter that the provider's reviewers look into. What is said about it may come in any order: each part keeps its
// newest version, and CustomerID stays nil until something links the case to a person.
type Case struct {
	ID         int64  `json:"id"`
	Provider   string `json:"provider"`
	CaseID     string `json:"case_id"`
	CustomerID *int64 `json:"customer_id"`
	Events     int    `json:"-"` // processed events that named the case and nobody
	Type       string `json:"type"`
	Priority   string `json:"priority"`
	Reason     string `json:"reason"`
	OpenedAt   Time   `json:"opened_at"`
	OpenedBy   string `json:"-"` // external ID of the event that said so, as in the other parts
	SubjectID  string `json:"subject_id"`
	LinkedAt   Time   `json:"-"`
	LinkedBy   string `json:"-"`
	CreatedAt  Time   `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt  Time   `json:"updated_at" gorm:"autoUpdateTime:false"`
}

// merge takes each part of n that is newer than c's, and reports whether there was one.
func (c *Case) merge(n Case) bool {
	changed := false
	if opened := (version{n.OpenedAt, 0, n.OpenedBy}); opened.newer(version{c.OpenedAt, 0, c.OpenedBy}) {
		c.Type, c.Priority, c.Reason, c.OpenedAt, c.OpenedBy = n.Type, n.Priority, n.Reason, n.OpenedAt, n.OpenedBy
		changed = true
	}
	if linked := (version{n.LinkedAt, 0, n.LinkedBy}); linked.newer(version{c.LinkedAt, 0, c.LinkedBy}) {
		c.SubjectID, c.LinkedAt, c.LinkedBy = n.SubjectID, n.LinkedAt, n.LinkedBy
		changed = true
	}
	return changed
}

// open reports whether the case waits for a reviewer. A case that is only known because a hit names it does not count: a hit
// leaves the person's status alone.
func (c *Case) open() bool { return !c.OpenedAt.IsZero() }
