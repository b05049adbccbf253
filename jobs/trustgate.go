package jobs

import (
	"cmp"
	"strings"

	"example.com/identity-webhooks/models"
)

// trustgateEvents lists the event types of TrustGate.
func trustgateEvents(r *Registry) {
	on(r, "trustgate/v2/applicant.submitted", trustgateApplicantSubmitted)
	on(r, "trustgate/v2/applicant.reviewed", trustgateApplicantReviewed)
	on(r, "trustgate/v2/applicant.verification_complete", trustgateVerificationComplete)
	on(r, "trustgate/v2/applicant.withdrawn", trustgateApplicantWithdrawn)
	on(r, "trustgate/v2/session.completed", trustgateSessionCompleted)
	on(r, "trustgate/v2/document.verified", trustgateDocumentVerified)
	on(r, "trustgate/v2/screening.completed", trustgateScreeningCompleted, critical)
	on(r, "trustgate/v2/case.created", trustgateCaseCreated, critical)
	on(r, "trustgate/v1/applicant.created", trustgateApplicantCreatedV1)
	on(r, "trustgate/v1/applicant.updated", trustgateApplicantUpdatedV1)
	on(r, "trustgate/v1/applicant.verified", trustgateApplicantVerifiedV1)
	on(r, "trustgate/v1/applicant.rejected", trustgateApplicantRejectedV1)
	on(r, "trustgate/v1/applicant.pending_review", trustgateApplicantPendingReviewV1)
	on(r, "trustgate/v1/document.uploaded", trustgateDocumentUploadedV1)
	on(r, "trustgate/v1/document.verified", trustgateDocumentVerifiedV1)
	on(r, "trustgate/v1/document.rejected", trustgateDocumentRejectedV1)
	on(r, "trustgate/v1/biometric.captured", trustgateBiometricCapturedV1)
	on(r, "trustgate/v1/biometric.verified", trustgateBiometricVerifiedV1)
	on(r, "trustgate/v1/biometric.failed", trustgateBiometricFailedV1)
	on(r, "trustgate/v1/screening.completed", trustgateScreeningCompletedV1, critical)
	on(r, "trustgate/v1/screening.hit", trustgateScreeningHitV1, critical)
	on(r, "trustgate/v1/screening.hit_resolved", trustgateHitResolvedV1, critical)
	on(r, "trustgate/v1/screening.monitoring_alert", trustgateMonitoringAlertV1, critical)
	on(r, "trustgate/v1/case.created", trustgateCaseCreatedV1, critical)
	on(r, "trustgate/v1/case.assigned", trustgateCaseAssignedV1, critical)
	on(r, "trustgate/v1/case.status_changed", trustgateCaseStatusChangedV1, critical)
	on(r, "trustgate/v1/case.escalated", trustgateCaseEscalatedV1, critical)
	on(r, "trustgate/v1/case.resolved", trustgateCaseResolvedV1, critical)
	on(r, "trustgate/v1/company.created", trustgateCompanyCreatedV1)
	on(r, "trustgate/v1/company.verified", trustgateCompanyVerifiedV1)
	on(r, "trustgate/v1/company.ubo_added", trustgateOwnerAddedV1)
	ignore(r, "a test of the connection", "trustgate/v2/test.ping")
	ignore(r, "a step of your own workflow, only a hint", "trustgate/v2/workflow.action.webhook")
	ignore(r, "not sent by the provider yet, its payload is not documented",
		"trustgate/v2/applicant.approved", "trustgate/v2/applicant.created", "trustgate/v2/applicant.rejected",
		"trustgate/v2/applicant.updated", "trustgate/v2/case.assigned", "trustgate/v2/case.resolved",
		"trustgate/v2/document.rejected", "trustgate/v2/document.uploaded", "trustgate/v2/screening.hit",
		"trustgate/v2/screening.started")
}

// trustgatePayload is the envelope of the current generation around the data of one event type.
//
// https://docs.bytrustgate.com/integrations/webhooks
type trustgatePayload[D any] struct {
	TenantID string `json:"tenant_id"`
	Data     D      `json:"data"`
}

