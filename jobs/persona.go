package jobs

import (
	"cmp"
	"strings"

	"example.com/identity-webhooks/models"
)

// personaEvents lists the event types of Persona.
func personaEvents(r *Registry) {
	on(r, "persona/v1/inquiry.created", personaInquiryCreated)
	on(r, "persona/v1/inquiry.started", personaInquiryStarted)
	on(r, "persona/v1/inquiry.completed", personaInquiryCompleted)
	on(r, "persona/v1/inquiry.failed", personaInquiryFailed)
	on(r, "persona/v1/inquiry.marked-for-review", personaInquiryInReview)
	on(r, "persona/v1/inquiry.approved", personaInquiryApproved)
	on(r, "persona/v1/inquiry.declined", personaInquiryDeclined)
	on(r, "persona/v1/inquiry.expired", personaInquiryExpired)
	on(r, "persona/v1/inquiry.redacted", personaRedacted)
	on(r, "persona/v1/account.redacted", personaRedacted)
	on(r, "persona/v1/verification.created", personaVerification(models.CheckPending))
	on(r, "persona/v1/verification.submitted", personaVerification(models.CheckPending))
	on(r, "persona/v1/verification.passed", personaVerification(models.CheckPassed))
	on(r, "persona/v1/verification.failed", personaVerification(models.CheckFailed))
	on(r, "persona/v1/verification.requires-retry", personaVerification(models.CheckPending))
	on(r, "persona/v1/verification.canceled", personaVerification(models.CheckNotRun))
	for _, list := range personaLists {
		on(r, "persona/v1/report/"+list+".matched", personaReportMatched, critical)
		on(r, "persona/v1/report/"+list+".ready", personaReportReady, critical)
		on(r, "persona/v1/report/"+list+".errored", personaReportErrored, critical)
	}
	on(r, "persona/v1/case.created", personaCaseCreated, critical)
	on(r, "persona/v1/case.assigned", personaCaseUpdated, critical)
	on(r, "persona/v1/case.updated", personaCaseUpdated, critical)
	on(r, "persona/v1/case.reopened", personaCaseUpdated, critical)
	on(r, "persona/v1/case.resolved", personaCaseResolved, critical)
	ignore(r, "one of an inquiry's many steps", "persona/v1/inquiry.transitioned", "persona/v1/inquiry-session.*")
	ignore(r, "its payload is not documented: the hold stays until a person approves", "persona/v1/report/watchlist.dismissed")
	ignore(r, "not a result about a person",
		"persona/v1/account.*", "persona/v1/document.*", "persona/v1/selfie.*", "persona/v1/transaction.*",
		"persona/v1/workflow-run.*", "persona/v1/report/*")
}

// personaPayload is the part of Persona's events that we read: an object, and those it refers to. Every member is optional, since an
// integrator can block attributes and turn relationships off.
//
// https://docs.withpersona.com/webhooks
type personaPayload struct {
	Object   personaObject   `json:"data.attributes.payload.data"`
	Included []personaObject `json:"data.attributes.payload.included"`
}

type personaObject struct {
	Type       string `json:"type"` // inquiry, account, case, verification/selfie, report/watchlist
	ID         string `json:"id"`
	Attributes struct {
		ReferenceID string `json:"reference-id"` // the integrator's own ID of the person
		FirstName   string `json:"name-first"`
		LastName    string `json:"name-last"`
		Email       string `json:"email-address"`
		HasMatch    *bool  `json:"has-match"`   // of a report
		Status      string `json:"status"`      // of a case: a word of the integrator's own
		Resolution  string `json:"resolution"`  // of a case
		AssigneeID  string `json:"assignee-id"` // of a case
		Name        string `json:"name"`        // of a case
	} `json:"attributes"`
	Relationships struct {
		Account   personaLink  `json:"account"`
		Inquiry   personaLink  `json:"inquiry"`
		Accounts  personaLinks `json:"accounts"`  // of a case
		Inquiries personaLinks `json:"inquiries"` // of a case
	} `json:"relationships"`
}

