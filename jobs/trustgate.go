package jobs

import (
	"cmp"
	"strings"

	"example.com/identity-webhooks/models"
)

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
}

func (a trustgateApplicant) profile(tenant string) models.Profile {
	return models.Profile{
		ExternalID: a.ExternalID, TenantID: tenant, RiskScore: a.RiskScore, RiskLevel: a.RiskLevel, Flags: a.Flags,
	}
}

// trustgateVerdict reads a word for an automatic result. A word we do not know leads to a review, never to a pass.
func trustgateVerdict(word string) models.Status {
	switch word {
	case "approved":
		return models.Verified
	case "rejected":
		return models.FailedAuto
	}
	return models.InReview
}

type trustgateSession struct {
	trustgateApplicant
	Status         string `json:"status"`
	CompletionData *struct {
		FinalStatus string `json:"final_status"`
		RiskLevel   string `json:"risk_level"`
	} `json:"completion_data"`
}

// trustgateSessionCompleted takes a verdict only from final_status: a session that has ended is not a decision.
func trustgateSessionCompleted(_ models.Event, p trustgatePayload[trustgateSession]) (models.Change, error) {
	s := Session{SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID), Verdict: models.InProgress, Reason: "session " + p.Data.Status}
	if done := p.Data.CompletionData; done != nil {
		s.Profile.RiskLevel = cmp.Or(done.RiskLevel, s.Profile.RiskLevel)
		if done.FinalStatus != "" {
			s.Verdict, s.Reason = trustgateVerdict(done.FinalStatus), "session "+done.FinalStatus
		}
	}
	return sessionCompleted(s)
}

type trustgateReview struct {
	trustgateApplicant
	Status         string `json:"status"`
	ReviewDecision string `json:"review_decision"`
	ReviewedBy     string `json:"reviewed_by"`
}

// trustgateApplicantReviewed trusts the status; review_decision says only who decided.
func trustgateApplicantReviewed(_ models.Event, p trustgatePayload[trustgateReview]) (models.Change, error) {
	r := Review{
		SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID), Verdict: models.InReview,
		Authority: models.Automatic, Reason: p.Data.ReviewDecision, Reviewer: p.Data.ReviewedBy,
	}
	switch p.Data.Status {
	case "approved":
		r.Verdict = models.Verified
	case "rejected":
		r.Verdict = models.Rejected
	}
	if strings.HasPrefix(p.Data.ReviewDecision, "manual_") {
		r.Authority = models.Manual
	}
	return applicantReviewed(r)
}

type trustgateScreening struct {
	trustgateApplicant
	CheckID    string   `json:"screening_check_id"`
	Status     string   `json:"status"`
	HitCount   int      `json:"hit_count"`
	CheckTypes []string `json:"check_types"`
}

// trustgateScreeningCompleted is this generation's way to report a hit.
func trustgateScreeningCompleted(_ models.Event, p trustgatePayload[trustgateScreening]) (models.Change, error) {
	if p.Data.Status != "hit" {
		return models.Change{Outcome: models.Ignored}, nil
	}
	return screeningHit(Screening{
		SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID), CheckID: p.Data.CheckID,
		HitCount: p.Data.HitCount, Reason: strings.Join(p.Data.CheckTypes, ", "),
	})
}

type trustgateCase struct {
	trustgateApplicant
	CaseID   string `json:"case_id"`
	CaseType string `json:"case_type"`
	Priority string `json:"priority"`
	Reason   string `json:"reason"`
}

func trustgateCaseCreated(_ models.Event, p trustgatePayload[trustgateCase]) (models.Change, error) {
	if p.Data.ApplicantID == "" {
		return models.Change{}, missing("applicant_id")
	}
	return caseCreated(Opening{
		CaseID: p.Data.CaseID, SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID),
		Opening: models.Opening{Type: p.Data.CaseType, Priority: p.Data.Priority, Reason: p.Data.Reason},
	})
}
