package jobs

import "example.com/identity-webhooks/models"

// sessionFailed records a session that the person did not pass. If a reviewer decided, it is a rejection, which stands until the next
// manual decision. Later automatic results may replace an automatic failure.
func sessionFailed(s Session) models.Facts {
	if s.By == models.ByManual {
		return s.decided(models.StatusRejected, models.ByManual)
	}
	return s.decided(models.StatusFailed, models.ByAutomatic)
}
