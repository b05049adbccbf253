package jobs

import "example.com/identity-webhooks/models"

// Screening is the result of a search for a person on lists of sanctions, politically exposed persons and adverse media.
type Screening struct {
	Person
	CheckID  string
	Status   models.CheckStatus // CheckClear, CheckHit, CheckError, CheckNotRun; CheckInReview for an unknown word
	Reason   string             // what was searched for, or found
	HitCount int
	Hits     []models.Hit // with their Resolution, where they have one
	CaseID   string       // the case that the provider opened for it
}

// screeningCompleted records the result of a screening. A clear result lifts an earlier hold. A hit puts the person on hold, and so do hits
// with any other result. A clear result with hits contradicts itself: it does neither.
func screeningCompleted(s Screening) models.Facts {
	found := s.HitCount > 0 || len(s.Hits) > 0
	if s.Status == models.CheckHit || found && s.Status != models.CheckClear {
		return screeningHit(s)
	}
	check := models.Check{Kind: models.ScreeningCheck, CheckID: s.CheckID, Status: s.Status, Reason: s.Reason}
	if found {
		check.Status, check.HitCount = models.CheckInReview, s.HitCount
	}
	f := checkCompleted(s.Person, check)
	if found {
		f.Drift = append(f.Drift, "a clear screening counts hits")
	}
	return f
}
