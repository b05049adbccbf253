package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/models"
)

// TestTrustGateContradictions: where the provider contradicts itself, another generation of itself or common sense, this is what was decided.
func TestTrustGateContradictions(t *testing.T) {
	runAll(t, map[string]func(*testing.T, *running){
		"two ways to report a hit":                  trustgateTwoWaysToReportHit,
		"two shapes of case.created":                trustgateTwoShapesOfCase,
		"one name, two meanings":                    trustgateTwoMeanings,
		"events without an ID":                      trustgateEventsWithoutID,
		"workflow webhooks are signed, and a hint":  trustgateWorkflow,
		"one session, two event IDs":                trustgateSessionTwice,
		"copy of a session with a later time stamp": trustgateSessionCopiedLater,
		"reviewed by a machine":                     trustgateReviewed,
		"screening.completed may not come":          trustgateScreeningMayNotCome,
		"order is not promised":                     trustgateOrder,
		"terminal states reopen":                    trustgateReopens,
		"completed is not a pass":                   trustgateCompleted,
		"external_id comes and goes":                trustgateExternalID,
		"scales of confidence":                      trustgateConfidence,
	})
}

// A screening that came back with status hit and screening.hit of the older generation are one hold by one check. The status
// stays. The newer generation's own screening.hit is reserved: it changes nothing until one is seen.
func trustgateTwoWaysToReportHit(t *testing.T, r *running) {
	persons := r.inAnyOrder(
		occurrence{"trustgate/screening.completed", "timestamp", at(1), "data.applicant_id", "WHO", "data.screening_check_id", "check-WHO"},
		occurrence{"trustgate/v1/screening.completed", "created_at", at(1), "data.applicant_id", "WHO", "data.check_id", "check-WHO"},
		occurrence{"trustgate/v1/screening.hit", "created_at", at(1), "data.applicant_id", "WHO", "data.check_id", "check-WHO", "data.hits.0.hit_id", "hit-WHO"},
	)
	for _, p := range persons {
		p.want(t, models.StatusPending, true)
		if len(p.Checks) != 1 || len(p.Hits) != 1 {
			t.Errorf("%d checks and %d hits, want one of each: %v", len(p.Checks), len(p.Hits), p.CustomerFacts)
		}
		r.tell("trustgate/v1/screening.hit_resolved", "created_at", at(2), "data.applicant_id", p.SubjectID, "data.hit_id", "hit-"+p.SubjectID)
		r.person(p.SubjectID).want(t, models.StatusPending, false)
	}
	r.tell("trustgate/screening.hit")
	r.event("type=screening.hit&outcome=ignored")
}

// Both shapes open a case on the applicant. A company's case touches no applicant, even one of the same ID, and neither does
// its resolution.
func trustgateTwoShapesOfCase(t *testing.T, r *running) {
	for _, shape := range []occurrence{
		{"trustgate/case.created", "data.applicant_id", "WHO", "data.case_id", uuid.NewString()},
		{"trustgate/v1/case.created", "data.subject.id", "WHO", "data.case_id", "case_1"},
	} {
		p := r.inAnyOrder(shape)[0]
		p.want(t, models.StatusInReview, false)
		if len(p.Cases) != 1 || p.Cases[0].Type == "" || p.Cases[0].Priority != "high" || p.Cases[0].Reason == "" {
			t.Errorf("%s: cases %v", shape[0], p.Cases)
		}
	}
	who := uuid.NewString()
	r.tell("trustgate/applicant.verification_complete", "timestamp", at(1), "data.applicant_id", who)
	for _, kind := range []string{"company", "somebody else"} {
		r.tell("trustgate/v1/case.created", "created_at", at(2), "data.subject.type", kind, "data.subject.id", who, "data.case_id", kind)
		r.tell("trustgate/v1/case.resolved", "created_at", at(3), "data.case_id", kind, "data.applicant_action", "rejected")
	}
	p := r.person(who)
	p.want(t, models.StatusVerified, false)
	if len(p.Cases) != 0 || p.Revision != 1 {
		t.Errorf("revision %d, cases %v, want those of others to leave the applicant alone", p.Revision, p.Cases)
	}
}

