package jobs

import "example.com/identity-webhooks/models"

// Review is a verdict on a person.
type Review struct {
	SubjectID string
	Profile   models.Profile
	Verdict   models.Status // Verified, Rejected or InReview
	Authority models.Authority
	Reason    string
	Reviewer  string // the provider's ID of who decided
}

// applicantReviewed reacts to a verdict on a person. A manual one stands until the next manual one, whatever automatic
// results arrive.
func applicantReviewed(r Review) (models.Change, error) {
	if r.SubjectID == "" {
		return models.Change{}, missing("applicant_id")
	}
	return models.Change{
		SubjectID: r.SubjectID,
		Profile:   r.Profile,
		Decisions: []models.Decision{{
			Source: models.FromApplicant, Authority: r.Authority, Status: r.Verdict, Reason: r.Reason, Reviewer: r.Reviewer,
		}},
	}, nil
}
