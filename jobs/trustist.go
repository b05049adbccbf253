package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// trustistSessionV1 is what we read of onboard.session.* in the older form.
//
// https://api.trustistecommerce.com/docs/webhooks
type trustistSessionV1 struct {
	Data struct {
		CustomerID string `json:"customerId"`
		Customer   struct {
			FirstName string `json:"firstName"`
			LastName  string `json:"lastName"`
			Email     string `json:"emailAddress"`
		} `json:"customer"`
		Progress struct {
			Identity *trustistStepV1 `json:"identity"`
			AIS      *trustistStepV1 `json:"ais"`
		} `json:"progress"`
	} `json:"data"`
}

type trustistStepV1 struct {
	Status string `json:"status"`
	Reason string `json:"reason"`
}

func (s *trustistStepV1) passed() bool { return s != nil && s.Status == "passed" }

func (p trustistSessionV1) session() Session {
	return Session{
		SubjectID: p.Data.CustomerID,
		Profile: models.Profile{
			FirstName: p.Data.Customer.FirstName, LastName: p.Data.Customer.LastName, Email: p.Data.Customer.Email,
		},
		Checks: trustistChecks(p.Data.Progress.Identity.check(), p.Data.Progress.AIS.check()),
	}
}

// trustistSessionCompletedV1 passes only who passed the identity step, and the bank step where there was one.
func trustistSessionCompletedV1(_ models.Event, p trustistSessionV1) (models.Change, error) {
	var n notes
	s, steps := p.session(), p.Data.Progress
	steps.Identity.note(&n, "data.progress.identity.status")
	if steps.AIS != nil {
		steps.AIS.note(&n, "data.progress.ais.status")
	}
	s.Verdict, s.Reason = models.InReview, "completed without passing each step"
	if steps.Identity.passed() && (steps.AIS == nil || steps.AIS.passed()) {
		s.Verdict, s.Reason = models.Verified, "identity passed"
	}
	return n.on(sessionCompleted(s))
}

func trustistSessionFailedV1(_ models.Event, p trustistSessionV1) (models.Change, error) {
	s := p.session()
	for _, step := range []*trustistStepV1{p.Data.Progress.Identity, p.Data.Progress.AIS} {
		if step != nil {
			s.Reason = cmp.Or(s.Reason, step.Reason)
		}
	}
	return sessionFailed(s)
}

func (s *trustistStepV1) note(n *notes, field string) {
	status := ""
	if s != nil {
		status = s.Status
	}
	n.word(field, status, "passed", "failed")
}

func (s *trustistStepV1) check() *models.Check {
	if s == nil {
		return nil
	}
	c := models.Check{Status: models.CheckInReview, Reason: s.Reason}
	switch s.Status {
	case "passed":
		c.Status = models.CheckPassed
	case "failed":
		c.Status = models.CheckFailed
	}
	return &c
}

// trustistSession is what we read of onboard.session.completed in the newer form. It names no customer: the session stands
// for the person.
type trustistSession struct {
	Session struct {
		ID       string `json:"Id"`
		Progress struct {
			Identity *trustistStep `json:"Identity"`
			AIS      *trustistStep `json:"Ais"`
		} `json:"Progress"`
	} `json:"Session"`
}

type trustistStep struct {
	Completed bool  `json:"Completed"`
	Confirmed *bool `json:"Confirmed"` // null while nobody has said so
}

// trustistSessionCompleted passes only who is confirmed: this form has no event for a failure, so "completed" says little.
func trustistSessionCompleted(_ models.Event, p trustistSession) (models.Change, error) {
	var n notes
	steps := p.Session.Progress
	if steps.Identity == nil {
		n.word("Session.Progress.Identity", "")
	}
	s := Session{
		SubjectID: p.Session.ID,
		Verdict:   models.InReview,
		Reason:    "identity not confirmed",
		Checks:    trustistChecks(steps.Identity.check(), steps.AIS.check()),
	}
	switch {
	case !steps.Identity.confirmed():
	case steps.AIS.denied():
		s.Reason = "bank account not confirmed"
	default:
		s.Verdict, s.Reason = models.Verified, "identity confirmed"
	}
	return n.on(sessionCompleted(s))
}

// trustistSessionFailed is for an event that the newer form's list does not name. Should it come, it is no pass.
func trustistSessionFailed(_ models.Event, p trustistSession) (models.Change, error) {
	steps := p.Session.Progress
	return sessionFailed(Session{SubjectID: p.Session.ID, Checks: trustistChecks(steps.Identity.check(), steps.AIS.check())})
}

func (s *trustistStep) confirmed() bool {
	return s != nil && s.Completed && s.Confirmed != nil && *s.Confirmed
}

func (s *trustistStep) denied() bool { return s != nil && s.Confirmed != nil && !*s.Confirmed }

func (s *trustistStep) check() *models.Check {
	switch {
	case s == nil:
		return nil
	case s.confirmed():
		return &models.Check{Status: models.CheckPassed}
	case s.denied():
		return &models.Check{Status: models.CheckFailed}
	case s.Completed:
		return &models.Check{Status: models.CheckInReview}
	}
	return &models.Check{Status: models.CheckPending}
}

// trustistChecks names the steps that there are.
func trustistChecks(identity, ais *models.Check) (checks []models.Check) {
	if identity != nil {
		identity.Kind = models.IdentityCheck
		checks = append(checks, *identity)
	}
	if ais != nil {
		ais.Kind = models.AISCheck
		checks = append(checks, *ais)
	}
	return checks
}
