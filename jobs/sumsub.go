package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// sumsubEvents lists the event types of Sumsub. Its AML cases belong to transactions, too:
// https://docs.sumsub.com/docs/transaction-monitoring-webhooks.
func sumsubEvents(r *Registry) {
	on(r, "sumsub/v1/applicantCreated", sumsub(sumsubCreated))
	on(r, "sumsub/v1/applicantPending", sumsub(sumsubPending))
	on(r, "sumsub/v1/applicantPrechecked", sumsub(sumsubPrechecked))
	on(r, "sumsub/v1/applicantOnHold", sumsub(sumsubOnHold))
	on(r, "sumsub/v1/applicantReviewed", sumsub(sumsubReviewed))
	on(r, "sumsub/v1/applicantWorkflowCompleted", sumsub(sumsubReviewed))
	on(r, "sumsub/v1/applicantReset", sumsub(sumsubReset))
	on(r, "sumsub/v1/applicantLevelChanged", sumsub(sumsubLevelChanged))
	on(r, "sumsub/v1/applicantDeactivated", sumsub(sumsubDeactivated))
	on(r, "sumsub/v1/applicantDeleted", sumsub(sumsubDeleted))
	on(r, "sumsub/v1/applicantPersonalDataDeleted", sumsub(sumsubDeleted))
	on(r, "sumsub/v1/applicantActivated", sumsub(sumsubChanged))
	on(r, "sumsub/v1/applicantTagsChanged", sumsub(sumsubChanged))
	on(r, "sumsub/v1/applicantPersonalInfoChanged", sumsub(sumsubChanged))
	on(r, "sumsub/v1/applicantActionPending", sumsub(sumsubAction(models.CheckPending)))
	on(r, "sumsub/v1/applicantActionReviewed", sumsub(sumsubAction("")))
	on(r, "sumsub/v1/applicantActionOnHold", sumsub(sumsubAction(models.CheckInReview)))
	ignore(r, "about a transaction, not about who a person is",
		"sumsub/v1/applicantKyt*", "sumsub/v1/kytCase*", "sumsub/v1/amlCase*", "sumsub/v1/travelRuleAction")
	ignore(r, "a step of a video call, not its result", "sumsub/v1/videoIdent*")
	ignore(r, "its payload is not documented", "sumsub/v1/kybCompanyActivity")
}

// sumsubPayload is the part of Sumsub's events that we read. Any member may be missing. The envelope says whether the event is a test.
//
// https://docs.sumsub.com/docs/user-verification-webhooks
type sumsubPayload struct {
	ApplicantID      string `json:"applicantId"`
	ApplicantType    string `json:"applicantType,omitempty" oneof:"individual company"`
	ExternalUserID   string `json:"externalUserId"`
	ClientID         string `json:"clientId"`
	ActionID         string `json:"applicantActionId"`
	ExternalActionID string `json:"externalApplicantActionId"`
	Result           struct {
		Answer     string   `json:"reviewAnswer,omitempty" oneof:"green red"`
		RejectType string   `json:"reviewRejectType,omitempty" oneof:"final retry"`
		Labels     []string `json:"rejectLabels"`
		Comment    string   `json:"moderationComment"` // for the person; clientComment is for staff only
	} `json:"reviewResult"`
}

func (p sumsubPayload) person() Person {
	return Person{ID: p.ApplicantID, Profile: profile(map[models.ProfileField]string{
		models.ExternalID: p.ExternalUserID, models.TenantID: p.ClientID,
	})}
}

// flagged returns the person with flags, which replace those that they have.
func (p sumsubPayload) flagged(flags []string) Person {
	person := p.person()
	person.Profile[models.Flags] = flags
	return person
}

// sumsub returns a translation for events about a person or, in the same form, about a company.
func sumsub(aboutPerson func(p sumsubPayload) models.Facts) func(models.Event, sumsubPayload) (models.Facts, error) {
	return func(_ models.Event, p sumsubPayload) (models.Facts, error) {
		f := aboutPerson(p)
		if p.ApplicantType != "company" {
			return f, nil
		}
		return companyReviewed(p.ApplicantID, f), nil
	}
}

func sumsubCreated(p sumsubPayload) models.Facts {
	return applicantProgressed(p.person(), models.StatusPending, "applicant created")
}

func sumsubPending(p sumsubPayload) models.Facts {
	return applicantProgressed(p.person(), models.StatusInProgress, "documents submitted")
}

func sumsubPrechecked(p sumsubPayload) models.Facts {
	return applicantProgressed(p.person(), models.StatusInProgress, "prechecked")
}

func sumsubOnHold(p sumsubPayload) models.Facts {
	return applicantReviewed(Review{Person: p.person(), Verdict: models.StatusInReview, By: models.ByAutomatic, Reason: "on hold"})
}

// sumsubReviewed is sent again if Sumsub changes its mind: green may become red, for example because of fraud. It does not say whether a
// person decided, so the newest result counts.
func sumsubReviewed(p sumsubPayload) models.Facts {
	r := Review{Person: p.person(), Verdict: models.StatusInReview, By: models.ByAutomatic}
	if p.Result.Labels != nil {
		r.Person = p.flagged(p.Result.Labels)
	}
	switch final := p.Result.RejectType == "final"; {
	case p.Result.Answer == "green":
		r.Person, r.Verdict = p.flagged([]string{}), models.StatusVerified
	case p.Result.Answer == "red" && final:
		r.Verdict = models.StatusRejected
	case p.Result.Answer == "red":
		r.Verdict = models.StatusFailed
	}
	again := map[string]string{"retry": "may retry", "final": "final"}[p.Result.RejectType]
	r.Reason = joined(cmp.Or(p.Result.Answer, "no result"), again, p.Result.Comment)
	return applicantReviewed(r)
}

func sumsubReset(p sumsubPayload) models.Facts {
	return verdictUndone(p.flagged([]string{}), models.StatusPending, "applicant reset")
}

// sumsubLevelChanged: what passed at the earlier level says nothing about the new one.
func sumsubLevelChanged(p sumsubPayload) models.Facts {
	return verdictUndone(p.flagged([]string{}), models.StatusPending, "verification level changed")
}

func sumsubDeactivated(p sumsubPayload) models.Facts {
	return applicantWithdrawn(p.person(), "applicant deactivated")
}

// sumsubDeleted withdraws the person and erases the profile.
func sumsubDeleted(p sumsubPayload) models.Facts {
	erased := personRedacted(p.person()).Profile
	return applicantWithdrawn(Person{ID: p.ApplicantID, Profile: erased}, "applicant deleted")
}

// sumsubChanged keeps the profile: the tags and the new data are not in the event. Nor is the status of an applicant who was activated
// again, who stays withdrawn until the next review or reset.
func sumsubChanged(p sumsubPayload) models.Facts {
	return p.person().facts()
}

// sumsubAction returns the translation for an action, such as one more face check of a known person. It is a check, and decides nothing
// about the applicant. Without a status, the payload has the result.
func sumsubAction(status models.CheckStatus) func(sumsubPayload) models.Facts {
	return func(p sumsubPayload) models.Facts {
		return checkCompleted(p.person(), models.Check{
			Kind: models.IdentityCheck, CheckID: cmp.Or(p.ActionID, p.ExternalActionID),
			Status: cmp.Or(status, checkStatus(p.Result.Answer == "green", p.Result.Answer == "red")), Reason: joined(p.Result.Labels...),
		})
	}
}
