package jobs

import (
	"strings"

	"example.com/identity-webhooks/models"
)

// Persona's reports and cases.

// personaLists are the reports that search lists for a person or their company.
var personaLists = []string{"watchlist", "politically-exposed-person", "adverse-media", "business-watchlist", "business-adverse-media"}

// screening returns a report as a screening. Each list has its own report.
func (p personaPayload) screening(status models.CheckStatus) Screening {
	_, list, _ := strings.Cut(p.Object.Type, "/")
	return Screening{Person: p.person(), CheckID: p.Object.ID, Status: status, Reason: list}
}

// personaReportMatched is sent again when ongoing monitoring finds a new match. Each match is a separate hit.
func personaReportMatched(e models.Event, p personaPayload) (models.Facts, error) {
	s := p.screening(models.CheckHit)
	s.Hits = []models.Hit{{HitID: e.ExternalID, Type: s.Reason}}
	return screeningHit(s), nil
}

// personaReportReady is a hit if the report has a match, even if the event for the match does not arrive. A report without a match is a
// passed check and not a clear screening, because a clear screening would lift the hold of another list's report.
func personaReportReady(_ models.Event, p personaPayload) (models.Facts, error) {
	switch match := p.Object.Attributes.HasMatch; {
	case match == nil:
		return screeningCompleted(p.screening(models.CheckInReview)), nil
	case *match:
		return screeningHit(p.screening(models.CheckHit)), nil
	}
	return screeningCompleted(p.screening(models.CheckPassed)), nil
}

func personaReportErrored(_ models.Event, p personaPayload) (models.Facts, error) {
	return screeningCompleted(p.screening(models.CheckError)), nil
}

func personaCaseCreated(_ models.Event, p personaPayload) (models.Facts, error) {
	return caseCreated(Opening{Person: p.person(), CaseID: p.Object.ID, Opening: models.Opening{Reason: p.Object.Attributes.Name}}), nil
}

// personaCaseUpdated is for a case that was assigned, changed or reopened. Integrators define Persona's statuses themselves, so a reopened
// case gets our word for open.
func personaCaseUpdated(e models.Event, p personaPayload) (models.Facts, error) {
	c := models.CaseFacts{CaseID: p.Object.ID}
	switch _, what, _ := strings.Cut(e.Type, "."); what {
	case "assigned":
		c.Assignee = p.Object.Attributes.AssigneeID
	case "reopened":
		c.Status = "open"
	}
	return caseUpdated(p.person(), c), nil
}

// personaCaseResolved ends the case. The event of the person's inquiry says what that means for the person.
func personaCaseResolved(_ models.Event, p personaPayload) (models.Facts, error) {
	a := p.Object.Attributes
	return caseUpdated(p.person(), models.CaseFacts{CaseID: p.Object.ID, Resolved: &models.CaseResolution{
		Resolution: joined(a.Status, a.Resolution),
	}}), nil
}
