package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestLegalTalentReadings(t *testing.T) {
	const processed = "legaltalent/kyc.session.processed"
	read(t, map[string]reading{
		"created":                    {"legaltalent/kyc.session.created", nil, "pending by progress"},
		"completed":                  {"legaltalent/kyc.session.completed", nil, "in_progress by progress"},
		"passed":                     {processed, nil, "verified by automatic"},
		"passed, in other letters":   {processed, []any{"data.status", "approved ", "data.final_decision", "APPROVED"}, "verified by automatic"},
		"passed, no final decision":  {processed, []any{"data.final_decision", nil}, "verified by automatic"},
		"flagged":                    {processed, []any{"data.final_decision", "flagged"}, "verified by automatic"},
		"unknown final decision":     {processed, []any{"data.final_decision", "surprise"}, "in_review by automatic"},
		"unreadable final decision":  {processed, []any{"data.final_decision", raw("[]")}, "in_review by automatic"},
		"rejected":                   {processed, []any{"data.status", "REJECTED"}, "failed by automatic"},
		"no status":                  {processed, []any{"data.status", nil}, "in_review by automatic"},
		"approved by an officer":     {"legaltalent/kyc.session.approved", nil, "verified by manual"},
		"rejected by an officer":     {"legaltalent/kyc.session.rejected", nil, "rejected by manual"},
		"sent to review":             {"legaltalent/kyc.session.manual_review", nil, "in_review by automatic"},
		"watchlist":                  {"legaltalent/watchlist.new_match", nil, "alert"},
		"watchlist, a person's name": {"legaltalent/watchlist.new_match", []any{"data", raw(`{"customer_id":7}`)}, "alert"},
	})
}

// "Flagged" adds a flag, and a pass without it takes the flag away.
func TestLegalTalentFlags(t *testing.T) {
	t.Parallel()
	for final, want := range map[string][]string{"flagged": {"flagged"}, "approved": {}} {
		f := facts(t, sample(t, "legaltalent/kyc.session.processed", "data.final_decision", final))
		if diff := cmp.Diff(want, f.Profile[models.Flags]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", final, diff)
		}
	}
}
