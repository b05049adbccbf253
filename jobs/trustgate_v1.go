package jobs

import (
	"encoding/json"
	"strings"

	"example.com/identity-webhooks/models"
)

// trustgatePayloadV1 is the envelope of the older generation around the data of one event type.
type trustgatePayloadV1[D any] struct {
	Data D `json:"data"`
}

type trustgateCreatedV1 struct {
	ApplicantID string `json:"applicant_id"`
	FirstName   string `json:"first_name"`
	LastName    string `json:"last_name"`
	Email       string `json:"email"`
}

func trustgateApplicantCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateCreatedV1]) (models.Change, error) {
	return applicantProgressed(p.Data.ApplicantID, models.Profile{
		FirstName: p.Data.FirstName, LastName: p.Data.LastName, Email: p.Data.Email,
	}, models.Pending, "created")
}

type trustgateUpdatedV1 struct {
	ApplicantID string `json:"applicant_id"`
	Changes     map[string]struct {
		Current json.RawMessage `json:"current"`
	} `json:"changes"`
}

// text is the new value of a field, if it changed to a text.
func (u trustgateUpdatedV1) text(field string) string {
	var s string
	if json.Unmarshal(u.Changes[field].Current, &s) != nil {
		return "" // not changed, or to something we do not keep
	}
	return s
}

// trustgateApplicantUpdatedV1 takes those of the changed fields that we keep.
func trustgateApplicantUpdatedV1(_ models.Event, p trustgatePayloadV1[trustgateUpdatedV1]) (models.Change, error) {
	if p.Data.ApplicantID == "" {
		return models.Change{}, missing("applicant_id")
	}
	return models.Change{SubjectID: p.Data.ApplicantID, Profile: models.Profile{
		FirstName: p.Data.text("first_name"), LastName: p.Data.text("last_name"), Email: p.Data.text("email"),
	}}, nil
}

type trustgateVerdictV1 struct {
	ApplicantID     string   `json:"applicant_id"`
	RiskScore       *int     `json:"risk_score"`
	Level           string   `json:"verification_level"`
	RejectionReason string   `json:"rejection_reason"`
	ReviewReasons   []string `json:"review_reasons"`
	CaseID          string   `json:"case_id"`
}

func (v trustgateVerdictV1) review(verdict models.Status, reason string) Review {
	return Review{
		SubjectID: v.ApplicantID, Profile: models.Profile{RiskScore: v.RiskScore}, Verdict: verdict, Authority: models.Automatic, Reason: reason,
	}
}

func trustgateApplicantVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateVerdictV1]) (models.Change, error) {
	return applicantReviewed(p.Data.review(models.Verified, strings.TrimSpace("verified "+p.Data.Level)))
}

func trustgateApplicantRejectedV1(_ models.Event, p trustgatePayloadV1[trustgateVerdictV1]) (models.Change, error) {
	return applicantReviewed(p.Data.review(models.Rejected, p.Data.RejectionReason))
}

func trustgateApplicantPendingReviewV1(_ models.Event, p trustgatePayloadV1[trustgateVerdictV1]) (models.Change, error) {
	c, err := applicantReviewed(p.Data.review(models.InReview, strings.Join(p.Data.ReviewReasons, ", ")))
	c.Cases = named(p.Data.CaseID)
	return c, err
}

// trustgateCheckV1 is what we read of document.* and biometric.* events. Of the personal data in them we keep nothing.
type trustgateCheckV1 struct {
	ApplicantID        string `json:"applicant_id"`
	DocumentID         string `json:"document_id"`
	DocumentType       string `json:"document_type"`
	VerificationStatus string `json:"verification_status"`
	FaceMatch          struct {
		Status string `json:"status"`
	} `json:"face_match"`
	Liveness struct {
		Status string `json:"status"`
	} `json:"liveness"`
	RejectionReasons []trustgateReasonV1 `json:"rejection_reasons"`
	FailureReasons   []trustgateReasonV1 `json:"failure_reasons"`
}

type trustgateReasonV1 struct {
	Code string `json:"code"`
}

