package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/models"
)

// The contradictions about what events mean for a person. Times are at(n), hours after now.

// A screening that came back with status hit and screening.hit of the older generation are one hold by one check. The status
// stays. The newer generation's own screening.hit is reserved: it changes nothing until one is seen.
func trustgateTwoWaysToReportHit(t *testing.T) {
	r := start(t, sqlite(t))
	persons := r.inAnyOrder(
		said{"trustgate/screening.completed", "timestamp", at(1), "data.applicant_id", "WHO", "data.screening_check_id", "check-WHO"},
		said{"trustgate/v1/screening.completed", "created_at", at(1), "data.applicant_id", "WHO", "data.check_id", "check-WHO"},
		said{"trustgate/v1/screening.hit", "created_at", at(1), "data.applicant_id", "WHO", "data.check_id", "check-WHO", "data.hits.0.hit_id", "hit-WHO"},
	)
	for _, p := range persons {
		p.want(t, models.Pending, true)
		if len(p.Checks) != 1 || len(p.Hits) != 1 {
			t.Errorf("%d checks and %d hits, want one of each: %v", len(p.Checks), len(p.Hits), p.Facts)
		}
		r.say("trustgate/v1/screening.hit_resolved", "created_at", at(2), "data.applicant_id", p.SubjectID, "data.hit_id", "hit-"+p.SubjectID)
		r.person(p.SubjectID).want(t, models.Pending, false)
	}
	r.say("trustgate/screening.hit")
	r.event("type=screening.hit&outcome=ignored")
}

// Both shapes open a case on the applicant. A company's case touches no applicant, even one of the same ID, and neither does
// its resolution.
func trustgateTwoShapesOfCase(t *testing.T) {
	r := start(t, sqlite(t))
	for _, shape := range []said{
		{"trustgate/case.created", "data.applicant_id", "WHO", "data.case_id", uuid.NewString()},
		{"trustgate/v1/case.created", "data.subject.id", "WHO", "data.case_id", "case_1"},
	} {
		p := r.inAnyOrder(shape)[0]
		p.want(t, models.InReview, false)
		if len(p.Cases) != 1 || p.Cases[0].Type == "" || p.Cases[0].Priority != "high" || p.Cases[0].Reason == "" {
			t.Errorf("%s: cases %v", shape[0], p.Cases)
		}
	}
	who := uuid.NewString()
	r.say("trustgate/applicant.verification_complete", "timestamp", at(1), "data.applicant_id", who)
	for _, kind := range []string{"company", "somebody else"} {
		r.say("trustgate/v1/case.created", "created_at", at(2), "data.subject.type", kind, "data.subject.id", who, "data.case_id", kind)
		r.say("trustgate/v1/case.resolved", "created_at", at(3), "data.case_id", kind, "data.applicant_action", "rejected")
	}
	p := r.person(who)
	p.want(t, models.Verified, false)
	if len(p.Cases) != 0 || p.Revision != 1 {
		t.Errorf("revision %d, cases %v, want those of others to leave the applicant alone", p.Revision, p.Cases)
	}
}

// A type means what it means at its provider and in its generation. What comes in at another provider's path is not it, and
// neither is an event of the same ID there.
func oneNameSeveralMeanings(t *testing.T) {
	r := start(t, sqlite(t))
	for _, x := range []struct {
		event said
		want  models.CheckStatus
	}{
		{said{"trustgate/document.verified", "data.applicant_id", "WHO", "data.status", "rejected", "data.verification_status", "verified"}, models.CheckFailed},
		{said{"trustgate/v1/document.verified", "data.applicant_id", "WHO", "data.status", "rejected", "data.verification_status", "verified"}, models.CheckPassed},
		{said{"trustgate/screening.completed", "data.applicant_id", "WHO", "data.screening_check_id", "new", "data.check_id", "old"}, models.CheckHit},
		{said{"trustgate/v1/screening.completed", "data.applicant_id", "WHO", "data.screening_check_id", "new", "data.check_id", "old"}, models.CheckHit},
	} {
		p := r.inAnyOrder(x.event)[0]
		if len(p.Checks) != 1 || p.Checks[0].Status != x.want {
			t.Errorf("%s: checks %v, want one that is %s", x.event[0], p.Checks, x.want)
		}
	}
	known := len(r.customers(""))
	id := uuid.NewString()
	r.say("legaltalent/kyc.session.approved", "id", id, "type", "session.completed")
	r.accept("trst", sample(t, "trustgate/applicant.reviewed", "event_id", id))
	r.accept("legaltalent", sample(t, "trustgate/v1/applicant.verified", "id", uuid.NewString(), "created", now.Unix()))
	r.settle()
	if n := len(r.events("outcome=ignored")); n != 3 || len(r.customers("")) != known {
		t.Errorf("%d events of other providers' names ignored, and %d customers, want 3 and %d", n, len(r.customers("")), known)
	}
	r.say("trustgate/applicant.reviewed", "event_id", id) // the ID is taken at two other providers
}

