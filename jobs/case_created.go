package jobs

import "example.com/identity-webhooks/models"

// Opening is a new case for the provider's reviewers.
type Opening struct {
	Person    // empty for a case about something else
	CaseID    string
	CompanyID string // for a case about a company
	models.Opening
}

// caseCreated records a new case. While it is open, the person stays in review, whatever automatic results arrive.
func caseCreated(o Opening) models.Facts {
	f := o.facts()
	f.Case = &models.CaseFacts{CaseID: o.CaseID, CompanyID: o.CompanyID, Opened: &o.Opening}
	return f
}