func (k trustgateCheckV1) result(kind string, status models.CheckStatus, reason string) (models.Change, error) {
	for _, r := range append(k.RejectionReasons, k.FailureReasons...) {
		reason = strings.TrimPrefix(reason+", "+r.Code, ", ")
	}
	return checkCompleted(k.ApplicantID, models.Profile{}, models.Check{Kind: kind, CheckID: k.DocumentID, Status: status, Reason: reason})
}

func trustgateDocumentUploadedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Change, error) {
	c, err := applicantProgressed(p.Data.ApplicantID, models.Profile{}, models.InProgress, "document uploaded")
	c.Checks = []models.Check{{Kind: models.DocumentCheck, CheckID: p.Data.DocumentID, Status: models.CheckPending, Reason: p.Data.DocumentType}}
	return c, err
}

func trustgateDocumentVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Change, error) {
	var n notes
	n.word("data.verification_status", p.Data.VerificationStatus, "verified")
	status := models.CheckInReview
	if p.Data.VerificationStatus == "verified" {
		status = models.CheckPassed
	}
	return n.on(p.Data.result(models.DocumentCheck, status, p.Data.DocumentType))
}

func trustgateDocumentRejectedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Change, error) {
	return p.Data.result(models.DocumentCheck, models.CheckFailed, "")
}

func trustgateBiometricCapturedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Change, error) {
	c, err := applicantProgressed(p.Data.ApplicantID, models.Profile{}, models.InProgress, "biometric captured")
	c.Checks = []models.Check{{Kind: models.BiometricCheck, Status: models.CheckPending}}
	return c, err
}

// trustgateBiometricVerifiedV1 passes only a face that matches and lives, whatever the event's name says.
func trustgateBiometricVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Change, error) {
	var n notes
	n.word("data.face_match.status", p.Data.FaceMatch.Status, "match")
	n.word("data.liveness.status", p.Data.Liveness.Status, "live")
	status := models.CheckPassed
	if len(n) > 0 {
		status = models.CheckInReview
	}
	return n.on(p.Data.result(models.BiometricCheck, status, ""))
}

func trustgateBiometricFailedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Change, error) {
	return p.Data.result(models.BiometricCheck, models.CheckFailed, "")
}

type trustgateCompanyV1 struct {
	CompanyID          string  `json:"company_id"`
	LegalName          string  `json:"legal_name"`
	RegistrationNumber string  `json:"registration_number"`
	Country            string  `json:"incorporation_country"`
	VerificationStatus string  `json:"verification_status"`
	RegistryMatch      bool    `json:"registry_match"`
	OwnerCount         int     `json:"ubo_count"`
	OwnersVerified     int     `json:"ubos_verified"`
	OwnerID            string  `json:"ubo_id"`
	Name               string  `json:"name"`
	Percentage         float64 `json:"ownership_percentage"`
}

func trustgateCompanyCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateCompanyV1]) (models.Change, error) {
	return companyUpdated(models.CompanyChange{CompanyID: p.Data.CompanyID, Registered: &models.Registration{
		LegalName: p.Data.LegalName, RegistrationNumber: p.Data.RegistrationNumber, Country: p.Data.Country,
	}})
}

func trustgateCompanyVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateCompanyV1]) (models.Change, error) {
	var n notes
	n.word("data.verification_status", p.Data.VerificationStatus, "verified", "rejected", "failed", "review", "pending")
	v := models.CompanyVerification{
		Status: models.InReview, RegistryMatch: p.Data.RegistryMatch, OwnerCount: p.Data.OwnerCount, OwnersVerified: p.Data.OwnersVerified,
	}
	switch p.Data.VerificationStatus {
	case "verified":
		v.Status = models.Verified
	case "rejected", "failed":
		v.Status = models.FailedAuto
	}
	return n.on(companyUpdated(models.CompanyChange{CompanyID: p.Data.CompanyID, Verified: &v}))
}

func trustgateOwnerAddedV1(_ models.Event, p trustgatePayloadV1[trustgateCompanyV1]) (models.Change, error) {
	return companyUpdated(models.CompanyChange{CompanyID: p.Data.CompanyID, Owner: &models.BeneficialOwner{
		OwnerID: p.Data.OwnerID, Name: p.Data.Name, Percentage: p.Data.Percentage, Status: p.Data.VerificationStatus,
	}})
}
