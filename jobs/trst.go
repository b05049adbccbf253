package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// trstEvents lists the event types of TRST.
func trstEvents(r *Registry) {
	on(r, "trst/v1/enrollment.completed", trstEnrollmentCompleted)
	ignore(r, "a test of the connection", "trst/v1/webhook.test")
	ignore(r, "seen by a demonstration device", "trst/v1/demo.scan.success")
}

// trstEnrollment is the part of enrollment.completed that we read.
//
// https://docs.trstinc.ca/webhooks/events.html
type trstEnrollment struct {
	ProjectID string `json:"project_id"`
	SessionID string `json:"data.session_id"`
	MemberID  string `json:"data.member_id"` // null in a global environment: then the session identifies the person
}

// trstEnrollmentCompleted records a palm as a passed check. It decides nothing about the person.
func trstEnrollmentCompleted(_ models.Event, p trstEnrollment) (models.Facts, error) {
	person := Person{
		ID:      cmp.Or(p.MemberID, p.SessionID),
		Profile: profile(map[models.ProfileField]string{models.TenantID: p.ProjectID}),
	}
	return checkCompleted(person, models.Check{
		Kind: models.BiometricCheck, CheckID: p.SessionID, Status: models.CheckPassed, Reason: "enrolled",
	}), nil
}
