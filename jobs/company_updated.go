package jobs

import "example.com/identity-webhooks/models"

// companyUpdated records what an event says about a company or one of the people behind it. No customer changes.
func companyUpdated(c models.CompanyFacts) models.Facts {
	return models.Facts{Company: &c}
}