// trustgateApplicant is what the data of most event types says about the person.
type trustgateApplicant struct {
	ApplicantID string   `json:"applicant_id"`
	ExternalID  string   `json:"external_id"`
	RiskScore   *int     `json:"risk_score"`
	RiskLevel   string   `json:"risk_level"`
	Flags       []string `json:"flags"`
	Sandbox     bool     `json:"sandbox"`
}

func (a trustgateApplicant) person(tenant string) Person {
	p := profile(map[models.ProfileField]string{
		models.ExternalID: a.ExternalID, models.TenantID: tenant, models.RiskLevel: a.RiskLevel,
	})
	if a.RiskScore != nil {
		p[models.RiskScore] = a.RiskScore
	}
	if a.Flags != nil {
		p[models.Flags] = a.Flags
	}
	return Person{ID: a.ApplicantID, Profile: p, Sandbox: a.Sandbox}
}

// trustgateVerdict reads the word for an automatic result. An unknown word leads to a review, never to a pass.
func trustgateVerdict(word string) models.Status {
	switch word {
	case "approved":
		return models.StatusVerified
	case "rejected":
		return models.StatusFailed
	}
	return models.StatusInReview
}

type trustgateSubmission struct {
	trustgateApplicant
	Status string `json:"status" oneof:"in_progress"`
}

func trustgateApplicantSubmitted(_ models.Event, p trustgatePayload[trustgateSubmission]) (models.Facts, error) {
	return applicantProgressed(p.Data.person(p.TenantID), models.StatusInProgress, "submitted"), nil
}

// trustgateApplicantWithdrawn is for an event that is announced but not documented. Without a person's ID it is ignored.
func trustgateApplicantWithdrawn(_ models.Event, p trustgatePayload[trustgateApplicant]) (models.Facts, error) {
	if p.Data.ApplicantID == "" {
		return models.Facts{Ignored: "names no applicant, and its payload is not documented"}, nil
	}
	return applicantWithdrawn(p.Data.person(p.TenantID), "withdrawn"), nil
}

type trustgateReview struct {
	trustgateApplicant
	Status         string `json:"status" oneof:"approved rejected"`
	ReviewDecision string `json:"review_decision" oneof:"manual_approved manual_rejected auto_approved auto_rejected"`
	ReviewedBy     string `json:"reviewed_by"`
}

// trustgateApplicantReviewed takes the verdict from the status; review_decision says who decided. If one of the two is missing, a rejection
// in the other still counts, and a rejection that names its reviewer is manual.
func trustgateApplicantReviewed(_ models.Event, p trustgatePayload[trustgateReview]) (models.Facts, error) {
	r := Review{
		Person: p.Data.person(p.TenantID), Verdict: models.StatusInReview,
		By: models.ByAutomatic, Reason: p.Data.ReviewDecision, Reviewer: p.Data.ReviewedBy,
	}
	by, decision, _ := strings.Cut(p.Data.ReviewDecision, "_")
	switch status := p.Data.Status; {
	case status == "approved":
		r.Verdict = models.StatusVerified
	case status == "rejected", decision == "rejected":
		r.Verdict = models.StatusRejected
	}
	if by == "manual" || by != "auto" && r.Verdict == models.StatusRejected && r.Reviewer != "" {
		r.By = models.ByManual
	}
	return applicantReviewed(r), nil
}

type trustgateVerification struct {
	trustgateApplicant
	Status             string `json:"status" oneof:"approved rejected review"`
	BiometricsVerified *bool  `json:"biometrics_verified"`
	ScreeningStatus    string `json:"screening_status,omitempty" oneof:"clear hit error not_run"`
}

