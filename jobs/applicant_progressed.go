package jobs

import "example.com/identity-webhooks/models"

// applicantProgressed records a step of a person: created, submitted, a document uploaded, a face captured. It counts only until there is a
// result.
func applicantProgressed(p Person, status models.Status, reason string, checks ...models.Check) models.Facts {
	f := p.facts()
	f.Checks = checks
	f.Decisions = []models.Decision{{Source: models.FromApplicant, Authority: models.ByProgress, Status: status, Reason: reason}}
	return f
}

// applicantWithdrawn records that a person no longer wants to be verified.
func applicantWithdrawn(p Person, reason string) models.Facts {
	return applicantReviewed(Review{Person: p, Verdict: models.StatusWithdrawn, By: models.ByAutomatic, Reason: reason})
}