type personaLink struct {
	Data struct {
		ID string `json:"id"`
	} `json:"data"`
}

type personaLinks struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
}

func (l personaLinks) first() string {
	if len(l.Data) == 0 {
		return ""
	}
	return l.Data[0].ID
}

// person returns the account, which identifies a person across inquiries, or else the inquiry. For a case about several people it is the
// first.
func (p personaPayload) person() Person {
	o := p.Object
	account := cmp.Or(o.Relationships.Account.Data.ID, o.Relationships.Accounts.first())
	inquiry := cmp.Or(o.Relationships.Inquiry.Data.ID, o.Relationships.Inquiries.first())
	switch o.Type {
	case "account":
		account = o.ID
	case "inquiry":
		inquiry = o.ID
	}
	for _, other := range p.Included {
		switch {
		case other.Type == "account":
			account = cmp.Or(account, other.ID)
		case other.Type == "inquiry" && other.ID == inquiry:
			account = cmp.Or(account, other.Relationships.Account.Data.ID)
		}
	}
	person := Person{ID: cmp.Or(account, inquiry)}
	if o.Type == "inquiry" {
		person.Profile = profile(map[models.ProfileField]string{
			models.ExternalID: o.Attributes.ReferenceID, models.FirstName: o.Attributes.FirstName,
			models.LastName: o.Attributes.LastName, models.Email: o.Attributes.Email,
		})
	}
	return person
}

func personaInquiryCreated(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionProgressed(Session{Person: p.person(), Reason: "inquiry created"}, models.StatusPending), nil
}

func personaInquiryStarted(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionProgressed(Session{Person: p.person(), Reason: "inquiry started"}, models.StatusInProgress), nil
}

// personaInquiryCompleted says that the person has done all steps, not that they passed. If your Persona flow has no step that approves
// or declines, set Verdict to models.StatusVerified here.
func personaInquiryCompleted(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionCompleted(Session{Person: p.person(), Reason: "inquiry completed"}), nil
}

func personaInquiryFailed(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionFailed(Session{Person: p.person(), Reason: "inquiry failed"}), nil
}

func personaInquiryInReview(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionCompleted(Session{Person: p.person(), Verdict: models.StatusInReview, Reason: "inquiry marked for review"}), nil
}

// personaInquiryApproved and personaInquiryDeclined count as a reviewer's decision. A workflow or the API may have decided, but the event
// does not say so.
func personaInquiryApproved(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionCompleted(Session{Person: p.person(), Verdict: models.StatusVerified, By: models.ByManual, Reason: "inquiry approved"}), nil
}

func personaInquiryDeclined(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionFailed(Session{Person: p.person(), By: models.ByManual, Reason: "inquiry declined"}), nil
}

// personaInquiryExpired counts as progress: another inquiry may have verified the person.
func personaInquiryExpired(_ models.Event, p personaPayload) (models.Facts, error) {
	return sessionWithdrawn(Session{Person: p.person(), By: models.ByProgress, Reason: "inquiry expired"}), nil
}

// personaRedacted erases the profile. Decisions stay.
func personaRedacted(_ models.Event, p personaPayload) (models.Facts, error) {
	return personRedacted(p.person()), nil
}

// personaVerification returns the translation for the events of one step of an inquiry. The name of the event says the result.
func personaVerification(status models.CheckStatus) func(models.Event, personaPayload) (models.Facts, error) {
	return func(e models.Event, p personaPayload) (models.Facts, error) {
		_, method, _ := strings.Cut(p.Object.Type, "/")
		check := models.Check{Kind: models.IdentityCheck, CheckID: p.Object.ID, Status: status, Reason: method}
		switch method {
		case "selfie":
			check.Kind = models.BiometricCheck
		case "document", "driver-license", "government-id", "government-id-nfc":
			check.Kind = models.DocumentCheck
		}
		if status == models.CheckPending {
			check.Reason = joined(method, strings.TrimPrefix(e.Type, "verification."))
		}
		return checkCompleted(p.person(), check), nil
	}
}