// trustgateVerificationComplete sums up all checks. It includes the screening result, because the provider does not promise to send
// screening.completed.
func trustgateVerificationComplete(_ models.Event, p trustgatePayload[trustgateVerification]) (models.Facts, error) {
	f := applicantReviewed(Review{
		Person: p.Data.person(p.TenantID), By: models.ByAutomatic,
		Verdict: trustgateVerdict(p.Data.Status), Reason: "verification " + p.Data.Status,
	})
	if passed := p.Data.BiometricsVerified; passed != nil {
		f.Checks = append(f.Checks, models.Check{Kind: models.BiometricCheck, Status: checkStatus(*passed, !*passed)})
	}
	if p.Data.ScreeningStatus != "" {
		f.Checks = append(f.Checks, models.Check{Kind: models.ScreeningCheck, Status: trustgateScreened(p.Data.ScreeningStatus)})
	}
	return f, nil
}

// trustgateScreened reads the word for a screening's result. An unknown word is not a clear result.
func trustgateScreened(word string) models.CheckStatus {
	switch status := models.CheckStatus(word); status {
	case models.CheckClear, models.CheckHit, models.CheckError, models.CheckNotRun:
		return status
	}
	return models.CheckInReview
}

type trustgateScreening struct {
	trustgateApplicant
	CheckID    string   `json:"screening_check_id"`
	Status     string   `json:"status" oneof:"clear hit error"`
	HitCount   int      `json:"hit_count"`
	CheckTypes []string `json:"check_types"`
}

// trustgateScreeningCompleted is how this generation reports a hit.
func trustgateScreeningCompleted(_ models.Event, p trustgatePayload[trustgateScreening]) (models.Facts, error) {
	return screeningCompleted(Screening{
		Person: p.Data.person(p.TenantID), CheckID: p.Data.CheckID, Status: trustgateScreened(p.Data.Status),
		HitCount: p.Data.HitCount, Reason: joined(p.Data.CheckTypes...),
	}), nil
}

type trustgateDocument struct {
	trustgateApplicant
	DocumentID   string   `json:"document_id"`
	DocumentType string   `json:"document_type"`
	Status       string   `json:"status" oneof:"verified rejected review"`
	FraudSignals []string `json:"fraud_signals"`
}

// trustgateDocumentVerified reads the status: the event is called "verified" even if the document was rejected.
func trustgateDocumentVerified(_ models.Event, p trustgatePayload[trustgateDocument]) (models.Facts, error) {
	return checkCompleted(p.Data.person(p.TenantID), models.Check{
		Kind: models.DocumentCheck, CheckID: p.Data.DocumentID, Status: checkStatus(p.Data.Status == "verified", p.Data.Status == "rejected"),
		Reason: joined(append([]string{p.Data.DocumentType}, p.Data.FraudSignals...)...),
	}), nil
}

type trustgateCase struct {
	trustgateApplicant
	CaseID   string `json:"case_id"`
	CaseType string `json:"case_type"`
	Priority string `json:"priority"`
	Reason   string `json:"reason"`
}

func trustgateCaseCreated(_ models.Event, p trustgatePayload[trustgateCase]) (models.Facts, error) {
	if p.Data.ApplicantID == "" {
		return models.Facts{}, missing("ID of the person")
	}
	return caseCreated(Opening{
		Person: p.Data.person(p.TenantID), CaseID: p.Data.CaseID,
		Opening: models.Opening{Type: p.Data.CaseType, Priority: p.Data.Priority, Reason: p.Data.Reason},
	}), nil
}

type trustgateSession struct {
	trustgateApplicant
	Status         string `json:"status" oneof:"*"`
	CompletionData *struct {
		FinalStatus string `json:"final_status,omitempty" oneof:"approved rejected review"`
		RiskLevel   string `json:"risk_level"`
	} `json:"completion_data"`
}

// trustgateSessionCompleted takes a verdict only from final_status: the end of a session is not a decision.
func trustgateSessionCompleted(_ models.Event, p trustgatePayload[trustgateSession]) (models.Facts, error) {
	s := Session{Reason: "session " + p.Data.Status}
	if done := p.Data.CompletionData; done != nil {
		p.Data.RiskLevel = cmp.Or(done.RiskLevel, p.Data.RiskLevel)
		if done.FinalStatus != "" {
			s.Verdict, s.Reason = trustgateVerdict(done.FinalStatus), "session "+done.FinalStatus
		}
	}
	s.Person = p.Data.person(p.TenantID)
	return sessionCompleted(s), nil
}
