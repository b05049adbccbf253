package inspector

import (
	"cmp"
	"fmt"
	"strings"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// headline says in words what an event is about.
func headline(e models.Event, f models.Facts, err error, c *models.Customer) string {
	id, _ := f.Profile[models.ExternalID].(string)
	who := cmp.Or(id, short(f.SubjectID), "somebody")
	if c != nil {
		who = name(*c)
	}
	switch {
	case e.Type == "":
		return "a delivery that cannot be read"
	case e.BodyError() != nil:
		return e.Type
	case err != nil:
		return e.Type + " could not be understood"
	case f.Ignored != "":
		return e.Type + " changes nothing"
	case len(f.Decisions) > 0:
		return decision(f.Decisions[len(f.Decisions)-1], who)
	case len(f.Resolutions) > 0:
		return fmt.Sprintf("a hit about %s was resolved as %s", who, words(f.Resolutions[0].Resolution))
	case len(f.Hits) > 0 && f.Hits[0].Kind == models.AlertKind:
		return "monitoring raised an alert about " + who
	case len(f.Hits) > 0:
		return "screening found a possible match for " + who
	case len(f.Checks) > 0:
		check := f.Checks[len(f.Checks)-1]
		return fmt.Sprintf("the %s check of %s %s", check.Kind, who, checked[check.Status])
	case f.Case != nil:
		return caseEvent(f.Case)
	case f.Company != nil:
		return companyEvent(f.Company)
	case len(f.Profile) > 0:
		return "details of " + who + " were updated"
	}
	return e.Type
}

func decision(d models.Decision, who string) string {
	if d.Authority != models.ByManual {
		return who + " " + decided[d.Status]
	}
	switch d.Status {
	case models.StatusVerified:
		return "a person approved " + who + " by hand"
	case models.StatusRejected:
		return "a person rejected " + who + " by hand"
	case models.StatusInReview:
		return "a person asked for another review of " + who
	}
	return "a person set " + who + " to " + words(d.Status)
}

var decided = map[models.Status]string{
	models.StatusVerified:   "passed the automatic checks",
	models.StatusFailed:     "failed the automatic checks",
	models.StatusRejected:   "was rejected automatically",
	models.StatusInReview:   "needs a review",
	models.StatusInProgress: "is in progress",
	models.StatusWithdrawn:  "withdrew",
	models.StatusPending:    "was registered",
}

var checked = map[models.CheckStatus]string{
	models.CheckPassed:   "passed",
	models.CheckClear:    "found nothing",
	models.CheckHit:      "found possible matches",
	models.CheckFailed:   "failed",
	models.CheckPending:  "has begun",
	models.CheckNotRun:   "was not run",
	models.CheckError:    "ended with an error",
	models.CheckInReview: "needs a review",
}

// why says who or what made a decision.
func why(d models.Decision) string {
	switch d.Authority {
	case models.ByManual:
		return "A person decided about the " + d.Source
	case models.ByAutomatic:
		return "The provider decided about the " + d.Source + " automatically"
	case models.ByOpenCase:
		return "A case is open"
	}
	return "The provider reported the progress of the " + d.Source
}

func caseEvent(c *models.CaseFacts) string {
	name := short(c.CaseID)
	if !strings.HasPrefix(strings.ToLower(name), "case") {
		name = "case " + name
	}
	switch {
	case c.Resolved != nil && c.Resolved.Resolution != "":
		return name + " was resolved: " + words(c.Resolved.Resolution)
	case c.Resolved != nil:
		return name + " was resolved"
	case c.Escalated != nil:
		return name + " was escalated"
	case c.Opened != nil:
		return name + " was opened"
	case c.Assignee != "":
		return name + " was assigned"
	case c.Status != "":
		return name + " is now " + words(c.Status)
	}
	return name + " was updated"
}

func companyEvent(c *models.CompanyFacts) string {
	name := "company " + short(c.CompanyID)
	switch {
	case c.Verified != nil:
		return name + " was checked: " + words(c.Verified.Status)
	case c.Owner != nil:
		return "an owner of " + name + " was checked"
	}
	return name + " was registered"
}

// explain describes the state of an event.
func explain(e models.Event) string { return outcomes[state(e)] }

var outcomes = map[string]string{
	string(models.Received):    "It is stored, and will be processed in a moment.",
	string(models.Queued):      "It waits in the queue, is being processed, or waits for its next attempt.",
	string(models.Failed):      "It failed, and is not tried again. Fix the cause, then replay it.",
	string(models.Quarantined): "Its ID was used before with another body, or the body contradicts itself. It is kept, but not applied.",
	string(models.Applied):     "It established at least one new fact.",
	string(models.Stale):       "Its facts are older than those already known, so it changed nothing.",
	string(models.Ignored):     "It says nothing about a customer.",
	string(models.Duplicate):   "An event with this ID was processed before.",
	string(models.Sandbox):     "It comes from the provider's sandbox, and was recorded without being applied.",
}

// advice says what to do about a rejected delivery.
func advice(r handlers.Rejection) string {
	secret := strings.ToUpper(r.Provider) + "_WEBHOOK_SECRET"
	switch r.Reason {
	case handlers.WrongSecret:
		return "Compare " + secret + " with the secret at the provider. A proxy that changes the body also causes this: `verify` shows which it is."
	case handlers.WrongToken:
		return "The last part of the URL at the provider must be the value of " + secret + "."
	case handlers.MissingSignature, handlers.MissingTimestamp, handlers.MissingID:
		return "The provider did not sign this, or a proxy removed the header. Scanners send such requests, too; ignore those."
	case handlers.WeakSignature:
		return "The header with the signature of the whole body is missing. A proxy may have removed it: `verify` shows which it is."
	case handlers.MalformedSignature, handlers.MalformedTimestamp, handlers.MalformedID, handlers.RepeatedHeader:
		return "Look at the headers with `verify`. A proxy may have changed them, or it was a scanner."
	case handlers.RefusedHash:
		return "Choose another signature algorithm at the provider, or allow this one: `verify` shows which are accepted."
	case handlers.TooOld:
		return "Check the clock of this machine. Somebody may also have sent an old delivery again."
	case handlers.FromTheFuture:
		return "Check the clock of this machine."
	case handlers.WrongID:
		return "Somebody combined the headers of one event with the body of another. Report it to the provider if it continues."
	case handlers.UnknownKey:
		return "The provider's API did not have the key, or did not answer: the log says which. The provider was asked to send the delivery again."
	case handlers.ExpiredKey:
		return "The provider no longer signs with this key. Somebody may have sent an old delivery again."
	}
	switch reason := string(r.Reason); {
	case strings.HasPrefix(reason, "no such path"):
		return "Correct the URL at the provider."
	case strings.HasPrefix(reason, "no secret"):
		return "Set the variable and restart."
	case strings.HasPrefix(reason, "wrong method"):
		return "Set the webhook up to send POST requests. Somebody who opens the URL in a browser causes this as well."
	case strings.HasPrefix(reason, "body"):
		return "It was not read to the end: it is larger than 1 MiB, or the connection broke or was too slow."
	}
	return "The log says more. `verify` explains a signature that does not verify."
}
