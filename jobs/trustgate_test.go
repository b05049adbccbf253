package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestTrustGateReadings(t *testing.T) {
	const reviewed, complete, session = "trustgate/applicant.reviewed", "trustgate/applicant.verification_complete", "trustgate/session.completed"
	rejected := func(set ...any) reading {
		return reading{"trustgate/variants/applicant.reviewed.rejected", set, "rejected by manual"}
	}
	with := func(r reading, want string) reading { r.want = want; return r }
	read(t, map[string]reading{
		"submitted":                    {"trustgate/applicant.submitted", nil, "in_progress by progress"},
		"approved by a person":         {reviewed, []any{"data.review_decision", "manual_approved"}, "verified by manual"},
		"approved automatically":       {reviewed, []any{"data.review_decision", "auto_approved"}, "verified by automatic"},
		"approved by nobody knows who": {reviewed, []any{"data.review_decision", nil}, "verified by automatic"},
		"unknown verdict":              {reviewed, []any{"data.status", "surprise"}, "in_review by manual"},
		"missing verdict":              {reviewed, []any{"data.status", nil}, "in_review by manual"},

		"rejected":                                  rejected(),
		"rejected, in other letters":                rejected("data.status", "REJECTED ", "data.review_decision", "Manual_Rejected"),
		"rejected, score as fraction":               rejected("data.risk_score", raw("18.0")),
		"rejected, score as text":                   rejected("data.risk_score", "18"),
		"rejected, score empty":                     rejected("data.risk_score", ""),
		"rejected, score an object":                 rejected("data.risk_score", raw("{}")),
		"rejected, flags an object":                 rejected("data.flags", raw("{}")),
		"rejected, reviewer an object":              rejected("data.reviewed_by", raw(`{"id":"u"}`)),
		"rejected, external ID a number":            rejected("data.external_id", 7),
		"rejected, all of it odd":                   rejected("data.risk_level", raw("[]"), "data.flags", 7, "data.reviewed_at", raw("{}"), "data.sandbox", raw("{}")),
		"rejected, decision missing":                rejected("data.review_decision", nil),
		"rejected, decision unreadable":             rejected("data.review_decision", raw("{}")),
		"rejected, status unreadable":               rejected("data.status", raw("{}")),
		"rejected, neither decision nor reviewer":   with(rejected("data.review_decision", nil, "data.reviewed_by", nil), "rejected by automatic"),
		"rejected automatically, despite a person":  with(rejected("data.review_decision", "auto_rejected"), "rejected by automatic"),
		"verification complete":                     {complete, nil, "verified by automatic, biometric passed, screening clear"},
		"verification complete, sandbox":            {complete, []any{"data.sandbox", true}, "sandbox, verified by automatic, biometric passed, screening clear"},
		"verification complete, rejected":           {complete, []any{"data.status", "rejected"}, "failed by automatic, biometric passed, screening clear"},
		"verification complete, unknown":            {complete, []any{"data.status", "Approved?"}, "in_review by automatic, biometric passed, screening clear"},
		"verification complete, hit":                {complete, []any{"data.screening_status", "HIT"}, "verified by automatic, biometric passed, screening hit"},
		"verification complete, unknown screening":  {complete, []any{"data.screening_status", "surprise"}, "verified by automatic, biometric passed, screening in_review"},
		"verification complete, odd biometrics":     {complete, []any{"data.biometrics_verified", "no"}, "verified by automatic, biometric failed, screening clear"},
		"session with a verdict":                    {session, nil, "verified by automatic"},
		"session rejected":                          {session, []any{"data.completion_data.final_status", "Rejected"}, "failed by automatic"},
		"session in review":                         {session, []any{"data.completion_data.final_status", "surprise"}, "in_review by automatic"},
		"session without a verdict":                 {session, []any{"data.completion_data", raw("[]")}, "in_progress by progress"},
		"session with an unreadable verdict":        {session, []any{"data.completion_data.final_status", raw("{}")}, "in_review by automatic"},
		"withdrawn":                                 {"trustgate/applicant.withdrawn", nil, "withdrawn by automatic"},
		"withdrawn, nobody named":                   {"trustgate/applicant.withdrawn", []any{"data", raw("{}")}, "ignored"},
		"document rejected under the name verified": {"trustgate/document.verified", []any{"data.status", "rejected"}, "document failed"},
		"case":                     {"trustgate/case.created", nil, "case opened"},
		"case with a number as ID": {"trustgate/case.created", []any{"data.case_id", 7}, "case opened"},
		"not sent yet":             {"trustgate/screening.hit", nil, "ignored"},

		"older, verified":                  {"trustgate/v1/applicant.verified", nil, "verified by automatic"},
		"older, rejected":                  {"trustgate/v1/applicant.rejected", []any{"data.risk_score", raw("[]")}, "rejected by automatic"},
		"older, pending review":            {"trustgate/v1/applicant.pending_review", []any{"data.review_reasons", "screening_hit"}, "in_review by automatic, case linked"},
		"older, face does not live":        {"trustgate/v1/biometric.verified", []any{"data.liveness.status", "spoof"}, "biometric in_review"},
		"older, face lives, other letters": {"trustgate/v1/biometric.verified", []any{"data.liveness.status", "LIVE"}, "biometric passed"},
		"older, case resolved, no action":  {"trustgate/v1/case.resolved", []any{"data.applicant_action", "none"}, "case resolved "},
		"older, case resolved, rejected":   {"trustgate/v1/case.resolved", []any{"data.applicant_action", "REJECTED"}, "case resolved rejected"},
		"older, case resolved, unreadable": {"trustgate/v1/case.resolved", []any{"data.applicant_action", raw("{}")}, "case resolved in_review"},
		"older, a company's case":          {"trustgate/v1/case.created", []any{"data.subject.type", "Company"}, "case opened"},
		"older, company":                   {"trustgate/v1/company.verified", []any{"data.ubo_count", "2"}, "company"},
	})
}

