package jobs

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// onfidoEvents lists the event types of Onfido. workflow_run.completed may have all that we need. For the others, it is read from the API.
func onfidoEvents(r *Registry) {
	r.api("onfido", API{URL: "https://api.eu.onfido.com/v3.6", Credentials: []string{"ONFIDO_API_TOKEN"}, authorize: onfidoAuthorize})
	on(r, "onfido/v1/workflow_run.completed", onfidoRunCompleted)
	reads(r, "onfido/v1/workflow_run.completed", onfidoRunRequest)
	on(r, "onfido/v1/workflow_task.completed", onfidoTaskCompleted)
	reads(r, "onfido/v1/workflow_task.completed", onfidoTaskRequest)
	reads(r, "onfido/v1/check.*", onfidoCheckRequest)
	reads(r, "onfido/v1/report.*", onfidoReportRequest)
	reads(r, "onfido/v1/watchlist_monitor.*", onfidoMonitorRequest)
	on(r, "onfido/read/workflow_runs", onfidoRunRead)
	on(r, "onfido/read/workflow_runs/tasks", onfidoTaskRead)
	on(r, "onfido/read/checks", onfidoCheckRead)
	on(r, "onfido/read/reports", onfidoReportRead, critical)
	on(r, "onfido/read/watchlist_monitors", onfidoMonitorRead, critical)
	ignore(r, "a step of a workflow began; its result is another event", "onfido/v1/workflow_task.started")
	ignore(r, "about the account, not about a person", "onfido/v1/audit_log.*")
	ignore(r, "a file is ready, which says nothing about the result", "onfido/v1/workflow_timeline_file.*", "onfido/v1/workflow_run_evidence_folder.*")
}

func onfidoAuthorize(h http.Header, credentials map[string]string) {
	h.Set("Authorization", "Token token="+credentials["ONFIDO_API_TOKEN"])
}

// onfidoPayload is the part of Onfido's events that we read.
//
// https://documentation.onfido.com/api/latest/#webhooks
type onfidoPayload struct {
	ID            string    `json:"payload.object.id"`
	ObjectRunID   string    `json:"payload.object.workflow_run_id"`
	ResourceRunID string    `json:"payload.resource.workflow_run_id"` // set if ObjectRunID is not
	Run           onfidoRun `json:"payload.resource"`                 // of workflow_run.completed
	Result        string    `json:"payload.resource.output.result"`   // of a task that is a check; the output of others may be a list
}

// onfidoRun is a run of a workflow of Onfido Studio.
type onfidoRun struct {
	ApplicantID    string   `json:"applicant_id"`
	CustomerUserID string   `json:"customer_user_id"`
	Status         string   `json:"status,omitempty" oneof:"processing awaiting_input awaiting_client_input approved declined review abandoned error"`
	Reasons        []string `json:"reasons"`
	ErrorType      string   `json:"error.type"`
}

func (p onfidoRun) person() Person {
	return Person{ID: p.ApplicantID, Profile: profile(map[models.ProfileField]string{models.ExternalID: p.CustomerUserID})}
}

// facts returns how a run ended. That it is complete does not mean that the person passed. A run that was abandoned counts as progress:
// another one may have verified the person.
func (p onfidoRun) facts() models.Facts {
	s := Session{Person: p.person(), Verdict: models.StatusInReview, Reason: joined(append([]string{p.Status, p.ErrorType}, p.Reasons...)...)}
	switch p.Status {
	case "approved":
		s.Verdict = models.StatusVerified
	case "declined":
		s.Verdict = models.StatusFailed
	case "processing", "awaiting_input", "awaiting_client_input":
		s.Verdict = ""
	case "abandoned":
		s.By = models.ByProgress
		return sessionWithdrawn(s)
	}
	return sessionCompleted(s)
}

func onfidoRunCompleted(_ models.Event, p onfidoPayload) (models.Facts, error) {
	if p.Run.ApplicantID == "" {
		return models.Facts{Ignored: onlyNames}, nil
	}
	return p.Run.facts(), nil
}

