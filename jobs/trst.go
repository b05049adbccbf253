package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// trstEnrollment is what we read of enrollment.completed.
//
// https://docs.trstinc.ca/webhooks/events.html
type trstEnrollment struct {
	ProjectID string `json:"project_id"`
	Data      struct {
		SessionID string `json:"session_id"`
		MemberID  string `json:"member_id"` // null in a global environment: then the session stands for the person
	} `json:"data"`
}

// trstEnrollmentCompleted keeps the palm as a passed check: it recognises a person, and decides nothing about them.
func trstEnrollmentCompleted(_ models.Event, p trstEnrollment) (models.Change, error) {
	return checkCompleted(cmp.Or(p.Data.MemberID, p.Data.SessionID), models.Profile{TenantID: p.ProjectID}, models.Check{
		Kind: models.BiometricCheck, CheckID: p.Data.SessionID, Status: models.CheckPassed, Reason: "enrolled",
	})
}
