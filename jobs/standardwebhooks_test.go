package jobs

import "testing"

func TestStandardWebhooksReadings(t *testing.T) {
	const completed = "standardwebhooks/verification.completed"
	read(t, map[string]reading{
		"valid":           {completed, nil, "verified by automatic, identity passed"},
		"other letters":   {completed, []any{"status", " Valid"}, "verified by automatic, identity passed"},
		"invalid":         {completed, []any{"status", "invalid"}, "failed by automatic, identity failed"},
		"technical error": {completed, []any{"status", "error"}, "in_review by automatic, identity error"},
		"expired":         {completed, []any{"status", "expired"}, "withdrawn by progress"},
		"unknown status":  {completed, []any{"status", "surprise"}, "in_review by automatic, identity in_review"},
		"no status":       {completed, []any{"status", nil}, "in_review by automatic, identity in_review"},
		"test":            {completed, []any{"environment", "test"}, "sandbox, verified by automatic, identity passed"},
		"stored":          {"standardwebhooks/verification.storage_committed", nil, "ignored"},
		"another type":    {completed, []any{"type", "verification.started"}, "ignored"},
	})
}