// onfidoRunRequest reads a run whose event does not have its content, which depends on the version of the webhook.
func onfidoRunRequest(_ models.Event, p onfidoPayload) (request, error) {
	if p.Run.ApplicantID != "" {
		return request{}, nil
	}
	return request{path: "/workflow_runs/{}", ids: []string{p.ID}, updated: "updated_at"}, nil
}

func onfidoRunRead(_ models.Event, p onfidoRun) (models.Facts, error) { return p.facts(), nil }

func onfidoTaskCompleted(_ models.Event, p onfidoPayload) (models.Facts, error) {
	if p.Result == "" {
		return models.Facts{Ignored: "a step of a workflow that is not a check"}, nil
	}
	return models.Facts{Ignored: onlyNames}, nil
}

// onfidoTaskRequest reads a task that is a check, and its run, since the event does not name the person.
func onfidoTaskRequest(_ models.Event, p onfidoPayload) (request, error) {
	if p.Result == "" {
		return request{}, nil
	}
	run := cmp.Or(p.ObjectRunID, p.ResourceRunID)
	return request{path: "/workflow_runs/{}/tasks/{}", ids: []string{run, p.ID}, updated: "updated_at", more: "workflow_run",
		next: func(gjson.Result) request { return request{path: "/workflow_runs/{}", ids: []string{run}} }}, nil
}

// onfidoTask is a task of a workflow run, with the run. Its name begins with that of a report, such as document_check.
type onfidoTask struct {
	ID     string       `json:"id"`
	Name   string       `json:"task_def_id"`
	Output onfidoReport `json:"output"`
	Run    onfidoRun    `json:"workflow_run"`
	RunID  string       `json:"workflow_run.id"`
}

func onfidoTaskRead(_ models.Event, p onfidoTask) (models.Facts, error) {
	p.Output.Name, p.Output.ID = p.Name, cmp.Or(p.Output.UUID, joined(p.RunID, p.ID))
	return checkCompleted(p.Run.person(), p.Output.check()), nil
}

// onfidoCheckRequest reads a check and its reports, which say what it checked. The answer gets the event's type, because a check that was
// reopened may have another status by the time it is read.
func onfidoCheckRequest(_ models.Event, p onfidoPayload) (request, error) {
	return request{path: "/checks/{}", ids: []string{p.ID}, typeMember: "event", more: "reports",
		next: func(gjson.Result) request { return request{path: "/reports?check_id={}", ids: []string{p.ID}} }}, nil
}

// onfidoCheck is a check. The events of older integrations are about checks.
type onfidoCheck struct {
	ApplicantID string         `json:"applicant_id"`
	Sandbox     bool           `json:"sandbox"`
	Status      string         `json:"status" oneof:"in_progress awaiting_applicant complete withdrawn paused reopened"`
	Result      string         `json:"result,omitempty" oneof:"clear consider"`
	Event       string         `json:"event"` // the type of the event that led to the read
	Reports     []onfidoReport `json:"reports.reports"`
}

func (p onfidoCheck) person() Person { return Person{ID: p.ApplicantID, Sandbox: p.Sandbox} }

// onfidoCheckRead: a complete check has passed if it is clear and has reports; without reports it is in review. A reopened check that is not
// complete again undoes its result. A check that only searches watchlists, such as those that a monitor makes, decides nothing: it does not
// say who the person is.
func onfidoCheckRead(_ models.Event, p onfidoCheck) (models.Facts, error) {
	s := Session{Person: p.person(), Verdict: models.StatusInReview, Reason: joined("check "+p.Status, p.Result)}
	for _, r := range p.Reports {
		s.Checks = append(s.Checks, r.check())
	}
	isIdentity := func(r onfidoReport) bool { return r.kind() != models.ScreeningCheck }
	hasReports := len(p.Reports) > 0
	if hasReports && !slices.ContainsFunc(p.Reports, isIdentity) {
		f := s.facts()
		f.Checks = s.Checks
		return f, nil
	}
	switch {
	case p.Status == "complete" && p.Result == "clear" && hasReports:
		s.Verdict = models.StatusVerified
	case p.Status != "complete" && p.Event == "check.reopened":
	case p.Status == "in_progress", p.Status == "awaiting_applicant", p.Status == "paused":
		s.Verdict = ""
	case p.Status == "withdrawn": // as progress: another check may have verified the person
		s.By = models.ByProgress
		return sessionWithdrawn(s), nil
	}
	return sessionCompleted(s), nil
}

