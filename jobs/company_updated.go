package jobs

import "example.com/identity-webhooks/models"

// companyUpdated reacts to what is said about a company or one of the people behind it. No customer changes.
func companyUpdated(k models.CompanyChange) (models.Change, error) {
	switch {
	case k.CompanyID == "":
		return models.Change{}, missing("company_id")
	case k.Owner != nil && k.Owner.OwnerID == "":
		return models.Change{}, missing("ubo_id")
	}
	return models.Change{Company: &k}, nil
}