// A type means what it means in its generation.
func trustgateTwoMeanings(t *testing.T, r *running) {
	for _, x := range []struct {
		event occurrence
		want  models.CheckStatus
	}{
		{occurrence{"trustgate/document.verified", "data.applicant_id", "WHO", "data.status", "rejected", "data.verification_status", "verified"}, models.CheckFailed},
		{occurrence{"trustgate/v1/document.verified", "data.applicant_id", "WHO", "data.status", "rejected", "data.verification_status", "verified"}, models.CheckPassed},
		{occurrence{"trustgate/screening.completed", "data.applicant_id", "WHO", "data.screening_check_id", "new", "data.check_id", "old"}, models.CheckHit},
		{occurrence{"trustgate/v1/screening.completed", "data.applicant_id", "WHO", "data.screening_check_id", "new", "data.check_id", "old"}, models.CheckHit},
	} {
		p := r.inAnyOrder(x.event)[0]
		if len(p.Checks) != 1 || p.Checks[0].Status != x.want {
			t.Errorf("%s: checks %v, want one that is %s", x.event[0], p.Checks, x.want)
		}
	}
}

// The ping has no ID: its key is the webhook's and the time. It never makes a customer.
func trustgateEventsWithoutID(t *testing.T, r *running) {
	for _, x := range []struct {
		name   string
		change []any // what makes it another event
	}{
		{"trustgate/test.ping", []any{"timestamp", at(1)}},
		{"trustgate/workflow.action.webhook", []any{"next_step", "close_account"}}, // the run's next webhook
	} {
		r.tell(x.name)
		r.tell(x.name, x.change...)
		if status, answer := r.send("trustgate", sample(t, x.name)); status != http.StatusOK || answer != duplicate {
			t.Errorf("%s again: %d %s, want 200 duplicate", x.name, status, answer)
		}
	}
	if n, customers := len(r.events("outcome=ignored")), r.customers(""); n != 4 || len(customers) != 0 {
		t.Errorf("%d events ignored and %d customers, want 4 and none", n, len(customers))
	}
}

// A workflow's webhook needs a signature like all others, and its word on the person counts for nothing.
func trustgateWorkflow(t *testing.T, r *running) {
	who := gjson.GetBytes(sample(t, "trustgate/workflow.action.webhook"), "applicant.id").Str
	r.tell("trustgate/applicant.submitted", "data.applicant_id", who)
	status, _, err := r.trySend("trustgate", sample(t, "trustgate/workflow.action.webhook"), func(h http.Header) { clear(h) })
	if status != http.StatusUnauthorized || err != nil || len(r.events("")) != 1 {
		t.Errorf("unsigned: %d %v, want 401 and no trace", status, err)
	}
	r.tell("trustgate/workflow.action.webhook", "applicant.status", "approved")
	r.person(who).want(t, models.StatusInProgress, false)
}

// The session's own URL and the tenant's get the same news, perhaps under two IDs: it is one decision.
func trustgateSessionTwice(t *testing.T, r *running) {
	copied := occurrence{"trustgate/session.completed", "data.applicant_id", "WHO", "data.session_id", "session-WHO", "data.completed_at", at(1), "timestamp", at(1)}
	for _, p := range r.inAnyOrder(copied, copied) {
		p.want(t, models.StatusVerified, false)
		if len(p.Decisions) != 1 || p.StatusAt.Time != now.Add(time.Hour) || p.DecidedBy != models.ByAutomatic {
			t.Errorf("decisions %v, want one", p.Decisions)
		}
	}
}

// A copy that is stamped when it is sent is no newer than the session it tells of: it must not undo what was decided between.
func trustgateSessionCopiedLater(t *testing.T, r *running) {
	session := occurrence{"trustgate/session.completed", "data.applicant_id", "WHO", "data.session_id", "session-WHO", "data.completed_at", at(1)}
	for _, p := range r.inAnyOrder(
		append(session, "timestamp", at(1)),
		occurrence{"trustgate/variants/applicant.verification_complete.rejected", "timestamp", at(2), "data.applicant_id", "WHO"},
		append(session, "timestamp", at(3)),
	) {
		p.want(t, models.StatusFailed, true)
	}
}