// None of the three grants approval by itself.
func completedMeansThreeThings(t *testing.T) {
	r := start(t, sqlite(t))
	for _, x := range []struct {
		event said
		want  models.Status
	}{
		{said{"trustgate/session.completed", "data.applicant_id", "WHO", "data.completion_data", nil}, models.InProgress},
		{said{"trustgate/session.completed", "data.applicant_id", "WHO", "data.completion_data.final_status", "completed"}, models.InReview},
		{said{"trustist/v1/onboard.session.completed", "data.customerId", "WHO", "data.sessionId", "WHO", "data.progress.identity", nil}, models.InReview},
		{said{"legaltalent/kyc.session.completed", "data.session_id", "WHO", "data.status", "COMPLETED"}, models.InProgress},
	} {
		r.inAnyOrder(x.event)[0].want(t, x.want, false)
	}
}

// The session's own URL and the tenant's get the same news, perhaps under two IDs: it is one decision.
func trustgateSessionTwice(t *testing.T) {
	r := start(t, sqlite(t))
	copied := said{"trustgate/session.completed", "data.applicant_id", "WHO", "data.session_id", "session-WHO", "data.completed_at", at(1), "timestamp", at(1)}
	for _, p := range r.inAnyOrder(copied, copied) {
		p.want(t, models.Verified, false)
		if len(p.Decisions) != 1 || p.StatusAt.Time != now.Add(time.Hour) || p.DecidedBy != models.Automatic {
			t.Errorf("decisions %v, want one", p.Decisions)
		}
	}
}

// A copy that is stamped when it is sent is no newer than the session it tells of: it must not undo what was decided between.
func trustgateSessionCopiedLater(t *testing.T) {
	r := start(t, sqlite(t))
	session := said{"trustgate/session.completed", "data.applicant_id", "WHO", "data.session_id", "session-WHO", "data.completed_at", at(1)}
	for _, p := range r.inAnyOrder(
		append(session, "timestamp", at(1)),
		said{"trustgate/variants/applicant.verification_complete.rejected", "timestamp", at(2), "data.applicant_id", "WHO"},
		append(session, "timestamp", at(3)),
	) {
		p.want(t, models.FailedAuto, true)
	}
}

// The status is the verdict; review_decision says only who gave it.
func trustgateReviewed(t *testing.T) {
	r := start(t, sqlite(t))
	for decision, authority := range map[string]models.Authority{
		"manual_approved": models.Manual, "manual_rejected": models.Manual, "auto_approved": models.Automatic, "auto_rejected": models.Automatic,
	} {
		for status, want := range map[string]models.Status{"approved": models.Verified, "rejected": models.Rejected} {
			p := r.inAnyOrder(said{"trustgate/applicant.reviewed", "data.applicant_id", "WHO", "data.status", status, "data.review_decision", decision})[0]
			if p.Status != want || p.DecidedBy != authority {
				t.Errorf("%s, %s: %s by %s, want %s by %s", status, decision, p.Status, p.DecidedBy, want, authority)
			}
		}
	}
}

