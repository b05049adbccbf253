package jobs

import "example.com/identity-webhooks/models"

// Session is what a provider says about one run of a person through its verification.
type Session struct {
	SubjectID string
	Profile   models.Profile
	Verdict   models.Status // Verified, InReview or FailedAuto; InProgress where the session ends without a verdict
	Reason    string
	Checks    []models.Check
}

// sessionCompleted reacts to the end of a session. "Completed" alone is not a pass: without a verdict it is only progress.
func sessionCompleted(s Session) (models.Change, error) {
	authority := models.Automatic
	if s.Verdict == models.InProgress {
		authority = models.Progress
	}
	return sessionDecided(s, authority)
}

// sessionDecided records a verdict on a session, by whatever authority.
func sessionDecided(s Session, authority models.Authority) (models.Change, error) {
	if s.SubjectID == "" {
		return models.Change{}, missing("ID of the person or session")
	}
	return models.Change{
		SubjectID: s.SubjectID,
		Profile:   s.Profile,
		Checks:    s.Checks,
		Decisions: []models.Decision{{
			Source: models.FromSession, Authority: authority, Status: s.Verdict, Reason: s.Reason,
		}},
	}, nil
}
