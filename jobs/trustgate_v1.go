package jobs

import (
	"strings"

	"example.com/identity-webhooks/models"
)

// The older generation of TrustGate's payloads.

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

func trustgateApplicantCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateCreatedV1]) (models.Facts, error) {
	return applicantProgressed(Person{ID: p.Data.ApplicantID, Profile: profile(map[models.ProfileField]string{
		models.FirstName: p.Data.FirstName, models.LastName: p.Data.LastName, models.Email: p.Data.Email,
	})}, models.StatusPending, "created"), nil
}

type trustgateUpdatedV1 struct {
	ApplicantID string `json:"applicant_id"`
	Changes     struct {
		FirstName trustgateChangeV1 `json:"first_name"`
		LastName  trustgateChangeV1 `json:"last_name"`
		Email     trustgateChangeV1 `json:"email"`
	} `json:"changes"`
}

type trustgateChangeV1 struct {
	Current *string `json:"current"` // nil if the field did not change; null clears it
}

// trustgateApplicantUpdatedV1 records the changed fields, as far as we keep them.
func trustgateApplicantUpdatedV1(_ models.Event, p trustgatePayloadV1[trustgateUpdatedV1]) (models.Facts, error) {
	if p.Data.ApplicantID == "" {
		return models.Facts{}, missing("ID of the person")
	}
	person := Person{ID: p.Data.ApplicantID, Profile: models.Profile{}}
	for field, change := range map[models.ProfileField]trustgateChangeV1{
		models.FirstName: p.Data.Changes.FirstName, models.LastName: p.Data.Changes.LastName, models.Email: p.Data.Changes.Email,
	} {
		if change.Current != nil {
			person.Profile[field] = *change.Current
		}
	}
	return person.facts(), nil
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
	r := Review{Person: Person{ID: v.ApplicantID}, Verdict: verdict, By: models.ByAutomatic, Reason: reason}
	if v.RiskScore != nil {
		r.Profile = models.Profile{models.RiskScore: v.RiskScore}
	}
	return r
}

func trustgateApplicantVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateVerdictV1]) (models.Facts, error) {
	return applicantReviewed(p.Data.review(models.StatusVerified, strings.TrimSpace("verified "+p.Data.Level))), nil
}

func trustgateApplicantRejectedV1(_ models.Event, p trustgatePayloadV1[trustgateVerdictV1]) (models.Facts, error) {
	return applicantReviewed(p.Data.review(models.StatusRejected, p.Data.RejectionReason)), nil
}

func trustgateApplicantPendingReviewV1(_ models.Event, p trustgatePayloadV1[trustgateVerdictV1]) (models.Facts, error) {
	f := applicantReviewed(p.Data.review(models.StatusInReview, joined(p.Data.ReviewReasons...)))
	f.Case = linkCase(p.Data.CaseID)
	return f, nil
}

// trustgateCheckV1 is the part of document.* and biometric.* events that we read. We keep none of their personal data.
type trustgateCheckV1 struct {
	ApplicantID      string              `json:"applicant_id"`
	DocumentID       string              `json:"document_id"`
	DocumentType     string              `json:"document_type"`
	RejectionReasons []trustgateReasonV1 `json:"rejection_reasons"`
	FailureReasons   []trustgateReasonV1 `json:"failure_reasons"`
}

type trustgateReasonV1 struct {
	Code string `json:"code"`
}

func (c trustgateCheckV1) completed(kind string, status models.CheckStatus, reason string) (models.Facts, error) {
	reasons := []string{reason}
	for _, r := range append(c.RejectionReasons, c.FailureReasons...) {
		reasons = append(reasons, r.Code)
	}
	return checkCompleted(Person{ID: c.ApplicantID}, models.Check{
		Kind: kind, CheckID: c.DocumentID, Status: status, Reason: joined(reasons...),
	}), nil
}

func trustgateDocumentUploadedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Facts, error) {
	return applicantProgressed(Person{ID: p.Data.ApplicantID}, models.StatusInProgress, "document uploaded", models.Check{
		Kind: models.DocumentCheck, CheckID: p.Data.DocumentID, Status: models.CheckPending, Reason: p.Data.DocumentType,
	}), nil
}

