package jobs

import "example.com/identity-webhooks/models"

// The older generation's screenings, hits, alerts and cases.

type trustgateScreeningV1 struct {
	ApplicantID string   `json:"applicant_id"`
	CheckID     string   `json:"check_id"`
	CheckTypes  []string `json:"check_types"`
	Status      string   `json:"status" oneof:"clear hit error"`
	HitCount    int      `json:"hit_count"`
	Listed      int      `json:"hits.#"`
}

func trustgateScreeningCompletedV1(_ models.Event, p trustgatePayloadV1[trustgateScreeningV1]) (models.Facts, error) {
	return screeningCompleted(Screening{
		Person: Person{ID: p.Data.ApplicantID}, CheckID: p.Data.CheckID, Status: trustgateScreened(p.Data.Status),
		HitCount: max(p.Data.HitCount, p.Data.Listed), Reason: joined(p.Data.CheckTypes...),
	}), nil
}

type trustgateHitV1 struct {
	ApplicantID string `json:"applicant_id"`
	CheckID     string `json:"check_id"`
	HitType     string `json:"hit_type"`
	HitCount    int    `json:"hit_count"`
	CaseID      string `json:"case_id"`
	Listed      int    `json:"hits.#"` // Hits may hold fewer
	Hits        []struct {
		HitID       string  `json:"hit_id"`
		MatchedName string  `json:"matched_name"`
		ListSource  string  `json:"list_source"`
		Confidence  float64 `json:"confidence"`
		Resolution  string  `json:"resolution_status,omitempty" oneof:"pending false_positive"`
	} `json:"hits"`
}

// trustgateScreeningHitV1 contains the hits themselves. Some may be resolved already.
func trustgateScreeningHitV1(_ models.Event, p trustgatePayloadV1[trustgateHitV1]) (models.Facts, error) {
	s := Screening{
		Person: Person{ID: p.Data.ApplicantID}, CheckID: p.Data.CheckID, HitCount: p.Data.HitCount,
		Reason: p.Data.HitType, CaseID: p.Data.CaseID,
	}
	if p.Data.Listed > len(p.Data.Hits) {
		s.HitCount = max(s.HitCount, p.Data.Listed)
	}
	for _, h := range p.Data.Hits {
		s.Hits = append(s.Hits, models.Hit{
			HitID: h.HitID, Type: p.Data.HitType, Name: h.MatchedName, Source: h.ListSource, Confidence: h.Confidence, Resolution: h.Resolution,
		})
	}
	return screeningHit(s), nil
}

type trustgateHitResolutionV1 struct {
	ApplicantID string `json:"applicant_id"`
	HitID       string `json:"hit_id"`
	Resolution  string `json:"resolution" oneof:"*"`
	ResolvedBy  string `json:"resolved_by"`
}

func trustgateHitResolvedV1(_ models.Event, p trustgatePayloadV1[trustgateHitResolutionV1]) (models.Facts, error) {
	if p.Data.Resolution == "" {
		return models.Facts{}, missing("resolution")
	}
	return hitResolved(Person{ID: p.Data.ApplicantID}, models.Resolution{
		HitID: p.Data.HitID, Resolution: p.Data.Resolution, Resolver: p.Data.ResolvedBy,
	}), nil
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

func trustgateMonitoringAlertV1(e models.Event, p trustgatePayloadV1[trustgateAlertV1]) (models.Facts, error) {
	return monitoringAlert(e, Person{ID: p.Data.ApplicantID}, p.Data.CaseID, models.Hit{
		Type: p.Data.AlertType, Name: p.Data.Details.Headline, Source: p.Data.Details.Source,
	}), nil
}

type trustgateNewCaseV1 struct {
	CaseID      string `json:"case_id"`
	Type        string `json:"type"`
	Priority    string `json:"priority"`
	Title       string `json:"title"`
	SubjectType string `json:"subject.type" oneof:"applicant company"`
	SubjectID   string `json:"subject.id"`
}

// trustgateCaseCreatedV1 links the case to a person only if it is about one: a company's case must not touch an applicant.
func trustgateCaseCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateNewCaseV1]) (models.Facts, error) {
	o := Opening{CaseID: p.Data.CaseID, Opening: models.Opening{Type: p.Data.Type, Priority: p.Data.Priority, Reason: p.Data.Title}}
	switch p.Data.SubjectType {
	case "applicant":
		if p.Data.SubjectID == "" {
			return models.Facts{}, missing("ID of the person")
		}
		o.Person.ID = p.Data.SubjectID
	case "company":
		o.CompanyID = p.Data.SubjectID
	}
	return caseCreated(o), nil
}

type trustgateCaseV1 struct {
	CaseID           string `json:"case_id"`
	Assignee         string `json:"assigned_to.user_id"`
	EscalatedTo      string `json:"escalated_to"`
	EscalationReason string `json:"escalation_reason"`
}

func trustgateCaseAssignedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Facts, error) {
	if p.Data.Assignee == "" {
		return models.Facts{}, missing("assigned_to.user_id")
	}
	return caseUpdated(Person{}, models.CaseFacts{CaseID: p.Data.CaseID, Assignee: p.Data.Assignee}), nil
}

func trustgateCaseEscalatedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseV1]) (models.Facts, error) {
	return caseUpdated(Person{}, models.CaseFacts{CaseID: p.Data.CaseID, Escalated: &models.Escalation{
		To: p.Data.EscalatedTo, Reason: p.Data.EscalationReason,
	}}), nil
}

type trustgateCaseStatusV1 struct {
	CaseID    string `json:"case_id"`
	NewStatus string `json:"new_status" oneof:"open in_progress escalated resolved closed"`
}

func trustgateCaseStatusChangedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseStatusV1]) (models.Facts, error) {
	if p.Data.NewStatus == "" {
		return models.Facts{}, missing("new_status")
	}
	return caseUpdated(Person{}, models.CaseFacts{CaseID: p.Data.CaseID, Status: p.Data.NewStatus}), nil
}

type trustgateCaseResultV1 struct {
	CaseID          string `json:"case_id"`
	Resolution      string `json:"resolution"`
	ResolvedBy      string `json:"resolved_by"`
	ApplicantAction string `json:"applicant_action,omitempty" oneof:"approved rejected none"`
}

// trustgateCaseResolvedV1 takes a verdict on the person only from applicant_action: a case may end without one.
func trustgateCaseResolvedV1(_ models.Event, p trustgatePayloadV1[trustgateCaseResultV1]) (models.Facts, error) {
	r := models.CaseResolution{Resolution: p.Data.Resolution, Resolver: p.Data.ResolvedBy}
	switch p.Data.ApplicantAction {
	case "approved":
		r.Action = models.StatusVerified
	case "rejected":
		r.Action = models.StatusRejected
	case "", "none":
	default:
		r.Action = models.StatusInReview // an action that we do not understand: a person must look
	}
	return caseUpdated(Person{}, models.CaseFacts{CaseID: p.Data.CaseID, Resolved: &r}), nil
}
