package jobs

import (
	"strings"

	"example.com/identity-webhooks/models"
)

// The older generation's screenings, hits, alerts and cases.

type trustgateScreeningV1 struct {
	ApplicantID string   `json:"applicant_id"`
	CheckID     string   `json:"check_id"`
	CheckTypes  []string `json:"check_types"`
	Status      string   `json:"status"`
	HitType     string   `json:"hit_type"`
	HitCount    int      `json:"hit_count"`
	CaseID      string   `json:"case_id"`
	Hits        []struct {
		HitID       string  `json:"hit_id"`
		MatchedName string  `json:"matched_name"`
		ListSource  string  `json:"list_source"`
		Confidence  float64 `json:"confidence"`
		Resolution  string  `json:"resolution_status"`
	} `json:"hits"`
}

func trustgateScreeningCompletedV1(_ models.Event, p trustgatePayloadV1[trustgateScreeningV1]) (models.Change, error) {
	var n notes
	return n.on(screeningCompleted(Screening{
		SubjectID: p.Data.ApplicantID, CheckID: p.Data.CheckID, Status: trustgateScreened(&n, "data.status", p.Data.Status),
		HitCount: p.Data.HitCount, Reason: strings.Join(p.Data.CheckTypes, ", "),
	}))
}

// trustgateScreeningHitV1 lists the hits themselves, some of which may be resolved already.
func trustgateScreeningHitV1(_ models.Event, p trustgatePayloadV1[trustgateScreeningV1]) (models.Change, error) {
	var n notes
	s := Screening{
		SubjectID: p.Data.ApplicantID, CheckID: p.Data.CheckID, HitCount: p.Data.HitCount,
		Reason: p.Data.HitType, CaseID: p.Data.CaseID,
	}
	var resolved []models.HitResolution
	for _, h := range p.Data.Hits {
		n.word("data.hits[].resolution_status", h.Resolution, "pending", models.FalsePositive)
		s.Hits = append(s.Hits, models.Hit{
			HitID: h.HitID, Type: p.Data.HitType, Name: h.MatchedName, Source: h.ListSource, Confidence: h.Confidence,
		})
		if h.Resolution == models.FalsePositive {
			resolved = append(resolved, models.HitResolution{HitID: h.HitID, Resolution: h.Resolution})
		}
	}
	c, err := screeningHit(s)
	c.Resolved = resolved
	return n.on(c, err)
}

type trustgateHitResolvedV1 struct {
	ApplicantID string `json:"applicant_id"`
	HitID       string `json:"hit_id"`
	Resolution  string `json:"resolution"`
	ResolvedBy  string `json:"resolved_by"`
}

func trustgateHitResolved(_ models.Event, p trustgatePayloadV1[trustgateHitResolvedV1]) (models.Change, error) {
	return hitResolved(p.Data.ApplicantID, models.HitResolution{
		HitID: p.Data.HitID, Resolution: p.Data.Resolution, Resolver: p.Data.ResolvedBy,
	})
}

type trustgateAlertV1 struct {
	ApplicantID string `json:"applicant_id"`
	AlertType   string `json:"alert_type"`
	Details     struct {
		Source   string `json:"source"`
		Headline string `json:"headline"`
	} `json:"details"`
	CaseID string `json:"case_id"`
}

func trustgateMonitoringAlertV1(e models.Event, p trustgatePayloadV1[trustgateAlertV1]) (models.Change, error) {
	return monitoringAlert(e, p.Data.ApplicantID, p.Data.CaseID, models.Hit{
		Type: p.Data.AlertType, Name: p.Data.Details.Headline, Source: p.Data.Details.Source,
	})
}

type trustgateCaseV1 struct {
	CaseID   string `json:"case_id"`
	Type     string `json:"type"`
	Priority string `json:"priority"`
	Title    string `json:"title"`
	Subject  struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"subject"`
	AssignedTo struct {
		UserID string `json:"user_id"`
	} `json:"assigned_to"`
	NewStatus        string `json:"new_status"`
	EscalatedTo      string `json:"escalated_to"`
	EscalationReason string `json:"escalation_reason"`
	Resolution       string `json:"resolution"`
	ResolvedBy       string `json:"resolved_by"`
	ApplicantAction  string `json:"applicant_action"`
}

// trustgateCaseCreatedV1 links the case to a person only if it is about one: a company's case must not touch an applicant.
func trustgateCaseCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Change, error) {
	var n notes
	n.word("data.subject.type", p.Data.Subject.Type, "applicant", "company")
	o := Opening{
		CaseID:  p.Data.CaseID,
		Opening: models.Opening{Type: p.Data.Type, Priority: p.Data.Priority, Reason: p.Data.Title},
	}
	switch p.Data.Subject.Type {
	case "applicant":
		if p.Data.Subject.ID == "" {
			return models.Change{}, missing("subject.id")
		}
		o.SubjectID = p.Data.Subject.ID
	case "company":
		o.CompanyID = p.Data.Subject.ID
	}
	return n.on(caseCreated(o))
}

func trustgateCaseAssignedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Change, error) {
	if p.Data.AssignedTo.UserID == "" {
		return models.Change{}, missing("assigned_to.user_id")
	}
	return caseUpdated(models.CaseChange{CaseID: p.Data.CaseID, Assignee: p.Data.AssignedTo.UserID})
}

func trustgateCaseStatusChangedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Change, error) {
	var n notes
	n.word("data.new_status", p.Data.NewStatus, "open", "in_progress", "escalated", "resolved", "closed")
	if p.Data.NewStatus == "" {
		return models.Change{}, missing("new_status")
	}
	return n.on(caseUpdated(models.CaseChange{CaseID: p.Data.CaseID, Status: p.Data.NewStatus}))
}

func trustgateCaseEscalatedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Change, error) {
	return caseUpdated(models.CaseChange{CaseID: p.Data.CaseID, Escalated: &models.Escalation{
		To: p.Data.EscalatedTo, Reason: p.Data.EscalationReason,
	}})
}

// trustgateCaseResolvedV1 takes a verdict on the person only from applicant_action: a case may end without one.
func trustgateCaseResolvedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Change, error) {
	var n notes
	r := models.CaseResolution{Resolution: p.Data.Resolution, Resolver: p.Data.ResolvedBy}
	switch p.Data.ApplicantAction {
	case "approved":
		r.Action = models.Verified
	case "rejected":
		r.Action = models.Rejected
	case "", "none":
	default:
		n.word("data.applicant_action", p.Data.ApplicantAction)
		r.Action = models.InReview // somebody decided something that we do not understand: a person must look
	}
	return n.on(caseUpdated(models.CaseChange{CaseID: p.Data.CaseID, Resolved: &r}))
}
