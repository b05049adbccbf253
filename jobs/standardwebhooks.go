package jobs

import "example.com/identity-webhooks/models"

// standardWebhooksEvents lists the event types of the sender that follows Standard Webhooks or uses Svix. Those of Self are an example:
// replace them by your sender's, and selfVerification by functions for its payloads. Other types are recorded, and can be replayed once
// they are in this list.
func standardWebhooksEvents(r *Registry) {
	on(r, "standardwebhooks/v1/verification.completed", selfVerificationCompleted)
	ignore(r, "where Self stores a result, not the result", "standardwebhooks/v1/verification.storage_*")
	ignore(r, "its type is not in jobs/standardwebhooks.go", "standardwebhooks/v1/*")
}

// selfVerification is the part of Self's verification.completed that we read. A person is known by the ID that the session was created with.
//
// https://github.com/selfxyz/self-docs, enterprise/webhooks/events.md
type selfVerification struct {
	VerificationID string `json:"verification_id"`
	UserID         string `json:"external_uuid"`
	Environment    string `json:"environment,omitempty" oneof:"test live"`
	Status         string `json:"status,omitempty" oneof:"valid invalid error expired"`
}

// selfVerificationCompleted takes an error for a case for a review: according to Self, the person need not be at fault. A session that
// expired counts as progress: another one may have verified the person.
func selfVerificationCompleted(_ models.Event, p selfVerification) (models.Facts, error) {
	s := Session{Reason: p.Status, Verdict: models.StatusInReview, Person: Person{
		ID: p.UserID, Sandbox: p.Environment == "test",
		Profile: profile(map[models.ProfileField]string{models.ExternalID: p.UserID}),
	}}
	check := models.Check{Kind: models.IdentityCheck, CheckID: p.VerificationID, Reason: p.Status}
	switch p.Status {
	case "valid":
		s.Verdict, check.Status = models.StatusVerified, models.CheckPassed
	case "invalid":
		s.Verdict, check.Status = models.StatusFailed, models.CheckFailed
	case "error":
		check.Status = models.CheckError
	case "expired":
		s.By = models.ByProgress
		return sessionWithdrawn(s), nil
	default:
		check.Status = models.CheckInReview
	}
	s.Checks = []models.Check{check}
	return sessionCompleted(s), nil
}
