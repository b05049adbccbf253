package jobs

import "example.com/identity-webhooks/models"

// applicantProgressed reacts to a step of a person on their way: created, submitted, a document uploaded, a face captured. It
// counts as long as there is no result.
func applicantProgressed(subject string, profile models.Profile, status models.Status, reason string) (models.Change, error) {
	return applicantReviewed(Review{
		SubjectID: subject, Profile: profile, Verdict: status, Authority: models.Progress, Reason: reason,
	})
}
