package jobs

import (
	"cmp"
	"strings"

	"example.com/identity-webhooks/models"
)

// legalTalentSession is what we read of kyc.session.* events. Their data is not documented: the names are those of the
// provider's API, and the session stands for the person.
//
// https://docs.compliance.legaltalent.ai/api-reference/webhooks/sessions
type legalTalentSession struct {
	Data struct {
		SessionID     string `json:"session_id"`
		CustomerID    string `json:"customer_id"`
		SubjectID     string `json:"subject_id"`
		Status        string `json:"status"`
		FinalDecision string `json:"final_decision"`
	} `json:"data"`
}

// subject is the person's ID. A watchlist event may name them otherwise.
func (p legalTalentSession) subject() string {
	return cmp.Or(p.Data.SessionID, p.Data.CustomerID, p.Data.SubjectID)
}

func (p legalTalentSession) session(verdict models.Status, reason string) Session {
	return Session{SubjectID: p.subject(), Verdict: verdict, Reason: reason}
}

func legalTalentSessionCreated(_ models.Event, p legalTalentSession) (models.Change, error) {
	return sessionDecided(p.session(models.Pending, "session created"), models.Progress)
}

// legalTalentSessionCompleted says that the person has finished the last step; the decision is yet to come.
func legalTalentSessionCompleted(_ models.Event, p legalTalentSession) (models.Change, error) {
	return sessionCompleted(p.session(models.InProgress, "session completed"))
}

// legalTalentSessionProcessed is the automatic result. "Flagged" is a pass that wants attention: it adds a flag. A pass with a
// final decision that we do not know is none.
func legalTalentSessionProcessed(_ models.Event, p legalTalentSession) (models.Change, error) {
	var n notes
	status, final := strings.ToUpper(p.Data.Status), strings.ToLower(p.Data.FinalDecision)
	n.word("data.status", status, "APPROVED", "REJECTED")
	switch {
	case status == "REJECTED":
		return n.on(sessionFailed(p.session(models.FailedAuto, "processed")))
	case status != "APPROVED":
		return n.on(sessionCompleted(p.session(models.InReview, "processed without a decision")))
	}
	s := p.session(models.Verified, "processed")
	s.Profile.Flags = []string{}
	switch final {
	case "", "approved":
	case "flagged":
		s.Profile.Flags = []string{"flagged"}
	default:
		n.word("data.final_decision", final, "approved", "flagged")
		s.Verdict, s.Reason = models.InReview, "processed, final decision "+final
	}
	return n.on(sessionCompleted(s))
}

func legalTalentSessionApproved(_ models.Event, p legalTalentSession) (models.Change, error) {
	return sessionDecided(p.session(models.Verified, "approved by a compliance officer"), models.Manual)
}

func legalTalentSessionRejected(_ models.Event, p legalTalentSession) (models.Change, error) {
	return sessionDecided(p.session(models.Rejected, "rejected by a compliance officer"), models.Manual)
}

func legalTalentSessionInReview(_ models.Event, p legalTalentSession) (models.Change, error) {
	return sessionCompleted(p.session(models.InReview, "sent to manual review"))
}

// legalTalentWatchlist is any event of ongoing monitoring, whose names are not documented: a new match, or one that changed.
func legalTalentWatchlist(e models.Event, p legalTalentSession) (models.Change, error) {
	return monitoringAlert(e, p.subject(), "", models.Hit{Type: e.Type})
}
