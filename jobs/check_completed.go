package jobs

import "example.com/identity-webhooks/models"

// checkCompleted records the result of one check: a document, a face, a palm, a screening. It does not change the person's status, which
// only decisions change: a person who fails a check may try again.
func checkCompleted(p Person, check models.Check) models.Facts {
	f := p.facts()
	f.Checks = []models.Check{check}
	return f
}

// checkStatus returns the status of a check. One that neither passed nor failed is in review: an unknown word is never a pass.
func checkStatus(passed, failed bool) models.CheckStatus {
	switch {
	case passed:
		return models.CheckPassed
	case failed:
		return models.CheckFailed
	}
	return models.CheckInReview
}