type trustgateDocumentV1 struct {
	trustgateCheckV1
	Status string `json:"verification_status" oneof:"verified"`
}

func trustgateDocumentVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateDocumentV1]) (models.Facts, error) {
	return p.Data.completed(models.DocumentCheck, checkStatus(p.Data.Status == "verified", false), p.Data.DocumentType)
}

func trustgateDocumentRejectedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Facts, error) {
	return p.Data.completed(models.DocumentCheck, models.CheckFailed, "")
}

func trustgateBiometricCapturedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Facts, error) {
	return applicantProgressed(Person{ID: p.Data.ApplicantID}, models.StatusInProgress, "biometric captured", models.Check{
		Kind: models.BiometricCheck, Status: models.CheckPending,
	}), nil
}

type trustgateBiometricV1 struct {
	trustgateCheckV1
	FaceMatch string `json:"face_match.status" oneof:"match"`
	Liveness  string `json:"liveness.status" oneof:"live"`
}

// trustgateBiometricVerifiedV1 passes only a face that matches and is live, whatever the event's name says.
func trustgateBiometricVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateBiometricV1]) (models.Facts, error) {
	return p.Data.completed(models.BiometricCheck, checkStatus(p.Data.FaceMatch == "match" && p.Data.Liveness == "live", false), "")
}

func trustgateBiometricFailedV1(_ models.Event, p trustgatePayloadV1[trustgateCheckV1]) (models.Facts, error) {
	return p.Data.completed(models.BiometricCheck, models.CheckFailed, "")
}

type trustgateCompanyV1 struct {
	CompanyID          string `json:"company_id"`
	LegalName          string `json:"legal_name"`
	RegistrationNumber string `json:"registration_number"`
	Country            string `json:"incorporation_country"`
}

func trustgateCompanyCreatedV1(_ models.Event, p trustgatePayloadV1[trustgateCompanyV1]) (models.Facts, error) {
	return companyUpdated(models.CompanyFacts{CompanyID: p.Data.CompanyID, Registered: &models.Registration{
		LegalName: p.Data.LegalName, RegistrationNumber: p.Data.RegistrationNumber, Country: p.Data.Country,
	}}), nil
}

type trustgateCompanyResultV1 struct {
	CompanyID      string `json:"company_id"`
	Status         string `json:"verification_status" oneof:"verified rejected failed review pending"`
	RegistryMatch  bool   `json:"registry_match"`
	OwnerCount     int    `json:"ubo_count"`
	OwnersVerified int    `json:"ubos_verified"`
}

func trustgateCompanyVerifiedV1(_ models.Event, p trustgatePayloadV1[trustgateCompanyResultV1]) (models.Facts, error) {
	v := models.CompanyVerification{
		Status: models.StatusInReview, RegistryMatch: p.Data.RegistryMatch, OwnerCount: p.Data.OwnerCount, OwnersVerified: p.Data.OwnersVerified,
	}
	switch p.Data.Status {
	case "verified":
		v.Status = models.StatusVerified
	case "rejected", "failed":
		v.Status = models.StatusFailed
	}
	return companyUpdated(models.CompanyFacts{CompanyID: p.Data.CompanyID, Verified: &v}), nil
}

type trustgateOwnerV1 struct {
	CompanyID  string  `json:"company_id"`
	OwnerID    string  `json:"ubo_id"`
	Name       string  `json:"name"`
	Percentage float64 `json:"ownership_percentage"`
	Status     string  `json:"verification_status" oneof:"*"`
}

func trustgateOwnerAddedV1(_ models.Event, p trustgatePayloadV1[trustgateOwnerV1]) (models.Facts, error) {
	return companyUpdated(models.CompanyFacts{CompanyID: p.Data.CompanyID, Owner: &models.BeneficialOwner{
		OwnerID: p.Data.OwnerID, Name: p.Data.Name, Percentage: p.Data.Percentage, Status: p.Data.Status,
	}}), nil
}
