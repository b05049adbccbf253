package jobs

import "example.com/identity-webhooks/models"

// companyUpdated records what an event says about a company or one of the people behind it. No customer changes.
func companyUpdated(c models.CompanyFacts) models.Facts {
	return models.Facts{Company: &c}
}

// companyReviewed records about a company what facts say about a person, for providers that send both in the same form. Steps of a
// verification are not recorded. A company has fewer states than a person: one whose pass was undone waits for a review.
func companyReviewed(companyID string, f models.Facts) models.Facts {
	c := models.CompanyFacts{CompanyID: companyID}
	for _, d := range f.Decisions {
		if d.Authority == models.ByProgress {
			continue
		}
		c.Verified = &models.CompanyVerification{Status: models.StatusInReview}
		switch d.Status {
		case models.StatusVerified:
			c.Verified.Status = models.StatusVerified
		case models.StatusFailed, models.StatusRejected:
			c.Verified.Status = models.StatusFailed
		}
	}
	return companyUpdated(c)
}
