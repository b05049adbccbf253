package jobs

import "example.com/identity-webhooks/models"

// Review is a verdict on a person.
type Review struct {
	Person
	Verdict  models.Status // StatusVerified, StatusRejected, StatusFailed, StatusInReview or StatusWithdrawn; see verdictUndone
	By       models.Authority
	Reason   string
	Reviewer string // the provider's ID of the person who decided
}

// applicantReviewed records a verdict on a person. A manual verdict stands until the next manual one, whatever automatic results arrive.
func applicantReviewed(r Review) models.Facts {
	f := r.facts()
	f.Decisions = []models.Decision{{
		Source: models.FromApplicant, Authority: r.By, Status: r.Verdict, Reason: r.Reason, Reviewer: r.Reviewer,
	}}
	return f
}

// verdictUndone records that an earlier automatic verdict on a person no longer counts, for example because the provider starts again. The
// status is StatusPending or StatusInReview. It counts as an automatic result: as progress, it would leave the earlier verdict standing.
func verdictUndone(p Person, status models.Status, reason string) models.Facts {
	return applicantReviewed(Review{Person: p, Verdict: status, By: models.ByAutomatic, Reason: reason})
}
