package jobs

import "example.com/identity-webhooks/models"

// checkCompleted reacts to the result of one check: a document, a face, a palm, a screening. It is kept beside the person's
// status, which only decisions change: who fails a check may try again.
func checkCompleted(subject string, profile models.Profile, check models.Check) (models.Change, error) {
	if subject == "" {
		return models.Change{}, missing("ID of the person")
	}
	return models.Change{SubjectID: subject, Profile: profile, Checks: []models.Check{check}}, nil
}
