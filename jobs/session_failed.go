package jobs

import "example.com/identity-webhooks/models"

// sessionFailed reacts to a session that did not pass: an automatic no, which a person may overrule.
func sessionFailed(s Session) (models.Change, error) {
	s.Verdict = models.FailedAuto
	return sessionDecided(s, models.Automatic)
}
