package jobs

import "testing"

func TestPersonaReadings(t *testing.T) {
	const match = "data.attributes.payload.data.attributes.has-match"
	const about = "data.attributes.payload.data.relationships"
	read(t, map[string]reading{
		"created":           {"persona/inquiry.created", nil, "pending by progress"},
		"started":           {"persona/inquiry.started", nil, "in_progress by progress"},
		"completed":         {"persona/inquiry.completed", nil, "in_progress by progress"},
		"failed":            {"persona/inquiry.failed", nil, "failed by automatic"},
		"marked for review": {"persona/inquiry.marked-for-review", nil, "in_review by automatic"},
		"approved":          {"persona/inquiry.approved", nil, "verified by manual"},
		"declined":          {"persona/inquiry.declined", nil, "rejected by manual"},
		"expired":           {"persona/inquiry.expired", nil, "withdrawn by progress"},
		"redacted":          {"persona/inquiry.redacted", nil, ""},
		"account redacted":  {"persona/account.redacted", nil, ""},
		"another step":      {"persona/inquiry.transitioned", nil, "ignored"},

		"document passed":         {"persona/verification.passed", nil, "document passed"},
		"selfie passed":           {"persona/variants/verification.passed.selfie", nil, "biometric passed"},
		"database passed":         {"persona/verification.passed", []any{"data.attributes.payload.data.type", "verification/database"}, "identity passed"},
		"verification failed":     {"persona/verification.failed", nil, "document failed"},
		"verification once more":  {"persona/verification.requires-retry", nil, "document pending"},
		"verification left out":   {"persona/verification.canceled", nil, "document not_run"},
		"matched":                 {"persona/report/watchlist.matched", nil, "screening hit 1, hit"},
		"matched, blocked detail": {"persona/report/adverse-media.matched", []any{"data.attributes.payload.data.attributes", nil}, "screening hit 1, hit"},
		"ready with a match":      {"persona/variants/report/watchlist.ready.match", nil, "screening hit"},
		"ready without a match":   {"persona/report/watchlist.ready", nil, "screening passed"},
		"ready, match blocked":    {"persona/report/watchlist.ready", []any{match, nil}, "screening in_review"},
		"errored":                 {"persona/report/politically-exposed-person.errored", nil, "screening error"},
		"dismissed":               {"persona/report/watchlist.dismissed", nil, "ignored"},
		"another report":          {"persona/report/phone-number.ready", nil, "ignored"},

		"case opened":             {"persona/case.created", nil, "case opened"},
		"case about nobody":       {"persona/case.created", []any{about, nil}, "case opened"},
		"case assigned":           {"persona/case.assigned", nil, "case assigned"},
		"case changed":            {"persona/case.updated", nil, "case linked"},
		"case resolved":           {"persona/case.resolved", nil, "case resolved "},
		"case opened again":       {"persona/case.reopened", nil, "case open"},
		"document, selfie, money": {"persona/transaction.created", nil, "ignored"},
	})
}

// The account stands for the person, wherever the event names it; without one, the inquiry does.
func TestPersonaPerson(t *testing.T) {
	t.Parallel()
	const account, inquiry = "act_Yh4TqWmVbN7cRz2KsD9fLxPe", "inq_Gt8JvXcB5nQw3LrM6kZyHdUa"
	const related, included = "data.attributes.payload.data.relationships", "data.attributes.payload.included"
	for name, c := range map[string]struct {
		sample string
		set    []any
		want   string
	}{
		"an inquiry's account":                {"persona/inquiry.approved", nil, account},
		"an inquiry without account":          {"persona/variants/inquiry.approved.without_account", nil, inquiry},
		"an inquiry without relationships":    {"persona/inquiry.approved", []any{related, nil}, inquiry},
		"an account":                          {"persona/account.redacted", nil, account},
		"a verification's inquiry's account":  {"persona/verification.passed", nil, account},
		"a verification's inquiry":            {"persona/verification.passed", []any{included, raw("[]")}, inquiry},
		"another inquiry's account":           {"persona/verification.passed", []any{included + ".0.id", "inq_other"}, inquiry},
		"an included account":                 {"persona/verification.passed", []any{included + ".0.type", "account", included + ".0.id", "act_1"}, "act_1"},
		"a report's account":                  {"persona/report/watchlist.matched", nil, account},
		"a case's account":                    {"persona/case.created", nil, account},
		"a case's inquiry":                    {"persona/case.created", []any{related + ".accounts", nil}, inquiry},
		"a case about several, and the first": {"persona/case.created", []any{related + ".accounts.data.1.id", "act_2"}, account},
	} {
		if got := facts(t, sample(t, c.sample, c.set...)).SubjectID; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
