package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// Session is one run of a person through a provider's verification.
type Session struct {
	Person
	Verdict models.Status    // how it ended; empty if it has no verdict
	By      models.Authority // who decided; empty for an automatic result
	Reason  string
	Checks  []models.Check
}

// sessionCompleted records how a session ended. A session that is only "completed" has not passed: without a verdict it is progress.
func sessionCompleted(s Session) models.Facts {
	switch s.Verdict {
	case "":
		return sessionProgressed(s, models.StatusInProgress)
	case models.StatusFailed, models.StatusRejected:
		return sessionFailed(s)
	}
	return s.decided(s.Verdict, cmp.Or(s.By, models.ByAutomatic))
}

// reviewTakenBack adds that a reviewer's decision on the person's sessions no longer counts. Without it, that decision would stand until the
// next manual one. It comes first, because companyReviewed and the inspector's headline take the last decision.
func reviewTakenBack(f models.Facts) models.Facts {
	f.Decisions = append([]models.Decision{{Source: models.FromSession, Authority: models.ByManual}}, f.Decisions...)
	return f
}

func (s Session) decided(status models.Status, by models.Authority) models.Facts {
	f := s.facts()
	f.Checks = s.Checks
	f.Decisions = []models.Decision{{Source: models.FromSession, Authority: by, Status: status, Reason: s.Reason}}
	return f
}
