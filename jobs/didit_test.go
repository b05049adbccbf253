package jobs

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestDiditReadings(t *testing.T) {
	const approved, variant = "didit/status.updated", "didit/variants/status.updated."
	const reviewed, aml = variant + "approved_by_reviewer", "decision.aml_screenings.0."
	const checks = "document passed, biometric passed, biometric passed"
	const failed = "document failed, biometric passed, biometric passed"
	read(t, map[string]reading{
		"not started":            {variant + "not_started", nil, "pending by progress"},
		"in progress":            {variant + "in_progress", nil, "in_progress by progress"},
		"awaiting user":          {variant + "awaiting_user", nil, "in_progress by progress"},
		"resubmitted":            {variant + "resubmitted", nil, "taken back by manual, in_progress by automatic"},
		"in review":              {variant + "in_review", nil, "in_review by automatic, " + checks + ", screening hit 2, hit, hit"},
		"approved":               {approved, nil, "verified by automatic, " + checks + ", screening clear"},
		"approved, version 2":    {"didit/v2/status.updated", nil, "verified by automatic, " + checks + ", screening clear"},
		"approved, in capitals":  {approved, []any{"status", "APPROVED"}, "verified by automatic, " + checks + ", screening clear"},
		"approved, no decision":  {approved, []any{"decision", nil}, "verified by automatic"},
		"declined":               {variant + "declined", nil, "failed by automatic, " + failed + ", screening clear"},
		"abandoned":              {variant + "abandoned", nil, "withdrawn by progress"},
		"expired":                {variant + "expired", nil, "withdrawn by progress"},
		"kyc expired":            {variant + "kyc_expired", nil, "taken back by manual, pending by automatic"},
		"unknown":                {variant + "unknown", nil, "in_review by automatic"},
		"no status":              {approved, []any{"status", nil}, "in_review by automatic, " + checks + ", screening clear"},
		"unreadable status":      {approved, []any{"status", raw("{}")}, "in_review by automatic, " + checks + ", screening clear"},
		"status of a step":       {approved, []any{"decision.liveness_checks.0.status", "surprise"}, "verified by automatic, document passed, biometric in_review, biometric passed, screening clear"},
		"approved by a reviewer": {reviewed, nil, "verified by manual, " + checks},
		"declined by a reviewer": {variant + "declined_by_reviewer", nil, "rejected by manual, " + failed + ", screening clear"},
		"approved after another step of a reviewer": {reviewed, []any{"decision.reviews.0.new_status", "Resubmitted"}, "verified by automatic, " + checks + ", screening hit 2, hit, hit"},
		"reviewer's status not said":                {reviewed, []any{"decision.reviews.0.new_status", nil}, "verified by manual, " + checks},
		"in review by a reviewer":                   {reviewed, []any{"status", "In Review", "decision.reviews.0.new_status", "In Review"}, "taken back by manual, in_review by automatic, " + checks + ", screening hit 2, hit, hit"},
		"in review after a reviewer's approval":     {reviewed, []any{"status", "In Review"}, "in_review by automatic, " + checks + ", screening hit 2, hit, hit"},
		"approved, and reviewed again, newest last": {reviewed, []any{"decision.reviews", raw(`[{"new_status":"Approved","created_at":"2026-03-02T10:00:00Z"},{"new_status":"In Review","created_at":"2026-03-02T10:05:00Z"}]`)}, "verified by automatic, " + checks + ", screening hit 2, hit, hit"},
		"approved after a review, newest first":     {reviewed, []any{"decision.reviews", raw(`[{"new_status":"Approved","created_at":"2026-03-02T10:05:00Z"},{"new_status":"In Review","created_at":"2026-03-02T10:00:00Z"}]`)}, "verified by manual, " + checks},

		"list declined":                 {variant + "aml", nil, "failed by automatic, " + checks + ", screening hit 2, hit, hit"},
		"list declined, nothing named":  {approved, []any{aml + "status", "Declined"}, "verified by automatic, " + checks + ", screening hit"},
		"list approved, but hits":       {approved, []any{aml + "total_hits", 1}, "verified by automatic, " + checks + ", screening in_review 1"},
		"list in review":                {approved, []any{aml + "status", "In Review"}, "verified by automatic, " + checks + ", screening in_review"},
		"list of unknown status, hits":  {approved, []any{aml + "status", "surprise", aml + "total_hits", 2}, "verified by automatic, " + checks + ", screening hit 2"},
		"list without a result, a hit":  {approved, []any{aml + "status", nil, aml + "hits", raw(`[{"id":"h1"}]`)}, "verified by automatic, " + checks + ", screening hit 1, hit"},
		"list declined, in version 2":   {"didit/v2/status.updated", []any{"decision.aml.status", "Declined"}, "verified by automatic, " + checks + ", screening hit"},
		"hits that cannot be read":      {approved, []any{aml + "status", "In Review", aml + "total_hits", "2.0", aml + "hits", "many"}, "verified by automatic, " + checks + ", screening hit 2"},
		"data updated":                  {"didit/data.updated", nil, ""},
		"data updated, version 2":       {"didit/v2/data.updated", nil, ""},
		"data updated, status declined": {"didit/data.updated", []any{"status", "Declined"}, ""},
		"user":                          {"didit/user.status.updated", nil, ""},
		"user's data":                   {"didit/user.data.updated", nil, ""},
		"business":                      {"didit/business.status.updated", nil, "company"},
		"session of a business":         {variant + "business", nil, "company"},
		"transaction":                   {"didit/transaction.created", nil, "ignored"},
		"travel rule":                   {"didit/travel_rule.status.updated", nil, "ignored"},
		"workflow":                      {"didit/workflow.compliance_changed", nil, "ignored"},
		"activity":                      {"didit/activity.created", nil, "ignored"},
	})
}

