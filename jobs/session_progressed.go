package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// sessionProgressed records a step of a session: created, started, waiting for a decision. It counts only until there is a result.
func sessionProgressed(s Session, status models.Status) models.Facts {
	return s.decided(status, models.ByProgress)
}

// sessionWithdrawn records a session that the person or the integrator abandoned.
func sessionWithdrawn(s Session) models.Facts {
	return s.decided(models.StatusWithdrawn, cmp.Or(s.By, models.ByAutomatic))
}