// The status is the verdict; review_decision says only who gave it.
func trustgateReviewed(t *testing.T, r *running) {
	for decision, authority := range map[string]models.Authority{
		"manual_approved": models.ByManual, "manual_rejected": models.ByManual, "auto_approved": models.ByAutomatic, "auto_rejected": models.ByAutomatic,
	} {
		for status, want := range map[string]models.Status{"approved": models.StatusVerified, "rejected": models.StatusRejected} {
			p := r.inAnyOrder(occurrence{"trustgate/applicant.reviewed", "data.applicant_id", "WHO", "data.status", status, "data.review_decision", decision})[0]
			if p.Status != want || p.DecidedBy != authority {
				t.Errorf("%s, %s: %s by %s, want %s by %s", status, decision, p.Status, p.DecidedBy, want, authority)
			}
		}
	}
}

// The sum of all checks stands in for a screening that is not reported by itself, and does not wait for it.
func trustgateScreeningMayNotCome(t *testing.T, r *running) {
	for word, hold := range map[string]bool{"clear": false, "hit": true, "not_run": false} {
		p := r.inAnyOrder(occurrence{"trustgate/applicant.verification_complete", "data.applicant_id", "WHO", "data.screening_status", word})[0]
		p.want(t, models.StatusVerified, hold)
		if p.ScreeningStatus != word {
			t.Errorf("screening status %s, want %s", p.ScreeningStatus, word)
		}
	}
}

// Case events name nobody: they wait for whatever links their case to a person. A screening may come before all else about
// its person. What is older never overwrites what is newer.
func trustgateOrder(t *testing.T, r *running) {
	for _, link := range []occurrence{
		{"trustgate/v1/case.created", "data.subject.id", "WHO"},
		{"trustgate/v1/applicant.pending_review", "data.applicant_id", "WHO"},
		{"trustgate/v1/screening.hit", "data.applicant_id", "WHO", "data.hits.0.hit_id", "hit-WHO"},
		{"trustgate/v1/screening.monitoring_alert", "data.applicant_id", "WHO"},
	} {
		for _, p := range r.inAnyOrder(
			append(link, "created_at", at(1), "data.case_id", "case-WHO"),
			occurrence{"trustgate/v1/case.escalated", "created_at", at(2), "data.case_id", "case-WHO"},
			occurrence{"trustgate/v1/case.resolved", "created_at", at(3), "data.case_id", "case-WHO", "data.applicant_action", "approved"},
		) {
			p.want(t, models.StatusVerified, false)
			if len(p.Cases) != 1 || p.Cases[0].EscalatedTo == "" || p.Cases[0].Resolution == "" || p.Revision != 3 {
				t.Errorf("%s: revision %d, cases %v, want the one case with all that was occurrence of it", link[0], p.Revision, p.Cases)
			}
		}
	}
	for _, p := range r.inAnyOrder(
		occurrence{"trustgate/applicant.submitted", "timestamp", at(1), "data.applicant_id", "WHO"},
		occurrence{"trustgate/screening.completed", "timestamp", at(2), "data.applicant_id", "WHO", "data.screening_check_id", "check-WHO"},
		occurrence{"trustgate/applicant.verification_complete", "timestamp", at(3), "data.applicant_id", "WHO", "data.status", "review", "data.screening_status", "hit"},
	) {
		p.want(t, models.StatusInReview, true)
	}
	verification := func(n int, status string) occurrence {
		return occurrence{"trustgate/applicant.verification_complete", "timestamp", at(n), "data.applicant_id", "WHO", "data.status", status}
	}
	for _, p := range r.inAnyOrder(verification(1, "rejected"), verification(2, "approved"), verification(1, "review")) {
		p.want(t, models.StatusVerified, false)
	}
}