func TestDiditProfiles(t *testing.T) {
	t.Parallel()
	base := models.Profile{models.ExternalID: "acct-40716", models.TenantID: "3f6c1d84-9b27-4e50-8a13-d5e0c7b2f961"}
	with := func(pairs ...any) models.Profile {
		p := models.Profile{}
		for field, value := range base {
			p[field] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			p[pairs[i].(models.ProfileField)] = pairs[i+1]
		}
		return p
	}
	named := with(models.FirstName, "Lucía", models.LastName, "Fernández")
	for name, want := range map[string]models.Profile{
		"status.updated": named, "v2/status.updated": named, "variants/status.updated.in_progress": base,
		"data.updated":        with(models.FirstName, "Lucía Inés", models.LastName, "Fernández Ruiz"),
		"v2/data.updated":     with(models.FirstName, "Lucía Inés", models.LastName, "Fernández"),
		"user.status.updated": with(models.Flags, []string{"blocked"}), "variants/user.status.updated.active": with(models.Flags, []string{}),
		"user.data.updated": with(models.Flags, []string{}),
	} {
		if diff := cmp.Diff(want, facts(t, sample(t, "didit/"+name)).Profile); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f := facts(t, sample(t, "didit/status.updated", "decision.email_verifications", raw(`[{"status":"Approved","email":"lucia@example.org"}]`)))
	if f.Profile[models.Email] != "lucia@example.org" {
		t.Errorf("%+v", f.Profile)
	}
	if f := facts(t, sample(t, "didit/user.status.updated", "status", nil)); f.Profile[models.Flags] != nil || len(f.Decisions) > 0 {
		t.Errorf("a status that is missing: %+v", f)
	}
	for name, want := range map[string]string{
		"resubmitted": "resubmitted, id_verification_1", "approved_by_reviewer": "approved, another person of that name", "kyc_expired": "kyc_expired",
	} {
		if got := facts(t, sample(t, "didit/variants/status.updated."+name)).Decisions; got[len(got)-1].Reason != want {
			t.Errorf("%s: %+v, want the reason %q", name, got, want)
		}
	}
}

// A company's events change no person.
func TestDiditCompanies(t *testing.T) {
	t.Parallel()
	const session, business = "didit/variants/status.updated.business", "didit/business.status.updated"
	for name, c := range map[string]struct {
		sample string
		set    []any
		want   models.Status
	}{
		"approved":       {session, nil, models.StatusVerified},
		"declined":       {session, []any{"status", "Declined"}, models.StatusFailed},
		"expired":        {session, []any{"status", "Kyc Expired"}, models.StatusInReview},
		"unknown":        {session, []any{"status", "surprise"}, models.StatusInReview},
		"in progress":    {session, []any{"status", "Awaiting User"}, ""},
		"kind not said":  {session, []any{"session_kind", nil}, models.StatusVerified},
		"data of it":     {"didit/variants/data.updated.business", nil, ""},
		"flagged":        {business, nil, models.StatusInReview},
		"blocked":        {"didit/variants/business.status.updated.blocked", nil, models.StatusFailed},
		"active again":   {business, []any{"status", "ACTIVE"}, models.StatusInReview},
		"changed fields": {"didit/business.data.updated", nil, ""},
	} {
		company := &models.CompanyFacts{CompanyID: "firm-118"}
		if c.want != "" {
			company.Verified = &models.CompanyVerification{Status: c.want}
		}
		got := facts(t, sample(t, c.sample, c.set...))
		got.Drift = nil
		if diff := cmp.Diff(models.Facts{Company: company}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A person is known by your own ID, and without it by the session. An event that has neither fails, and is not tried again.
func TestDiditSubjects(t *testing.T) {
	t.Parallel()
	if f := facts(t, sample(t, "didit/variants/status.updated.no_vendor_data")); f.SubjectID != "9f4a2c71-6b3d-4e80-95d7-c1e8a0b6f342" || f.Profile[models.ExternalID] != nil {
		t.Errorf("without vendor_data: %+v", f)
	}
	for name, set := range map[string][]any{
		"status.updated": {"vendor_data", nil, "session_id", nil}, "data.updated": {"vendor_data", nil, "session_id", nil},
		"user.status.updated": {"vendor_data", nil}, "business.status.updated": {"vendor_data", nil},
	} {
		if _, err := NewRegistry().Translate(sample(t, "didit/"+name, set...)); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v, want %v", name, err, ErrPermanent)
		}
	}
}
