package jobs

import (
	"errors"
	"strings"
	"testing"

	"example.com/identity-webhooks/models"
)

func TestOnfidoReadings(t *testing.T) {
	const run, variant = "onfido/workflow_run.completed", "onfido/variants/workflow_run.completed."
	const status = "payload.resource.status"
	read(t, map[string]reading{
		"approved":                     {run, nil, "verified by automatic"},
		"approved, other letters":      {run, []any{status, " Approved"}, "verified by automatic"},
		"another status of the object": {run, []any{"payload.object.status", "declined"}, "verified by automatic"},
		"declined":                     {variant + "declined", nil, "failed by automatic"},
		"review":                       {variant + "review", nil, "in_review by automatic"},
		"error":                        {variant + "error", nil, "in_review by automatic"},
		"abandoned":                    {variant + "abandoned", nil, "withdrawn by progress"},
		"complete is not passed":       {variant + "unknown", nil, "in_review by automatic"},
		"not done":                     {run, []any{status, "awaiting_client_input"}, "in_progress by progress"},
		"no status":                    {run, []any{status, nil}, "in_review by automatic"},
		"unreadable status":            {run, []any{status, raw("{}")}, "in_review by automatic"},
		"output that is a list":        {run, []any{"payload.resource.output", raw("[1]")}, "verified by automatic"},
		"no content":                   {variant + "thin", nil, "ignored"},
		"step that is a check":         {"onfido/workflow_task.completed", nil, "ignored"},
		"step with a list":             {"onfido/variants/workflow_task.completed.upload", nil, "ignored"},
		"step begins":                  {"onfido/workflow_task.started", nil, "ignored"},
		"check":                        {"onfido/check.completed", nil, "ignored"},
		"audit log":                    {"onfido/audit_log.created", nil, "ignored"},
		"file":                         {"onfido/workflow_timeline_file.created", nil, "ignored"},
	})
}

// What is read says what the events only name.
func TestOnfidoAnswers(t *testing.T) {
	t.Parallel()
	answers := map[string]models.Event{}
	eachSample(t, func(name string, e models.Event) {
		if short, isAnswer := strings.CutSuffix(name, ", read"); isAnswer {
			answers[strings.TrimPrefix(short, "onfido/")] = e
		}
	})
	const check, report = "check.completed", "report.completed"
	const passed = "document passed, biometric passed"
	for name, c := range map[string]struct {
		answer string
		set    []any
		want   string
	}{
		"clear":                    {check, nil, "verified by automatic, " + passed},
		"consider":                 {"variants/check.completed.consider", nil, "in_review by automatic, document in_review, biometric passed"},
		"unknown result":           {"variants/check.completed.unknown", nil, "in_review by automatic, " + passed},
		"no result":                {check, []any{"result", nil}, "in_review by automatic, " + passed},
		"unknown status":           {check, []any{"status", "surprise"}, "in_review by automatic, " + passed},
		"clear, but not done":      {check, []any{"status", "in_progress"}, "in_progress by progress, " + passed},
		"clear, but reopened":      {check, []any{"status", "reopened"}, "in_review by automatic, " + passed},
		"clear, but withdrawn":     {check, []any{"status", "withdrawn"}, "withdrawn by progress, " + passed},
		"waits for the person":     {check, []any{"status", "awaiting_applicant"}, "in_progress by progress, " + passed},
		"paused":                   {check, []any{"status", "paused"}, "in_progress by progress, " + passed},
		"started":                  {"check.started", nil, "in_progress by progress, document pending, biometric pending"},
		"reopened":                 {"check.reopened", nil, "in_review by automatic, document pending, biometric pending"},
		"withdrawn":                {"check.withdrawn", nil, "withdrawn by progress, document not_run"},
		"match":                    {"variants/check.completed.match", nil, "in_review by automatic, document passed, screening hit 2"},
		"only a watchlist":         {"variants/check.completed.watchlist", nil, "screening passed"},
		"no reports":               {check, []any{"reports", raw(`{"reports":[]}`)}, "in_review by automatic"},
		"reopened, read late":      {check, []any{"event", "check.reopened", "status", "in_progress"}, "in_review by automatic, " + passed},
		"reopened, complete again": {check, []any{"event", "check.reopened"}, "verified by automatic, " + passed},
		"sandbox":                  {"variants/check.completed.sandbox", nil, "sandbox, verified by automatic, " + passed},

		"report":                   {report, nil, "document passed"},
		"report, consider":         {"variants/report.completed.consider", nil, "biometric in_review"},
		"report, unknown result":   {report, []any{"result", "surprise"}, "document in_review"},
		"report, unknown status":   {report, []any{"status", "surprise"}, "document in_review"},
		"report of another kind":   {report, []any{"name", "proof_of_address"}, "identity passed"},
		"report with matches":      {"variants/report.completed.match", nil, "screening hit 1"},
		"clear, but with matches":  {"variants/report.completed.match", []any{"result", "clear"}, "screening hit 1"},
		"match that waits":         {"variants/report.completed.match", []any{"status", "awaiting_approval"}, "screening hit 1"},
		"match of unknown status":  {"variants/report.completed.match", []any{"status", nil}, "screening hit 1"},
		"report waits":             {"report.awaiting_approval", nil, "document in_review"},
		"report goes on":           {"report.resumed", nil, "document pending"},
		"report withdrawn":         {"report.withdrawn", nil, "document not_run"},
		"report cancelled":         {"report.cancelled", nil, "document not_run"},
		"monitor":                  {"watchlist_monitor.matches_updated", nil, "screening hit"},
		"monitor of the sandbox":   {"watchlist_monitor.matches_updated", []any{"is_sandbox", true}, "sandbox, screening hit"},
		"run":                      {"variants/workflow_run.completed.thin", nil, "verified by automatic"},
		"task":                     {"workflow_task.completed", nil, "document passed"},
		"task, consider":           {"workflow_task.completed", []any{"output.result", "consider"}, "document in_review"},
		"task with a match":        {"variants/workflow_task.completed.match", nil, "screening hit 1"},
		"task with another output": {"workflow_task.completed", []any{"output", raw("[]")}, "document in_review"},
	} {
		e := answers[c.answer]
		e.Body = changed(t, e.Body, c.set...)
		if got := summary(facts(t, e)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	for name, member := range map[string]string{
		check: "applicant_id", report: "check.applicant_id", "watchlist_monitor.matches_updated": "applicant_id", "workflow_task.completed": "workflow_run.applicant_id",
	} {
		e := answers[name]
		e.Body = changed(t, e.Body, member, nil)
		if _, err := NewRegistry().Translate(e); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s without %s: %v, want %v", name, member, err, ErrPermanent)
		}
	}
}

// What each event leads to reading. Nothing of it comes from a URL.
func TestOnfidoRequests(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"check.reopened":                          "/checks/c4ec0000-",
		"report.completed":                        "/reports/4e904700-",
		"watchlist_monitor.matches_updated":       "/watchlist_monitors/30171700-",
		"workflow_task.completed":                 "/workflow_runs/94f10000-",
		"variants/workflow_run.completed.thin":    "/workflow_runs/94f10000-",
		"workflow_run.completed":                  "",
		"variants/workflow_task.completed.upload": "",
		"audit_log.created":                       "",
	} {
		e := sample(t, "onfido/"+name, "payload.object.href", "https://evil.example/")
		r, err := NewRegistry().request(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.url("")
		if err != nil || !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want)
		}
	}
}
