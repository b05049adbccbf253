package jobs

import "example.com/identity-webhooks/models"

// monitoringAlert records what ongoing monitoring has found about a person, perhaps long after they were approved. It puts them on hold and
// does not change their status. The ID of the alert is that of its event.
func monitoringAlert(e models.Event, p Person, caseID string, alert models.Hit) models.Facts {
	f := p.facts()
	alert.HitID, alert.Kind, alert.CaseID = e.ExternalID, models.AlertKind, caseID
	f.Hits = []models.Hit{alert}
	f.Case = linkCase(caseID)
	return f
}
