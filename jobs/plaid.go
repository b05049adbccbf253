package jobs

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// plaidEvents lists the event types of Plaid's Identity Verification and Monitor. They only name what changed, so it is read.
func plaidEvents(r *Registry) {
	r.api("plaid", API{URL: "https://production.plaid.com", Credentials: []string{"PLAID_CLIENT_ID", "PLAID_SECRET"}, authorize: plaidAuthorize})
	reads(r, "plaid/v1/IDENTITY_VERIFICATION.STATUS_UPDATED", plaidVerificationRequest)
	reads(r, "plaid/v1/IDENTITY_VERIFICATION.STEP_UPDATED", plaidVerificationRequest)
	reads(r, "plaid/v1/IDENTITY_VERIFICATION.RETRIED", plaidVerificationRequest)
	reads(r, "plaid/v1/SCREENING.STATUS_UPDATED", plaidScreeningRequest)
	on(r, "plaid/read/identity_verification/get", plaidVerificationRead)
	on(r, "plaid/read/watchlist_screening/individual/get", plaidScreeningRead, critical)
	ignore(r, "a screening of a company, not of a person", "plaid/v1/ENTITY_SCREENING.STATUS_UPDATED")
}

func plaidAuthorize(h http.Header, credentials map[string]string) {
	h.Set("PLAID-CLIENT-ID", credentials["PLAID_CLIENT_ID"])
	h.Set("PLAID-SECRET", credentials["PLAID_SECRET"])
}

// plaidPayload is the part of Plaid's events that we read: one of the IDs.
//
// https://plaid.com/docs/api/products/identity-verification/#webhooks
type plaidPayload struct {
	VerificationID string `json:"identity_verification_id"`
	ScreeningID    string `json:"screening_id"`
}

// plaidVerificationRequest reads an attempt. One that was completed dates from then, any other from its beginning: so a result replaces
// what was known before, and an older attempt does not replace a newer one, in whatever order they are read.
func plaidVerificationRequest(_ models.Event, p plaidPayload) (request, error) {
	return request{
		method: http.MethodPost, path: "/identity_verification/get", ids: []string{p.VerificationID}, volatile: "request_id",
		body: map[string]string{"identity_verification_id": p.VerificationID},
		at: func(answer gjson.Result) string {
			begun := answer.Get("created_at").Str
			switch answer.Get("status").Str {
			case "active", "canceled", "expired":
				return begun
			}
			return cmp.Or(answer.Get("completed_at").Str, begun)
		},
	}, nil
}

// plaidVerification is an attempt at a verification. client_user_id is your own ID of the person, and the only one that all attempts and
// screenings of a person share, so it is also the subject. An attempt without it is a person of its own.
//
// https://plaid.com/docs/api/products/identity-verification/#identity_verificationget
type plaidVerification struct {
	ID           string `json:"id"`
	ClientUserID string `json:"client_user_id"`
	Status       string `json:"status" oneof:"active success failed expired canceled pending_review"`
	FirstName    string `json:"user.name.given_name"`
	LastName     string `json:"user.name.family_name"`
	Email        string `json:"user.email_address"`
	Steps        struct {
		Terms     string `json:"accept_tos"`
		Phone     string `json:"verify_sms"`
		Identity  string `json:"kyc_check"`
		Document  string `json:"documentary_verification"`
		Selfie    string `json:"selfie_check"`
		Watchlist string `json:"watchlist_screening"`
		Risk      string `json:"risk_check"`
	} `json:"steps"`
}

// plaidVerificationRead: a step that a person approved or rejected makes the result a manual one. An attempt that was not finished counts as
// progress, since another one may have verified the person. The watchlist is in the screening's own events.
func plaidVerificationRead(_ models.Event, p plaidVerification) (models.Facts, error) {
	s := Session{Reason: joined("verification " + p.Status), Person: Person{ID: cmp.Or(p.ClientUserID, p.ID), Profile: profile(map[models.ProfileField]string{
		models.ExternalID: p.ClientUserID, models.FirstName: p.FirstName, models.LastName: p.LastName, models.Email: p.Email,
	})}}
	steps := []string{p.Steps.Terms, p.Steps.Phone, p.Steps.Identity, p.Steps.Document, p.Steps.Selfie, p.Steps.Watchlist, p.Steps.Risk}
	s.Checks = plaidChecks(p)
	s.Verdict = models.StatusInReview
	switch p.Status {
	case "success":
		s.Verdict = models.StatusVerified
		if slices.Contains(steps, "manually_approved") {
			s.By = models.ByManual
		}
	case "failed":
		s.Verdict = models.StatusFailed
		if slices.Contains(steps, "manually_rejected") {
			s.By = models.ByManual
		}
	case "active":
		s.Verdict = ""
	case "expired", "canceled":
		s.By = models.ByProgress
		return sessionWithdrawn(s), nil
	}
	return sessionCompleted(s), nil
}

// plaidChecks returns the steps that are checks of the person and have begun.
func plaidChecks(p plaidVerification) (list []models.Check) {
	for _, step := range []struct{ kind, status string }{
		{models.IdentityCheck, p.Steps.Identity}, {models.DocumentCheck, p.Steps.Document}, {models.BiometricCheck, p.Steps.Selfie},
	} {
		c := models.Check{Kind: step.kind, CheckID: p.ID, Reason: step.status, Status: checkStatus(
			step.status == "success" || step.status == "manually_approved", step.status == "failed" || step.status == "manually_rejected")}
		switch step.status {
		case "", "not_applicable", "skipped", "waiting_for_prerequisite":
			continue
		case "active":
			c.Status = models.CheckPending
		case "expired", "canceled":
			c.Status = models.CheckNotRun
		}
		list = append(list, c)
	}
	return list
}

func plaidScreeningRequest(_ models.Event, p plaidPayload) (request, error) {
	return request{
		method: http.MethodPost, path: "/watchlist_screening/individual/get", ids: []string{p.ScreeningID}, volatile: "request_id",
		body:    map[string]string{"watchlist_screening_id": p.ScreeningID},
		updated: "audit_trail.timestamp",
	}, nil
}

// plaidScreening is a screening of a person, which is repeated if its program says so.
//
// https://plaid.com/docs/api/products/monitor/#watchlist_screeningindividualget
type plaidScreening struct {
	ID           string `json:"id"`
	ClientUserID string `json:"client_user_id"`
	Status       string `json:"status" oneof:"rejected pending_review cleared"`
	ChangedBy    string `json:"audit_trail.dashboard_user_id"`
}

// plaidScreeningRead: hits that wait for a review put the person on hold, and clearing them lifts it. A rejection rejects the person. It is
// recorded as the resolution of a case, so that clearing the screening later takes it back.
func plaidScreeningRead(_ models.Event, p plaidScreening) (models.Facts, error) {
	s := Screening{CheckID: p.ID, Status: models.CheckInReview, Reason: p.Status, Person: Person{
		ID: cmp.Or(p.ClientUserID, p.ID), Profile: profile(map[models.ProfileField]string{models.ExternalID: p.ClientUserID}),
	}}
	resolution := &models.CaseResolution{Resolution: "screening " + p.Status, Resolver: p.ChangedBy}
	switch p.Status {
	case "pending_review":
		s.Status, resolution = models.CheckHit, nil
	case "rejected":
		s.Status, resolution.Action = models.CheckHit, models.StatusRejected
	case "cleared":
		s.Status = models.CheckClear
	default:
		resolution = nil
	}
	f := screeningCompleted(s)
	if resolution != nil {
		f.Case = &models.CaseFacts{CaseID: p.ID, Resolved: resolution}
	}
	return f, nil
}