// An alarm holds, whatever in it cannot be read, and in whatever words it comes.
func TestTrustGateAlarms(t *testing.T) {
	const newer, hit, clear = "trustgate/screening.completed", "trustgate/v1/screening.hit", "trustgate/variants/screening.completed.clear"
	many := make([]map[string]any, 4096)
	for i := range many {
		many[i] = map[string]any{"hit_id": fmt.Sprint("hit_", i), "resolution_status": "pending"}
	}
	read(t, map[string]reading{
		"HIT":                        {newer, []any{"data.status", "HIT", "data.hit_count", 3}, "screening hit 3"},
		"an unknown word":            {newer, []any{"data.status", "potential_match", "data.hit_count", 3}, "screening hit 3"},
		"an unknown word, no count":  {newer, []any{"data.status", "potential_match", "data.hit_count", 0}, "screening in_review"},
		"an unreadable word":         {newer, []any{"data.status", raw("{}"), "data.hit_count", "3"}, "screening hit 3"},
		"no word":                    {newer, []any{"data.status", nil, "data.hit_count", 1.0}, "screening hit 1"},
		"a count beyond all numbers": {newer, []any{"data.status", "hmm", "data.hit_count", raw("1e999")}, "screening hit 2147483647"},
		"an error with hits":         {newer, []any{"data.status", "error", "data.hit_count", 2}, "screening hit 2"},
		"clear with hits":            {clear, []any{"data.hit_count", 2}, "screening in_review 2"},
		"CLEAR":                      {clear, []any{"data.status", " Clear"}, "screening clear"},
		"numbers as text":            {hit, []any{"data.hits.0.confidence", "88.4", "data.hit_count", raw("1.0")}, "screening hit 1, hit, case linked"},
		"a hit without ID":           {hit, []any{"data.hits", raw(`[{"hit_id":"h1"},{"matched_name":"X"}]`)}, "screening hit 2, hit, case linked"},
		"hits that are none":         {hit, []any{"data.hits", raw(`["x",7,null,[]]`)}, "screening hit 4, case linked"},
		"hits as an object":          {hit, []any{"data.hits", raw(`{"a":1}`)}, "screening hit 1, case linked"},
		"no hits, no count":          {hit, []any{"data.hits", nil, "data.hit_count", nil}, "screening hit, case linked"},
		"a hit listed twice":         {hit, []any{"data.hits", raw(`[{"hit_id":7},{"hit_id":"7"}]`)}, "screening hit 1, hit, case linked"},
		"a name that no database takes": {
			hit, []any{"data.hits.0.matched_name", raw(`"A\u0000 \ud83d"`)}, "screening hit 1, hit, case linked",
		},
		"a case with a number":     {hit, []any{"data.case_id", 7}, "screening hit 1, hit, case linked"},
		"a false positive":         {hit, []any{"data.hits.0.resolution_status", "FALSE_POSITIVE"}, "screening hit 1, hit, resolved false_positive, case linked"},
		"older, unknown word":      {"trustgate/v1/screening.completed", []any{"data.status", "match", "data.hits", raw(`[{}]`)}, "screening hit 1"},
		"a resolution, other case": {"trustgate/v1/screening.hit_resolved", []any{"data.hit_id", 41, "data.resolution", "False_Positive"}, "resolved false_positive"},
		"an alert without details": {"trustgate/v1/screening.monitoring_alert", []any{"data.details", raw("[]"), "data.alert_type", raw("{}")}, "alert, case linked"},
	})
	t.Run("4,096 hits", func(t *testing.T) {
		list, err := json.Marshal(many)
		if err != nil {
			t.Fatal(err)
		}
		f := facts(t, sample(t, hit, "data.hits", json.RawMessage(list), "data.hit_count", nil))
		if len(f.Hits) != maxList || f.Checks[0].HitCount != 4096 {
			t.Errorf("%d hits kept, %d counted", len(f.Hits), f.Checks[0].HitCount)
		}
	})
}

