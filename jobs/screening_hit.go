package jobs

import "example.com/identity-webhooks/models"

// screeningHit reacts to a screening that found somebody: the person is put on hold until the hits are resolved as false
// positives. The hold leaves the person's status alone.
func screeningHit(s Screening) (models.Change, error) {
	c, err := checkCompleted(s.SubjectID, s.Profile, models.Check{
		Kind: models.ScreeningCheck, CheckID: s.CheckID, Status: models.CheckHit, HitCount: s.HitCount, Reason: s.Reason,
	})
	if err != nil {
		return c, err
	}
	for _, h := range s.Hits {
		if h.HitID == "" {
			return c, missing("hit_id")
		}
		h.Kind, h.CheckIDs, h.CaseID = models.HitKind, models.Strings{s.CheckID}, s.CaseID
		c.Hits = append(c.Hits, h)
	}
	c.Cases = named(s.CaseID)
	return c, nil
}

// named links the case that an event about a person names, if it names one.
func named(caseID string) []models.CaseChange {
	if caseID == "" {
		return nil
	}
	return []models.CaseChange{{CaseID: caseID}}
}
