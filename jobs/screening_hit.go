package jobs

import "example.com/identity-webhooks/models"

// screeningHit records a screening that found somebody. It puts the person on hold until all hits are resolved as false positives, and does
// not change their status.
//
// A hit without an ID cannot be resolved, but it counts. So do hits beyond those that are kept.
func screeningHit(s Screening) models.Facts {
	hits, count := map[string]bool{}, 0
	f := s.facts()
	for _, h := range s.Hits {
		if h.HitID != "" && hits[h.HitID] {
			continue
		}
		hits[h.HitID] = true
		if count++; h.HitID == "" {
			continue
		}
		if h.Resolution == models.FalsePositive {
			f.Resolutions = append(f.Resolutions, models.Resolution{HitID: h.HitID, Resolution: h.Resolution})
		}
		h.Kind, h.CheckIDs, h.CaseID, h.Resolution = models.HitKind, []string{s.CheckID}, s.CaseID, ""
		f.Hits = append(f.Hits, h)
	}
	f.Checks = []models.Check{{
		Kind: models.ScreeningCheck, CheckID: s.CheckID, Status: models.CheckHit, HitCount: max(s.HitCount, count), Reason: s.Reason,
	}}
	f.Case = linkCase(s.CaseID)
	return f
}

// linkCase returns the facts that link a person to a case; nil without a case ID.
func linkCase(caseID string) *models.CaseFacts {
	if caseID == "" {
		return nil
	}
	return &models.CaseFacts{CaseID: caseID}
}