// A change clears a field where it says so, and only there.
func TestTrustGateChanges(t *testing.T) {
	t.Parallel()
	for changes, want := range map[string]models.Profile{
		`{"email":{"previous":"a@example.org","current":"b@example.org"}}`: {models.Email: "b@example.org"},
		`{"email":{"previous":"a@example.org","current":null}}`:            {models.Email: ""},
		`{"email":{"previous":"a@example.org","current":""}}`:              {models.Email: ""},
		`{"email":{"previous":"a@example.org"}}`:                           {},
		`{"email":{"current":{}},"first_name":{"current":"Ash"}}`:          {models.FirstName: "Ash"},
		`{"address":{"current":{"city":"Leeds"}}}`:                         {},
		`[]`: {},
	} {
		f := facts(t, sample(t, "trustgate/v1/applicant.updated", "data.changes", json.RawMessage(changes)))
		if diff := cmp.Diff(want, f.Profile); diff != "" {
			t.Errorf("%s (-want +got):\n%s", changes, diff)
		}
	}
}

// An event that does not say whom or what it is about fails, and is not tried again.
func TestTrustGateMissingSubject(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{
		"trustgate/applicant.reviewed": "data.applicant_id", "trustgate/case.created": "data.applicant_id", "trustgate/v1/applicant.updated": "data.applicant_id",
		"trustgate/v1/case.resolved": "data.case_id", "trustgate/v1/case.assigned": "data.assigned_to.user_id", "trustgate/v1/case.status_changed": "data.new_status",
		"trustgate/v1/screening.hit_resolved": "data.resolution", "trustgate/v1/company.verified": "data.company_id", "trustgate/v1/company.ubo_added": "data.ubo_id",
		"trustgate/v1/screening.monitoring_alert": "data.applicant_id", "trustgate/v1/case.created": "data.subject.id",
	} {
		for _, value := range []any{nil, ""} {
			if _, err := NewRegistry().Translate(sample(t, name, field, value)); !errors.Is(err, ErrPermanent) {
				t.Errorf("%s without %s: %v, want %v", name, field, err, ErrPermanent)
			}
		}
	}
}
