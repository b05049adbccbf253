package jobs

import "testing"

func TestTrustistReadings(t *testing.T) {
	const older, newer = "trustist/v1/onboard.session.completed", "trustist/onboard.session.completed"
	read(t, map[string]reading{
		"passed":                        {older, nil, "verified by automatic, identity passed, ais passed"},
		"passed, in other letters":      {older, []any{"data.progress.identity.status", " Passed"}, "verified by automatic, identity passed, ais passed"},
		"bank step failed":              {older, []any{"data.progress.ais.status", "failed"}, "in_review by automatic, identity passed, ais failed"},
		"no bank step":                  {older, []any{"data.progress.ais", nil}, "verified by automatic, identity passed"},
		"no bank step, as PHP says so":  {older, []any{"data.progress.ais", raw("[]")}, "verified by automatic, identity passed"},
		"unreadable bank step":          {older, []any{"data.progress.ais", "?"}, "in_review by automatic, identity passed, ais in_review"},
		"unknown word":                  {older, []any{"data.progress.identity.status", "surprise"}, "in_review by automatic, identity in_review, ais passed"},
		"no progress":                   {older, []any{"data.progress", raw("[]")}, "in_review by automatic"},
		"completed that failed":         {older, []any{"data.status", "failed"}, "in_review by automatic, identity passed, ais passed"},
		"failed":                        {"trustist/v1/onboard.session.failed", nil, "failed by automatic, identity failed"},
		"confirmed":                     {newer, nil, "verified by automatic, identity passed, ais pending"},
		"confirmed, as text":            {newer, []any{"Session.Progress.Identity.Confirmed", "true"}, "verified by automatic, identity passed, ais pending"},
		"not confirmed":                 {newer, []any{"Session.Progress.Identity.Confirmed", nil}, "in_review by automatic, identity in_review, ais pending"},
		"denied":                        {newer, []any{"Session.Progress.Identity.Confirmed", false}, "in_review by automatic, identity failed, ais pending"},
		"confirmed, unreadable":         {newer, []any{"Session.Progress.Identity.Confirmed", "yes"}, "in_review by automatic, identity failed, ais pending"},
		"bank account denied":           {newer, []any{"Session.Progress.Ais.Confirmed", false}, "in_review by automatic, identity passed, ais failed"},
		"bank account, unreadable":      {newer, []any{"Session.Progress.Ais.Confirmed", raw("{}")}, "in_review by automatic, identity passed, ais failed"},
		"no steps":                      {newer, []any{"Session.Progress", nil}, "in_review by automatic"},
		"a failure in the newer form":   {"trustist/variants/onboard.session.failed.v2", nil, "failed by automatic, identity failed, ais passed"},
		"names in the older form's way": {newer, []any{"Session.Progress.Identity.confirmed", true, "Session.Progress.Identity.Confirmed", nil}, "in_review by automatic, identity in_review, ais pending"},
		"a payment":                     {"trustist/payment.completed", nil, "ignored"},
	})
}
