package jobs

import "example.com/identity-webhooks/models"

// Opening is a case that the provider's reviewers are to look into.
type Opening struct {
	CaseID    string
	SubjectID string // the person; empty for a case about something else
	CompanyID string // for a case about a company
	Profile   models.Profile
	models.Opening
}

// caseCreated reacts to a new case. As long as it is open, it holds the person in review against automatic results.
func caseCreated(o Opening) (models.Change, error) {
	if o.CaseID == "" {
		return models.Change{}, missing("case_id")
	}
	return models.Change{
		SubjectID: o.SubjectID,
		Profile:   o.Profile,
		Cases:     []models.CaseChange{{CaseID: o.CaseID, CompanyID: o.CompanyID, Opened: &o.Opening}},
	}, nil
}
