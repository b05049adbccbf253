package jobs

import "example.com/identity-webhooks/models"

// Screening is the result of a search for a person on lists of sanctions, politically exposed persons and adverse media.
type Screening struct {
	SubjectID string
	Profile   models.Profile
	CheckID   string
	Status    models.CheckStatus // CheckClear, CheckHit, CheckError or CheckInReview
	Reason    string             // what was searched, or found
	HitCount  int
	Hits      []models.Hit
	CaseID    string // the case that the provider opened for it, if it says so
}

// screeningCompleted reacts to the result of a screening. A clear one lifts an earlier hold; a hit raises one.
func screeningCompleted(s Screening) (models.Change, error) {
	if s.Status == models.CheckHit {
		return screeningHit(s)
	}
	return checkCompleted(s.SubjectID, s.Profile, models.Check{
		Kind: models.ScreeningCheck, CheckID: s.CheckID, Status: s.Status, Reason: s.Reason,
	})
}
