package jobs

import (
	"cmp"

	"example.com/identity-webhooks/models"
)

// stripeEvents lists the event types of Stripe Identity.
func stripeEvents(r *Registry) {
	on(r, "stripe/v1/identity.verification_session.created", stripeSessionCreated)
	on(r, "stripe/v1/identity.verification_session.processing", stripeSessionProcessing)
	on(r, "stripe/v1/identity.verification_session.requires_input", stripeSessionRequiresInput)
	on(r, "stripe/v1/identity.verification_session.verified", stripeSessionVerified)
	on(r, "stripe/v1/identity.verification_session.canceled", stripeSessionCanceled)
	on(r, "stripe/v1/identity.verification_session.redacted", stripeSessionRedacted)
	ignore(r, "says nothing about a verification", "stripe/v1/*", "stripe/v2/*")
}

// stripeSession is the part of identity.verification_session.* events that we read. The session's ID identifies the person: Stripe has no
// ID for people. The envelope says whether the event is a test.
//
// https://docs.stripe.com/identity/handle-verification-outcomes
type stripeSession struct {
	Object struct {
		ID              string `json:"id"`
		ClientReference string `json:"client_reference_id"`
		RelatedCustomer string `json:"related_customer"`
		Metadata        struct {
			UserID string `json:"user_id"` // as in Stripe's own examples
		} `json:"metadata"`
		ProvidedDetails struct {
			Email string `json:"email"`
		} `json:"provided_details"`
		LastError *struct {
			Code string `json:"code" oneof:"*"`
		} `json:"last_error"`
	} `json:"data.object"`
}

func (p stripeSession) session(reason string) Session {
	o := p.Object
	return Session{Reason: reason, Person: Person{ID: o.ID, Profile: profile(map[models.ProfileField]string{
		models.ExternalID: cmp.Or(o.ClientReference, o.Metadata.UserID, o.RelatedCustomer),
		models.Email:      o.ProvidedDetails.Email,
	})}}
}

// checked adds the result of the identity check, which is all that Stripe's event says about checks.
func (s Session) checked(status models.CheckStatus) Session {
	s.Checks = []models.Check{{Kind: models.IdentityCheck, Status: status, Reason: s.Reason}}
	return s
}

func stripeSessionCreated(_ models.Event, p stripeSession) (models.Facts, error) {
	return sessionProgressed(p.session("session created"), models.StatusPending), nil
}

func stripeSessionProcessing(_ models.Event, p stripeSession) (models.Facts, error) {
	return sessionProgressed(p.session("processing"), models.StatusInProgress), nil
}

// stripeSessionRequiresInput is sent at the start of a session, when nothing has failed yet, and after each attempt that failed. The person
// may try again in the same session.
func stripeSessionRequiresInput(_ models.Event, p stripeSession) (models.Facts, error) {
	lastError := p.Object.LastError
	if lastError == nil {
		return sessionProgressed(p.session("waits for input"), models.StatusPending), nil
	}
	switch lastError.Code {
	case "abandoned", "consent_declined":
		return sessionWithdrawn(p.session(lastError.Code)), nil
	}
	return sessionFailed(p.session(lastError.Code).checked(models.CheckFailed)), nil
}

func stripeSessionVerified(_ models.Event, p stripeSession) (models.Facts, error) {
	s := p.session("verified").checked(models.CheckPassed)
	s.Verdict = models.StatusVerified
	return sessionCompleted(s), nil
}

func stripeSessionCanceled(_ models.Event, p stripeSession) (models.Facts, error) {
	return sessionWithdrawn(p.session("canceled")), nil
}

// stripeSessionRedacted erases the profile, and ignores what this event still contains of it. Decisions stay.
func stripeSessionRedacted(_ models.Event, p stripeSession) (models.Facts, error) {
	return personRedacted(Person{ID: p.Object.ID}), nil
}
