package jobs

import "example.com/identity-webhooks/models"

// Screening is the result of a search for a person on lists of sanctions, politically exposed persons and adverse media.
type Screening struct {
	SubjectID string
	Profile   models.Profile
	CheckID   string
	Reason    string // what was found
	HitCount  int
	Hits      []models.Hit
	CaseID    string // the case that the provider opened for it, if it says so
}

// screeningHit reacts to a screening that found somebody: the person is put on hold until the hits are resolved as false
// positives. The hold leaves the person's status alone.
func screeningHit(s Screening) (models.Change, error) {
	if s.SubjectID == "" {
		return models.Change{}, missing("applicant_id")
	}
	c := models.Change{
		SubjectID: s.SubjectID,
		Profile:   s.Profile,
		Checks: []models.Check{{
			Kind: models.ScreeningCheck, CheckID: s.CheckID, Status: models.CheckHit, HitCount: s.HitCount, Reason: s.Reason,
		}},
	}
	for _, h := range s.Hits {
		h.Kind, h.CheckID, h.CaseID = models.HitKind, s.CheckID, s.CaseID
		c.Hits = append(c.Hits, h)
	}
	if s.CaseID != "" {
		c.Cases = []models.CaseChange{{CaseID: s.CaseID}}
	}
	return c, nil
}
