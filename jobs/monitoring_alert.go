package jobs

import "example.com/identity-webhooks/models"

// monitoringAlert reacts to something that ongoing monitoring has found about a person, perhaps long after they were
// approved: it puts them on hold and leaves their status alone. The alert's ID is its event's.
func monitoringAlert(e models.Event, subject, caseID string, alert models.Hit) (models.Change, error) {
	if subject == "" {
		return models.Change{}, missing("ID of the person: an alert about nobody needs a look")
	}
	alert.HitID, alert.Kind, alert.CaseID = e.ExternalID, models.AlertKind, caseID
	return models.Change{SubjectID: subject, Hits: []models.Hit{alert}, Cases: named(caseID)}, nil
}
