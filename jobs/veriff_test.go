package jobs

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestVeriffReadings(t *testing.T) {
	const decision, code, status = "veriff/decision", "verification.code", "verification.status"
	const variant = "veriff/variants/decision."
	const match, matched = "veriff/watchlist", "screening hit 1"
	read(t, map[string]reading{
		"approved":                {decision, nil, "verified by automatic"},
		"approved, other letters": {decision, []any{status, " Approved"}, "verified by automatic"},
		"approved, no code":       {decision, []any{code, nil}, "verified by automatic"},
		"approved, unknown code":  {decision, []any{code, 9002}, "in_review by automatic"},
		"declined":                {variant + "declined", nil, "failed by automatic"},
		"resubmission":            {variant + "resubmission", nil, "in_progress by automatic"},
		"expired":                 {variant + "expired", nil, "withdrawn by automatic"},
		"abandoned":               {variant + "abandoned", nil, "withdrawn by automatic"},
		"abandoned in 2019":       {variant + "abandoned", []any{code, 9104}, "withdrawn by automatic"},
		"review":                  {variant + "review", nil, "in_review by automatic"},
		"9151 in 2019":            {variant + "undecided", nil, "in_progress by progress"},
		"9161 in 2019":            {decision, []any{code, 9161}, "in_progress by progress"},
		"code of another status":  {variant + "contradictory", nil, "in_review by automatic"},
		"9001, declined":          {decision, []any{status, "declined"}, "in_review by automatic"},
		"9001, no status":         {decision, []any{status, nil}, "in_review by automatic"},
		"9001, unreadable status": {decision, []any{status, raw("{}")}, "in_review by automatic"},
		"unknown status":          {variant + "unknown", nil, "in_review by automatic"},

		"started":      {"veriff/event.started", nil, "in_progress by progress"},
		"submitted":    {"veriff/event.submitted", nil, "in_progress by progress"},
		"another step": {"veriff/event.started", []any{"action", "approved"}, "in_progress by progress"},

		"match":                    {match, nil, matched},
		"match, not counted":       {match, []any{"totalHits", 0}, "screening hit"},
		"match in an older form":   {"veriff/variants/watchlist.match_status", nil, matched},
		"reviewed":                 {"veriff/variants/watchlist.reviewed", nil, matched},
		"no match":                 {"veriff/variants/watchlist.clear", nil, "screening clear"},
		"no match, inside of data": {"veriff/variants/watchlist.inside_data", nil, "screening clear"},
		"no match, but counted":    {"veriff/variants/watchlist.clear", []any{"totalHits", 1}, "screening in_review 1"},
		"one word of each":         {match, []any{"matchStatus", "no_match"}, matched},
		"no match in one form, an unknown word in the other": {"veriff/variants/watchlist.clear", []any{"matchStatus", "surprise"}, "screening in_review"},
		"unknown word": {"veriff/variants/watchlist.unknown", nil, "screening in_review"},
		"full auto":    {"veriff/fullauto", nil, "ignored"},
	})
}

// A request for another attempt is a flag until the next decision. A step leaves it alone.
func TestVeriffProfiles(t *testing.T) {
	t.Parallel()
	base := models.Profile{models.ExternalID: "acct-30518", models.FirstName: "NADIA", models.LastName: "OYELARAN", models.Flags: []string{}}
	asked := models.Profile{models.ExternalID: "acct-30518", models.FirstName: "NADIA", models.LastName: "OYELARAN", models.Flags: []string{"resubmission_requested"}}
	for name, want := range map[string]models.Profile{
		"decision": base, "variants/decision.declined": base, "variants/decision.resubmission": asked,
		"event.submitted": {models.ExternalID: "acct-30518"}, "watchlist": {models.ExternalID: "acct-30518"},
	} {
		f := facts(t, sample(t, "veriff/"+name))
		if diff := cmp.Diff(want, f.Profile); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f := facts(t, sample(t, "veriff/variants/decision.declined", "verification.vendorData", nil, "verification.endUserId", "end-user-1"))
	if f.Profile[models.ExternalID] != "end-user-1" || f.Decisions[0].Reason != "declined, Physical document not used, code 106" {
		t.Errorf("%+v", f)
	}
}

// An event that names no session fails, and is not tried again.
func TestVeriffWithoutSession(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{"veriff/decision": "verification.id", "veriff/event.started": "id", "veriff/watchlist": "sessionId"} {
		if _, err := NewRegistry().Translate(sample(t, name, id, nil)); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v, want %v", name, err, ErrPermanent)
		}
	}
}