// What comes up after a verdict is a hold beside the status. A rejection stands until somebody approves, explicitly and later.
func trustgateReopens(t *testing.T, r *running) {
	alert := occurrence{"trustgate/v1/screening.monitoring_alert", "data.applicant_id", "WHO", "data.case_id", "case-WHO"}
	decided := func(n int, decision, status string) occurrence {
		return occurrence{"trustgate/applicant.reviewed", "timestamp", at(n), "data.applicant_id", "WHO", "data.review_decision", decision, "data.status", status}
	}
	opened := occurrence{"trustgate/case.created", "timestamp", at(2), "data.applicant_id", "WHO", "data.case_id", "case-WHO"}
	for _, x := range []struct {
		events []occurrence
		want   models.Status
		hold   bool
	}{
		{[]occurrence{decided(1, "manual_approved", "approved"), append(alert, "created_at", at(2))}, models.StatusVerified, true},
		{[]occurrence{decided(1, "auto_approved", "approved"), append(alert, "created_at", at(2))}, models.StatusVerified, true},
		{[]occurrence{decided(3, "manual_approved", "approved"), append(alert, "created_at", at(2))}, models.StatusVerified, false},
		{[]occurrence{decided(1, "auto_approved", "approved"), opened}, models.StatusInReview, false},
		{[]occurrence{decided(1, "manual_approved", "approved"), opened}, models.StatusVerified, false},
		{[]occurrence{decided(1, "manual_rejected", "rejected"), decided(2, "auto_approved", "approved"), opened}, models.StatusRejected, false},
		{[]occurrence{decided(1, "manual_rejected", "rejected"), decided(2, "manual_approved", "approved")}, models.StatusVerified, false},
	} {
		for _, p := range r.inAnyOrder(x.events...) {
			p.want(t, x.want, x.hold)
		}
	}
}

// A person is known by applicant_id. external_id finds them, but is not always sent, and two may share one.
func trustgateExternalID(t *testing.T, r *running) {
	for range 2 {
		for _, p := range r.inAnyOrder(
			occurrence{"trustgate/applicant.submitted", "timestamp", at(1), "data.applicant_id", "WHO", "data.external_id", "user-7"},
			occurrence{"trustgate/applicant.verification_complete", "timestamp", at(2), "data.applicant_id", "WHO", "data.external_id", nil},
			occurrence{"trustgate/v1/applicant.verified", "created_at", at(3), "data.applicant_id", "WHO"},
		) {
			if p.ExternalID != "user-7" || p.Revision != 3 {
				t.Errorf("external ID %q, revision %d, want user-7 and 3", p.ExternalID, p.Revision)
			}
		}
	}
	if n := len(r.customers("external_id=user-7")); n != 12 {
		t.Errorf("%d customers by external ID, want the 12 applicants, unmerged", n)
	}
}

// One generation counts to 1, the other to 100: no number decides anything, and they are not kept in one place.
func trustgateConfidence(t *testing.T, r *running) {
	for _, event := range []occurrence{
		{"trustgate/document.verified", "data.applicant_id", "WHO", "data.ocr_confidence", 0.97},
		{"trustgate/document.verified", "data.applicant_id", "WHO", "data.ocr_confidence", 0.01},
		{"trustgate/document.verified", "data.applicant_id", "WHO", "data.ocr_confidence", nil},
		{"trustgate/v1/biometric.verified", "data.applicant_id", "WHO", "data.face_match.confidence", 97.1, "data.liveness.confidence", 0.97},
	} {
		p := r.inAnyOrder(event)[0]
		if len(p.Checks) != 1 || p.Checks[0].Status != models.CheckPassed {
			t.Errorf("%s: checks %v, want one that passed", event, p.Checks)
		}
	}
	p := r.inAnyOrder(occurrence{"trustgate/v1/screening.hit", "data.applicant_id", "WHO", "data.hits.0.confidence", 88.4})[0]
	if len(p.Hits) != 1 || p.Hits[0].Confidence != 88.4 {
		t.Errorf("hits %v, want the provider's confidence as it is", p.Hits)
	}
}

// A session that is completed grants no approval by itself.
func trustgateCompleted(t *testing.T, r *running) {
	session := occurrence{"trustgate/session.completed", "data.applicant_id", "WHO"}
	r.inAnyOrder(append(session, "data.completion_data", nil))[0].want(t, models.StatusInProgress, false)
	r.inAnyOrder(append(session, "data.completion_data.final_status", "completed"))[0].want(t, models.StatusInReview, false)
}
