package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// trustistEvents lists the event types of Trustist.
func trustistEvents(r *Registry) {
	on(r, "trustist/v1/onboard.session.completed", trustistSessionCompletedV1)
	on(r, "trustist/v1/onboard.session.failed", trustistSessionFailedV1)
	on(r, "trustist/v2/onboard.session.completed", trustistSessionCompleted)
	on(r, "trustist/v2/onboard.session.failed", trustistSessionFailed)
	ignore(r, "about payments, not identity", "trustist/payment/*", "trustist/partner/*")
}

// trustistSessionV1 is the part of onboard.session.* that we read, in the older form.
//
// https://api.trustistecommerce.com/docs/webhooks
type trustistSessionV1 struct {
	CustomerID string `json:"data.customerId"`
	Status     string `json:"data.status" oneof:"completed failed"`
	Customer   struct {
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
		Email     string `json:"emailAddress"`
	} `json:"data.customer"`
	Progress struct {
		Identity trustistStepV1  `json:"identity"`
		AIS      *trustistStepV1 `json:"ais"` // only if the session has a bank step
	} `json:"data.progress"`
}

type trustistStepV1 struct {
	Status string `json:"status" oneof:"passed failed"`
	Reason string `json:"reason"`
}

func (p trustistSessionV1) session() Session {
	customer, steps := p.Customer, p.Progress
	s := Session{
		Person: Person{ID: p.CustomerID, Profile: profile(map[models.ProfileField]string{
			models.FirstName: customer.FirstName, models.LastName: customer.LastName, models.Email: customer.Email,
		})},
		Reason: steps.Identity.Reason,
	}
	if steps.Identity.Status != "" {
		s.Checks = append(s.Checks, steps.Identity.check(models.IdentityCheck))
	}
	if steps.AIS != nil {
		s.Checks = append(s.Checks, steps.AIS.check(models.AISCheck))
		s.Reason = cmp.Or(s.Reason, steps.AIS.Reason)
	}
	return s
}

func (s trustistStepV1) check(kind string) models.Check {
	return models.Check{Kind: kind, Status: checkStatus(s.Status == "passed", s.Status == "failed"), Reason: s.Reason}
}

// trustistSessionCompletedV1 verifies only a person who passed the identity step, and the bank step if there was one.
func trustistSessionCompletedV1(_ models.Event, p trustistSessionV1) (models.Facts, error) {
	s, steps := p.session(), p.Progress
	s.Verdict, s.Reason = models.StatusInReview, "completed without passing each step"
	if steps.Identity.Status == "passed" && (steps.AIS == nil || steps.AIS.Status == "passed") && p.Status != "failed" {
		s.Verdict, s.Reason = models.StatusVerified, "identity passed"
	}
	return sessionCompleted(s), nil
}

func trustistSessionFailedV1(_ models.Event, p trustistSessionV1) (models.Facts, error) {
	return sessionFailed(p.session()), nil
}

// trustistSession is the part of onboard.session.* that we read, in the newer form. It names no customer: the session's ID identifies the
// person.
type trustistSession struct {
	ID       string `json:"Session.Id"`
	Progress struct {
		Identity *trustistStep `json:"Identity"`
		AIS      *trustistStep `json:"Ais"`
	} `json:"Session.Progress"`
}

type trustistStep struct {
	Completed bool  `json:"Completed"`
	Confirmed *bool `json:"Confirmed"` // null while it is not known
}

func (p trustistSession) session() Session {
	s := Session{Person: Person{ID: p.ID}}
	if step := p.Progress.Identity; step != nil {
		s.Checks = append(s.Checks, step.check(models.IdentityCheck))
	}
	if step := p.Progress.AIS; step != nil {
		s.Checks = append(s.Checks, step.check(models.AISCheck))
	}
	return s
}

func (s *trustistStep) confirmed() bool {
	return s != nil && s.Completed && s.Confirmed != nil && *s.Confirmed
}

func (s *trustistStep) denied() bool { return s != nil && s.Confirmed != nil && !*s.Confirmed }

func (s *trustistStep) check(kind string) models.Check {
	if !s.Completed && !s.denied() {
		return models.Check{Kind: kind, Status: models.CheckPending}
	}
	return models.Check{Kind: kind, Status: checkStatus(s.confirmed(), s.denied())}
}

// trustistSessionCompleted verifies only a person whose identity is confirmed: this form has no event for a failure, so "completed" says
// little.
func trustistSessionCompleted(_ models.Event, p trustistSession) (models.Facts, error) {
	s, steps := p.session(), p.Progress
	switch {
	case !steps.Identity.confirmed():
		s.Verdict, s.Reason = models.StatusInReview, "identity not confirmed"
	case steps.AIS.denied():
		s.Verdict, s.Reason = models.StatusInReview, "bank account not confirmed"
	default:
		s.Verdict, s.Reason = models.StatusVerified, "identity confirmed"
	}
	f := sessionCompleted(s)
	if steps.Identity == nil {
		f.Drift = append(f.Drift, "Session.Progress.Identity is missing")
	}
	return f, nil
}

// trustistSessionFailed is for an event that the documentation of the newer form does not list. If it is sent, it is a failure.
func trustistSessionFailed(_ models.Event, p trustistSession) (models.Facts, error) {
	return sessionFailed(p.session()), nil
}