// The sum of all checks stands in for a screening that is not reported by itself, and does not wait for it.
func trustgateScreeningMayNotCome(t *testing.T) {
	r := start(t, sqlite(t))
	for word, hold := range map[string]bool{"clear": false, "hit": true, "not_run": false} {
		p := r.inAnyOrder(said{"trustgate/applicant.verification_complete", "data.applicant_id", "WHO", "data.screening_status", word})[0]
		p.want(t, models.Verified, hold)
		if p.ScreeningStatus != word {
			t.Errorf("screening status %s, want %s", p.ScreeningStatus, word)
		}
	}
}

// A flagged person is approved with a flag, which a review is not.
func legalTalentFlagged(t *testing.T) {
	r := start(t, sqlite(t))
	flagged := r.inAnyOrder(said{"legaltalent/variants/kyc.session.processed.flagged", "data.session_id", "WHO"})[0]
	flagged.want(t, models.Verified, false)
	if !slices.Equal(flagged.Flags, []string{"flagged"}) {
		t.Errorf("flags %q, want flagged", flagged.Flags)
	}
	for _, event := range []said{
		{"legaltalent/kyc.session.manual_review", "data.session_id", "WHO"},
		{"legaltalent/variants/kyc.session.processed.unknown", "data.session_id", "WHO"},
	} {
		p := r.inAnyOrder(event)[0]
		p.want(t, models.InReview, false)
		if len(p.Flags) != 0 {
			t.Errorf("%s: flags %q, want none", event[0], p.Flags)
		}
	}
}

// An officer's word beats the machine's in any order and at any time. Of two officers' the later one counts, and of the same
// second the more severe one.
func legalTalentManualWins(t *testing.T) {
	r := start(t, sqlite(t))
	approved := func(n int64) said {
		return said{"legaltalent/kyc.session.approved", "data.session_id", "WHO", "created", now.Unix() + n}
	}
	rejected := func(n int64) said {
		return said{"legaltalent/kyc.session.rejected", "data.session_id", "WHO", "created", now.Unix() + n}
	}
	processed := func(n int64, status string) said {
		return said{"legaltalent/kyc.session.processed", "data.session_id", "WHO", "created", now.Unix() + n, "data.status", status}
	}
	for _, x := range []struct {
		events []said
		want   models.Status
	}{
		{[]said{approved(1), processed(2, "REJECTED")}, models.Verified},
		{[]said{approved(2), processed(1, "REJECTED")}, models.Verified},
		{[]said{rejected(1), processed(2, "APPROVED")}, models.Rejected},
		{[]said{approved(1), rejected(2), processed(3, "APPROVED")}, models.Rejected},
		{[]said{approved(2), rejected(1), processed(3, "REJECTED")}, models.Verified},
		{[]said{approved(1), rejected(1)}, models.Rejected},
		{[]said{processed(1, "APPROVED"), processed(2, "REJECTED")}, models.FailedAuto},
	} {
		for _, p := range r.inAnyOrder(x.events...) {
			p.want(t, x.want, false)
		}
	}
}

