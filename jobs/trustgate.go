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
	Sandbox     bool     `json:"sandbox"`
}

func (a trustgateApplicant) profile(tenant string) models.Profile {
	return models.Profile{
		ExternalID: a.ExternalID, TenantID: tenant, RiskScore: a.RiskScore, RiskLevel: a.RiskLevel, Flags: a.Flags, Sandbox: a.Sandbox,
	}
}

// in marks what a reaction makes of the event as a test, where the provider's sandbox has sent it.
func (a trustgateApplicant) in(c models.Change, err error) (models.Change, error) {
	c.Sandbox = a.Sandbox
	return c, err
}

// trustgateVerdict reads a word for an automatic result. A word we do not know leads to a review, never to a pass.
func trustgateVerdict(n *notes, field, word string) models.Status {
	n.word(field, word, "approved", "rejected", "review")
	switch word {
	case "approved":
		return models.Verified
	case "rejected":
		return models.FailedAuto
	}
	return models.InReview
}

type trustgateSubmission struct {
	trustgateApplicant
	Status string `json:"status"`
}

func trustgateApplicantSubmitted(_ models.Event, p trustgatePayload[trustgateSubmission]) (models.Change, error) {
	var n notes
	n.word("data.status", p.Data.Status, "in_progress")
	return n.on(p.Data.in(applicantProgressed(p.Data.ApplicantID, p.Data.profile(p.TenantID), models.InProgress, "submitted")))
}

type trustgateReview struct {
	trustgateApplicant
	Status         string `json:"status"`
	ReviewDecision string `json:"review_decision"`
	ReviewedBy     string `json:"reviewed_by"`
}

// trustgateApplicantReviewed trusts the status; review_decision says only who decided.
func trustgateApplicantReviewed(_ models.Event, p trustgatePayload[trustgateReview]) (models.Change, error) {
	var n notes
	n.word("data.status", p.Data.Status, "approved", "rejected")
	n.word("data.review_decision", p.Data.ReviewDecision, "manual_approved", "manual_rejected", "auto_approved", "auto_rejected")
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
	return n.on(p.Data.in(applicantReviewed(r)))
}

type trustgateVerification struct {
	trustgateApplicant
	Status             string `json:"status"`
	BiometricsVerified *bool  `json:"biometrics_verified"`
	ScreeningStatus    string `json:"screening_status"`
}

// trustgateVerificationComplete is the sum of all checks. Its screening result stands in where screening.completed, which the
// provider does not promise to send, does not come.
func trustgateVerificationComplete(_ models.Event, p trustgatePayload[trustgateVerification]) (models.Change, error) {
	var n notes
	c, err := applicantReviewed(Review{
		SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID), Authority: models.Automatic,
		Verdict: trustgateVerdict(&n, "data.status", p.Data.Status), Reason: "verification " + p.Data.Status,
	})
	if passed := p.Data.BiometricsVerified; passed != nil {
		c.Checks = append(c.Checks, models.Check{Kind: models.BiometricCheck, Status: passedOrFailed(*passed)})
	}
	if p.Data.ScreeningStatus != "" {
		c.Checks = append(c.Checks, models.Check{Kind: models.ScreeningCheck, Status: trustgateScreened(&n, "data.screening_status", p.Data.ScreeningStatus)})
	}
	return n.on(p.Data.in(c, err))
}

func passedOrFailed(passed bool) models.CheckStatus {
	if passed {
		return models.CheckPassed
	}
	return models.CheckFailed
}

// trustgateScreened reads a word for a screening's result. One we do not know is no clear result.
func trustgateScreened(n *notes, field, word string) models.CheckStatus {
	n.word(field, word, "clear", "hit", "error", "not_run")
	switch status := models.CheckStatus(word); status {
	case models.CheckClear, models.CheckHit, models.CheckError, models.CheckNotRun:
		return status
	}
	return models.CheckInReview
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
	var n notes
	return n.on(p.Data.in(screeningCompleted(Screening{
		SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID), CheckID: p.Data.CheckID,
		Status: trustgateScreened(&n, "data.status", p.Data.Status), HitCount: p.Data.HitCount, Reason: strings.Join(p.Data.CheckTypes, ", "),
	})))
}

type trustgateDocument struct {
	trustgateApplicant
	DocumentID   string   `json:"document_id"`
	DocumentType string   `json:"document_type"`
	Status       string   `json:"status"`
	FraudSignals []string `json:"fraud_signals"`
}

// trustgateDocumentVerified looks at the status: the event's name says "verified" even where the document was rejected.
func trustgateDocumentVerified(_ models.Event, p trustgatePayload[trustgateDocument]) (models.Change, error) {
	var n notes
	n.word("data.status", p.Data.Status, "verified", "rejected", "review")
	k := models.Check{
		Kind: models.DocumentCheck, CheckID: p.Data.DocumentID, Status: models.CheckInReview,
		Reason: strings.Join(append([]string{p.Data.DocumentType}, p.Data.FraudSignals...), ", "),
	}
	switch p.Data.Status {
	case "verified":
		k.Status = models.CheckPassed
	case "rejected":
		k.Status = models.CheckFailed
	}
	return n.on(p.Data.in(checkCompleted(p.Data.ApplicantID, p.Data.profile(p.TenantID), k)))
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
	return p.Data.in(caseCreated(Opening{
		CaseID: p.Data.CaseID, SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID),
		Opening: models.Opening{Type: p.Data.CaseType, Priority: p.Data.Priority, Reason: p.Data.Reason},
	}))
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
	var n notes
	s := Session{SubjectID: p.Data.ApplicantID, Profile: p.Data.profile(p.TenantID), Verdict: models.InProgress, Reason: "session " + p.Data.Status}
	if done := p.Data.CompletionData; done != nil {
		s.Profile.RiskLevel = cmp.Or(done.RiskLevel, s.Profile.RiskLevel)
		if done.FinalStatus != "" {
			s.Verdict, s.Reason = trustgateVerdict(&n, "data.completion_data.final_status", done.FinalStatus), "session "+done.FinalStatus
		}
	}
	return n.on(p.Data.in(sessionCompleted(s)))
}
