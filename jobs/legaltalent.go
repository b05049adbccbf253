package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// legalTalentEvents lists the event types of Legal Talent.
func legalTalentEvents(r *Registry) {
	on(r, "legaltalent/v1/kyc.session.created", legalTalentSessionCreated)
	on(r, "legaltalent/v1/kyc.session.completed", legalTalentSessionCompleted)
	on(r, "legaltalent/v1/kyc.session.processed", legalTalentSessionProcessed)
	on(r, "legaltalent/v1/kyc.session.approved", legalTalentSessionApproved)
	on(r, "legaltalent/v1/kyc.session.rejected", legalTalentSessionRejected)
	on(r, "legaltalent/v1/kyc.session.manual_review", legalTalentSessionInReview)
	on(r, "legaltalent/v1/watchlist.*", legalTalentWatchlist, critical) // the names are not documented
}

// legalTalentSession is the part of kyc.session.* events that we read. Their data is not documented: the names are those of the provider's
// API. The session's ID identifies the person.
//
// https://docs.compliance.legaltalent.ai/api-reference/webhooks/sessions
type legalTalentSession struct {
	SessionID  string `json:"data.session_id"`
	CustomerID string `json:"data.customer_id"`
	SubjectID  string `json:"data.subject_id"`
}

// person returns whom the event is about. A watchlist event may have the ID in another field.
func (p legalTalentSession) person() Person {
	return Person{ID: cmp.Or(p.SessionID, p.CustomerID, p.SubjectID)}
}

func legalTalentSessionCreated(_ models.Event, p legalTalentSession) (models.Facts, error) {
	return sessionProgressed(Session{Person: p.person(), Reason: "session created"}, models.StatusPending), nil
}

// legalTalentSessionCompleted says that the person has finished the last step; the decision is yet to come.
func legalTalentSessionCompleted(_ models.Event, p legalTalentSession) (models.Facts, error) {
	return sessionCompleted(Session{Person: p.person(), Reason: "session completed"}), nil
}

type legalTalentResult struct {
	legalTalentSession
	Status        string `json:"data.status" oneof:"approved rejected"`
	FinalDecision string `json:"data.final_decision,omitempty" oneof:"approved flagged"`
}

// legalTalentSessionProcessed is the automatic result. "Flagged" is a pass that needs attention: it adds a flag. A pass with an unknown
// final decision goes to review.
func legalTalentSessionProcessed(_ models.Event, p legalTalentResult) (models.Facts, error) {
	s := Session{Person: p.person(), Verdict: models.StatusInReview, Reason: "processed without a decision"}
	status, final := p.Status, p.FinalDecision
	switch {
	case status == "rejected":
		s.Verdict, s.Reason = models.StatusFailed, "processed"
	case status == "approved" && (final == "" || final == "approved"):
		s.Verdict, s.Reason = models.StatusVerified, "processed"
		s.Profile = models.Profile{models.Flags: []string{}}
	case status == "approved" && final == "flagged":
		s.Verdict, s.Reason = models.StatusVerified, "processed"
		s.Profile = models.Profile{models.Flags: []string{"flagged"}}
	case status == "approved":
		s.Reason = "processed, final decision " + final
		s.Profile = models.Profile{models.Flags: []string{}}
	}
	return sessionCompleted(s), nil
}

func legalTalentSessionApproved(_ models.Event, p legalTalentSession) (models.Facts, error) {
	return sessionCompleted(Session{
		Person: p.person(), Verdict: models.StatusVerified, By: models.ByManual, Reason: "approved by a compliance officer",
	}), nil
}

func legalTalentSessionRejected(_ models.Event, p legalTalentSession) (models.Facts, error) {
	return sessionFailed(Session{Person: p.person(), By: models.ByManual, Reason: "rejected by a compliance officer"}), nil
}

func legalTalentSessionInReview(_ models.Event, p legalTalentSession) (models.Facts, error) {
	return sessionCompleted(Session{Person: p.person(), Verdict: models.StatusInReview, Reason: "sent to manual review"}), nil
}

// legalTalentWatchlist is any event of ongoing monitoring, whose names are not documented: a new match, or one that changed.
func legalTalentWatchlist(e models.Event, p legalTalentSession) (models.Facts, error) {
	return monitoringAlert(e, p.person(), "", models.Hit{Type: e.Type}), nil
}
