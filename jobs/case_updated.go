package jobs

import "example.com/identity-webhooks/models"

// caseUpdated reacts to a case that is assigned, moved on, escalated or resolved. These events name the case and nobody: they
// reach the person through the case's link, which may come later. A resolved case holds nobody any more; what remains is its
// action on the person, if it has one.
func caseUpdated(k models.CaseChange) (models.Change, error) {
	if k.CaseID == "" {
		return models.Change{}, missing("case_id")
	}
	return models.Change{Cases: []models.CaseChange{k}}, nil
}
