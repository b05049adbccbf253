package jobs

import "example.com/identity-webhooks/models"

// hitResolved reacts to a reviewer's word on a hit. A false positive lifts the hold as far as this hit is its cause; any
// other resolution leaves it.
func hitResolved(subject string, r models.HitResolution) (models.Change, error) {
	switch {
	case subject == "":
		return models.Change{}, missing("applicant_id")
	case r.HitID == "":
		return models.Change{}, missing("hit_id")
	case r.Resolution == "":
		return models.Change{}, missing("resolution")
	}
	return models.Change{SubjectID: subject, Resolved: []models.HitResolution{r}}, nil
}