// onfidoReportRequest reads a report and its check, which names the person.
func onfidoReportRequest(_ models.Event, p onfidoPayload) (request, error) {
	return request{path: "/reports/{}", ids: []string{p.ID}, more: "check",
		next: func(report gjson.Result) request {
			return request{path: "/checks/{}", ids: []string{report.Get("check_id").String()}}
		}}, nil
}

// onfidoReport is a report: a part of a check. The output of a workflow's task has the same members.
type onfidoReport struct {
	ID        string `json:"id"`
	UUID      string `json:"uuid"`
	Name      string `json:"name"`
	Status    string `json:"status,omitempty" oneof:"awaiting_data awaiting_approval cancelled complete withdrawn"`
	Result    string `json:"result,omitempty" oneof:"clear consider unidentified"`
	SubResult string `json:"sub_result,omitempty" oneof:"clear rejected suspected caution"`
	Matches   int    `json:"properties.records.#"` // of a watchlist
}

func (p onfidoReport) kind() string {
	for prefix, kind := range map[string]string{
		"watchlist": models.ScreeningCheck, "document": models.DocumentCheck, "us_driving_licence": models.DocumentCheck,
		"facial_similarity": models.BiometricCheck, "face": models.BiometricCheck, "known_faces": models.BiometricCheck,
	} {
		if strings.HasPrefix(p.Name, prefix) {
			return kind
		}
	}
	return models.IdentityCheck
}

// check returns the report as a check. A person has one check for each watchlist, and its newest report counts: a clear one lifts the hold
// of an earlier one, but not that of other lists.
func (p onfidoReport) check() models.Check {
	c := models.Check{Kind: p.kind(), CheckID: p.ID, Status: models.CheckInReview, Reason: joined(p.Name, p.Result, p.SubResult)}
	if c.Kind == models.ScreeningCheck {
		c.CheckID = p.Name
	}
	switch {
	case c.Kind == models.ScreeningCheck && (p.Result == "consider" || p.Matches > 0): // complete or not
		c.Status, c.HitCount = models.CheckHit, p.Matches
	case p.Status == "awaiting_data":
		c.Status = models.CheckPending
	case p.Status == "cancelled", p.Status == "withdrawn":
		c.Status = models.CheckNotRun
	case p.Status == "complete" && p.Result == "clear":
		c.Status = models.CheckPassed
	}
	return c
}

func onfidoReportRead(_ models.Event, p struct {
	onfidoReport
	Check onfidoCheck `json:"check"`
}) (models.Facts, error) {
	return checkCompleted(p.Check.person(), p.check()), nil
}

func onfidoMonitorRequest(_ models.Event, p onfidoPayload) (request, error) {
	return request{path: "/watchlist_monitors/{}", ids: []string{p.ID}}, nil
}

// onfidoMonitor searches a watchlist again and again.
type onfidoMonitor struct {
	ApplicantID string `json:"applicant_id"`
	Report      string `json:"report_name"`
	Sandbox     bool   `json:"is_sandbox"`
}

// onfidoMonitorRead puts the person on hold because the matches changed. The monitor then makes a report, whose newer result counts.
func onfidoMonitorRead(_ models.Event, p onfidoMonitor) (models.Facts, error) {
	return screeningHit(Screening{
		Person: Person{ID: p.ApplicantID, Sandbox: p.Sandbox}, CheckID: cmp.Or(p.Report, "watchlist"), Reason: joined(p.Report, "matches updated"),
	}), nil
}