// Case events name nobody: they wait for whatever links their case to a person. A screening may come before all else about
// its person. What is older never overwrites what is newer.
func orderIsNotPromised(t *testing.T) {
	r := start(t, sqlite(t))
	for _, link := range []said{
		{"trustgate/v1/case.created", "data.subject.id", "WHO"},
		{"trustgate/v1/applicant.pending_review", "data.applicant_id", "WHO"},
		{"trustgate/v1/screening.hit", "data.applicant_id", "WHO", "data.hits.0.hit_id", "hit-WHO"},
		{"trustgate/v1/screening.monitoring_alert", "data.applicant_id", "WHO"},
	} {
		for _, p := range r.inAnyOrder(
			append(link, "created_at", at(1), "data.case_id", "case-WHO"),
			said{"trustgate/v1/case.escalated", "created_at", at(2), "data.case_id", "case-WHO"},
			said{"trustgate/v1/case.resolved", "created_at", at(3), "data.case_id", "case-WHO", "data.applicant_action", "approved"},
		) {
			p.want(t, models.Verified, false)
			if len(p.Cases) != 1 || p.Cases[0].EscalatedTo == "" || p.Cases[0].Resolution == "" || p.Revision != 3 {
				t.Errorf("%s: revision %d, cases %v, want the one case with all that was said of it", link[0], p.Revision, p.Cases)
			}
		}
	}
	for _, p := range r.inAnyOrder(
		said{"trustgate/applicant.submitted", "timestamp", at(1), "data.applicant_id", "WHO"},
		said{"trustgate/screening.completed", "timestamp", at(2), "data.applicant_id", "WHO", "data.screening_check_id", "check-WHO"},
		said{"trustgate/applicant.verification_complete", "timestamp", at(3), "data.applicant_id", "WHO", "data.status", "review", "data.screening_status", "hit"},
	) {
		p.want(t, models.InReview, true)
	}
	verification := func(n int, status string) said {
		return said{"trustgate/applicant.verification_complete", "timestamp", at(n), "data.applicant_id", "WHO", "data.status", status}
	}
	for _, p := range r.inAnyOrder(verification(1, "rejected"), verification(2, "approved"), verification(1, "review")) {
		p.want(t, models.Verified, false)
	}
}

// What comes up after a verdict is a hold beside the status. A rejection stands until somebody approves, explicitly and later.
func terminalStatesReopen(t *testing.T) {
	r := start(t, sqlite(t))
	alert := said{"trustgate/v1/screening.monitoring_alert", "data.applicant_id", "WHO", "data.case_id", "case-WHO"}
	decided := func(n int, decision, status string) said {
		return said{"trustgate/applicant.reviewed", "timestamp", at(n), "data.applicant_id", "WHO", "data.review_decision", decision, "data.status", status}
	}
	opened := said{"trustgate/case.created", "timestamp", at(2), "data.applicant_id", "WHO", "data.case_id", "case-WHO"}
	for _, x := range []struct {
		events []said
		want   models.Status
		hold   bool
	}{
		{[]said{decided(1, "manual_approved", "approved"), append(alert, "created_at", at(2))}, models.Verified, true},
		{[]said{decided(1, "auto_approved", "approved"), append(alert, "created_at", at(2))}, models.Verified, true},
		{[]said{decided(3, "manual_approved", "approved"), append(alert, "created_at", at(2))}, models.Verified, false},
		{[]said{decided(1, "auto_approved", "approved"), opened}, models.InReview, false},
		{[]said{decided(1, "manual_approved", "approved"), opened}, models.Verified, false},
		{[]said{decided(1, "manual_rejected", "rejected"), decided(2, "auto_approved", "approved"), opened}, models.Rejected, false},
		{[]said{decided(1, "manual_rejected", "rejected"), decided(2, "manual_approved", "approved")}, models.Verified, false},
	} {
		for _, p := range r.inAnyOrder(x.events...) {
			p.want(t, x.want, x.hold)
		}
	}
}

// A person is known by applicant_id. external_id finds them, but is not always sent, and two may share one.
func trustgateExternalID(t *testing.T) {
	r := start(t, sqlite(t))
	for range 2 {
		for _, p := range r.inAnyOrder(
			said{"trustgate/applicant.submitted", "timestamp", at(1), "data.applicant_id", "WHO", "data.external_id", "user-7"},
			said{"trustgate/applicant.verification_complete", "timestamp", at(2), "data.applicant_id", "WHO", "data.external_id", nil},
			said{"trustgate/v1/applicant.verified", "created_at", at(3), "data.applicant_id", "WHO"},
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
func scalesOfConfidence(t *testing.T) {
	r := start(t, sqlite(t))
	for _, event := range []said{
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
	p := r.inAnyOrder(said{"trustgate/v1/screening.hit", "data.applicant_id", "WHO", "data.hits.0.confidence", 88.4})[0]
	if len(p.Hits) != 1 || p.Hits[0].Confidence != 88.4 {
		t.Errorf("hits %v, want the provider's confidence as it is", p.Hits)
	}
}
