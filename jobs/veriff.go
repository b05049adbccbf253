package jobs

import (
	"cmp"
	"fmt"
	"strings"

	"example.com/identity-webhooks/models"
)

// veriffEvents lists the event types of Veriff, which are our words for the forms of its bodies: see handlers/veriff.go.
func veriffEvents(r *Registry) {
	on(r, "veriff/v1/decision", veriffDecision)
	on(r, "veriff/v1/event.*", veriffProgress)
	on(r, "veriff/v1/watchlist", veriffWatchlist, critical)
	ignore(r, "the form of its decision is not documented: receive decision webhooks instead", "veriff/v1/fullauto")
}

// veriffVerification is the part of Veriff's decisions that we read. The session's ID identifies the person: Veriff knows people only by
// your own IDs of them, which are optional.
//
// https://devdocs.veriff.com/docs/decision-webhook
type veriffVerification struct {
	Verification struct {
		ID         string `json:"id"`
		Code       int    `json:"code"`
		Status     string `json:"status" oneof:"approved declined resubmission_requested expired abandoned review"`
		Reason     string `json:"reason"`
		ReasonCode int    `json:"reasonCode"`
		VendorData string `json:"vendorData"`
		EndUserID  string `json:"endUserId"`
		Person     struct {
			FirstName string `json:"firstName"`
			LastName  string `json:"lastName"`
		} `json:"person"`
	} `json:"verification"`
}

// veriffCodes are the codes of decisions, with the status that belongs to each. In 2019, 9104 was that of abandoned sessions, too.
//
// https://devdocs.veriff.com/docs/verification-session-decision-codes-table
var veriffCodes = map[int]string{
	9001: "approved", 9102: "declined", 9103: "resubmission_requested", 9104: "expired abandoned", 9121: "abandoned",
	9151: "in progress", 9161: "in progress", // of 2019: a session that is not decided yet
}

// veriffDecision: Veriff sends another decision if it changes its mind, and the newest counts. The code of a review is not documented. If the
// code and the status contradict each other, or an approval has an unknown code, a person has to decide.
func veriffDecision(_ models.Event, p veriffVerification) (models.Facts, error) {
	v := p.Verification
	s := Session{By: models.ByAutomatic, Person: Person{ID: v.ID, Profile: profile(map[models.ProfileField]string{
		models.ExternalID: cmp.Or(v.VendorData, v.EndUserID), models.FirstName: v.Person.FirstName, models.LastName: v.Person.LastName,
	})}}
	s.Profile[models.Flags] = []string{}
	s.Reason = joined(v.Status, v.Reason)
	if v.ReasonCode != 0 {
		s.Reason = joined(s.Reason, fmt.Sprint("code ", v.ReasonCode))
	}
	expected, isKnown := veriffCodes[v.Code]
	if expected == "in progress" {
		return sessionProgressed(s, models.StatusInProgress), nil
	}
	s.Verdict = models.StatusInReview
	unknownApproval := !isKnown && v.Code != 0 && v.Status == "approved"
	if unknownApproval || isKnown && !strings.Contains(expected, cmp.Or(v.Status, unreadable)) {
		s.Reason = joined(s.Reason, fmt.Sprintf("but code %d", v.Code))
		f := sessionCompleted(s)
		f.Drift = append(f.Drift, fmt.Sprintf("the code %d does not belong to the status", v.Code))
		return f, nil
	}
	switch v.Status {
	case "approved":
		s.Verdict = models.StatusVerified
	case "declined":
		s.Verdict = models.StatusFailed
	case "resubmission_requested": // the person goes on in the same session: it counts as a result, so that it replaces an earlier one
		s.Verdict = models.StatusInProgress
		s.Profile[models.Flags] = []string{v.Status}
	case "expired", "abandoned":
		return sessionWithdrawn(s), nil
	}
	return sessionCompleted(s), nil
}

// veriffStep is a step of a session. Only started and submitted are documented; others have the same form.
//
// https://devdocs.veriff.com/docs/event-webhook
type veriffStep struct {
	ID         string `json:"id"`
	Action     string `json:"action" oneof:"*"`
	VendorData string `json:"vendorData"`
	EndUserID  string `json:"endUserId"`
}

func veriffProgress(_ models.Event, p veriffStep) (models.Facts, error) {
	person := Person{ID: p.ID, Profile: profile(map[models.ProfileField]string{models.ExternalID: cmp.Or(p.VendorData, p.EndUserID)})}
	return sessionProgressed(Session{Person: person, Reason: p.Action}, models.StatusInProgress), nil
}

// veriffScreening is a search of lists. Newer forms have reviewStatus, older ones matchStatus, and some have all of it inside of data.
type veriffScreening struct {
	veriffSearch
	Data veriffSearch `json:"data"`
}

type veriffSearch struct {
	SessionID    string `json:"sessionId"`
	AttemptID    string `json:"attemptId"`
	VendorData   string `json:"vendorData"`
	EndUserID    string `json:"endUserId"`
	CheckType    string `json:"checkType,omitempty" oneof:"initial_result updated_result"`
	MatchStatus  string `json:"matchStatus,omitempty" oneof:"possible_match no_match"`
	ReviewStatus string `json:"reviewStatus,omitempty" oneof:"potential_match no_match reviewed"`
	TotalHits    int    `json:"totalHits"`
}

// veriffWatchlist: under monitoring, Veriff sends another result each time that something has changed. What a review found is not
// documented, so a reviewed match holds until a search finds nobody. A result that names no session fails, since nothing else says whom it
// is about.
//
// https://devdocs.veriff.com/docs/watchlist-screening-webhook
func veriffWatchlist(_ models.Event, p veriffScreening) (models.Facts, error) {
	w := p.veriffSearch
	if w.MatchStatus+w.ReviewStatus == "" {
		w = p.Data
	}
	s := Screening{CheckID: w.AttemptID, Status: models.CheckInReview, HitCount: w.TotalHits, Person: Person{
		ID: w.SessionID, Profile: profile(map[models.ProfileField]string{models.ExternalID: cmp.Or(w.VendorData, w.EndUserID)}),
	}}
	s.Reason = joined(cmp.Or(w.ReviewStatus, w.MatchStatus), w.CheckType)
	switch none := "no_match"; {
	case w.MatchStatus == "possible_match" || w.ReviewStatus == "potential_match" || w.ReviewStatus == "reviewed":
		s.Status = models.CheckHit
	case cmp.Or(w.MatchStatus, none) == none && cmp.Or(w.ReviewStatus, none) == none:
		s.Status = models.CheckClear
	}
	return screeningCompleted(s), nil
}
