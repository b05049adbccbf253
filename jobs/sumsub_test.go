package jobs

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestSumsubReadings(t *testing.T) {
	const reviewed, action = "sumsub/applicantReviewed", "sumsub/applicantActionReviewed"
	const retry, final = "sumsub/variants/applicantReviewed.retry", "sumsub/variants/applicantReviewed.final"
	read(t, map[string]reading{
		"created":     {"sumsub/applicantCreated", nil, "pending by progress"},
		"pending":     {"sumsub/applicantPending", nil, "in_progress by progress"},
		"prechecked":  {"sumsub/applicantPrechecked", nil, "in_progress by progress"},
		"on hold":     {"sumsub/applicantOnHold", nil, "in_review by automatic"},
		"reset":       {"sumsub/applicantReset", nil, "pending by automatic"},
		"level":       {"sumsub/applicantLevelChanged", nil, "pending by automatic"},
		"deactivated": {"sumsub/applicantDeactivated", nil, "withdrawn by automatic"},
		"activated":   {"sumsub/applicantActivated", nil, ""},
		"deleted":     {"sumsub/applicantDeleted", nil, "withdrawn by automatic"},
		"erased":      {"sumsub/applicantPersonalDataDeleted", nil, "withdrawn by automatic"},
		"tags":        {"sumsub/applicantTagsChanged", nil, ""},

		"green":                    {reviewed, nil, "verified by automatic"},
		"green, other letters":     {reviewed, []any{"reviewResult.reviewAnswer", " Green"}, "verified by automatic"},
		"green, workflow":          {"sumsub/applicantWorkflowCompleted", nil, "verified by automatic"},
		"red, retry":               {retry, nil, "failed by automatic"},
		"red, final":               {final, nil, "rejected by automatic"},
		"red, neither":             {final, []any{"reviewResult.reviewRejectType", nil}, "failed by automatic"},
		"red, unknown":             {final, []any{"reviewResult.reviewRejectType", "surprise"}, "failed by automatic"},
		"red, workflow":            {"sumsub/applicantWorkflowCompleted", []any{"reviewResult.reviewAnswer", "RED"}, "failed by automatic"},
		"unknown answer":           {"sumsub/variants/applicantReviewed.unknown", nil, "in_review by automatic"},
		"unreadable answer":        {reviewed, []any{"reviewResult.reviewAnswer", raw("{}")}, "in_review by automatic"},
		"no result":                {reviewed, []any{"reviewResult", nil}, "in_review by automatic"},
		"result that is no object": {reviewed, []any{"reviewResult", "GREEN"}, "in_review by automatic"},
		"type of applicant unread": {reviewed, []any{"applicantType", raw("{}")}, "verified by automatic"},

		"action passed":          {action, nil, "identity passed"},
		"action failed":          {"sumsub/variants/applicantActionReviewed.red", nil, "identity failed"},
		"action, unknown answer": {action, []any{"reviewResult.reviewAnswer", "surprise"}, "identity in_review"},
		"action pending":         {"sumsub/applicantActionPending", nil, "identity pending"},
		"action on hold":         {"sumsub/applicantActionOnHold", nil, "identity in_review"},

		"transaction":      {"sumsub/applicantKytTxnApproved", nil, "ignored"},
		"transaction case": {"sumsub/amlCaseApproved", nil, "ignored"},
		"video call":       {"sumsub/videoIdentStatusChanged", nil, "ignored"},
	})
}

// A company's events change no person. What undoes its pass sends it to a review.
func TestSumsubCompanies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]models.Status{
		"applicantCreated": "", "applicantPending": "", "applicantTagsChanged": "", "applicantActionReviewed": "",
		"applicantReviewed": models.StatusVerified, "variants/applicantReviewed.retry": models.StatusFailed,
		"variants/applicantReviewed.final": models.StatusFailed, "variants/applicantReviewed.unknown": models.StatusInReview,
		"applicantReset": models.StatusInReview, "applicantOnHold": models.StatusInReview, "applicantDeleted": models.StatusInReview,
	} {
		company := &models.CompanyFacts{CompanyID: "c1"}
		if want != "" {
			company.Verified = &models.CompanyVerification{Status: want}
		}
		got := facts(t, sample(t, "sumsub/"+name, "applicantType", "Company", "applicantId", "c1"))
		got.Drift = nil
		if diff := cmp.Diff(models.Facts{Company: company}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A rejection's labels are the flags until a pass or a reset. The comment for staff is not kept.
func TestSumsubProfiles(t *testing.T) {
	t.Parallel()
	base := func(flags ...string) models.Profile {
		return models.Profile{models.ExternalID: "acct-20417", models.TenantID: "example.org", models.Flags: append([]string{}, flags...)}
	}
	unflagged := base()
	delete(unflagged, models.Flags)
	for name, want := range map[string]models.Profile{
		"applicantReviewed": base(), "applicantReset": base(), "applicantLevelChanged": base(), "applicantPending": unflagged,
		"variants/applicantReviewed.final": base("FORGERY"), "variants/applicantReviewed.unknown": unflagged,
		"applicantDeleted": personRedacted(Person{}).Profile, "applicantPersonalDataDeleted": personRedacted(Person{}).Profile,
	} {
		f := facts(t, sample(t, "sumsub/"+name))
		if diff := cmp.Diff(want, f.Profile); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f := facts(t, sample(t, "sumsub/variants/applicantReviewed.retry"))
	if want := "red, may retry, Please upload a photo of the whole page."; f.Decisions[0].Reason != want {
		t.Errorf("reason %q, want %q", f.Decisions[0].Reason, want)
	}
}

// An event that names no applicant fails, and is not tried again.
func TestSumsubWithoutApplicant(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sumsub/applicantReviewed", "sumsub/variants/applicantReviewed.company", "sumsub/applicantActionReviewed"} {
		if _, err := NewRegistry().Translate(sample(t, name, "applicantId", nil)); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v, want %v", name, err, ErrPermanent)
		}
	}
}
