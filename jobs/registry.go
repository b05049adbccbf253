package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"example.com/identity-webhooks/models"
)

// ErrPermanent says that trying again cannot help: the payload does not fit.
var ErrPermanent = errors.New("permanent")

// translation turns an event into the change it asks for. It reads no clock, does no I/O and gives the same result each
// time it runs.
type translation func(e models.Event) (models.Change, error)

// Registry knows what each event type means. Types are told apart as provider/generation/type, since the same type means
// two things in two generations.
type Registry struct {
	translations map[string]translation
	critical     map[string]bool
}

// NewRegistry is the table of contents: every event type we know, and what it leads to. An event that is not listed is
// recorded and changes nothing.
func NewRegistry() *Registry {
	r := &Registry{map[string]translation{}, map[string]bool{}}

	on(r, "trustist/v1/onboard.session.completed", trustistSessionCompletedV1)
	on(r, "trustist/v1/onboard.session.failed", trustistSessionFailedV1)
	on(r, "trustist/v2/onboard.session.completed", trustistSessionCompleted)
	on(r, "trustist/v2/onboard.session.failed", trustistSessionFailed)

	on(r, "trustgate/v2/applicant.submitted", trustgateApplicantSubmitted)
	on(r, "trustgate/v2/applicant.reviewed", trustgateApplicantReviewed)
	on(r, "trustgate/v2/applicant.verification_complete", trustgateVerificationComplete)
	on(r, "trustgate/v2/session.completed", trustgateSessionCompleted)
	on(r, "trustgate/v2/document.verified", trustgateDocumentVerified)
	on(r, "trustgate/v2/screening.completed", trustgateScreeningCompleted, critical)
	on(r, "trustgate/v2/case.created", trustgateCaseCreated, critical)

	on(r, "trustgate/v1/applicant.created", trustgateApplicantCreatedV1)
	on(r, "trustgate/v1/applicant.updated", trustgateApplicantUpdatedV1)
	on(r, "trustgate/v1/applicant.verified", trustgateApplicantVerifiedV1)
	on(r, "trustgate/v1/applicant.rejected", trustgateApplicantRejectedV1)
	on(r, "trustgate/v1/applicant.pending_review", trustgateApplicantPendingReviewV1)
	on(r, "trustgate/v1/document.uploaded", trustgateDocumentUploadedV1)
	on(r, "trustgate/v1/document.verified", trustgateDocumentVerifiedV1)
	on(r, "trustgate/v1/document.rejected", trustgateDocumentRejectedV1)
	on(r, "trustgate/v1/biometric.captured", trustgateBiometricCapturedV1)
	on(r, "trustgate/v1/biometric.verified", trustgateBiometricVerifiedV1)
	on(r, "trustgate/v1/biometric.failed", trustgateBiometricFailedV1)
	on(r, "trustgate/v1/screening.completed", trustgateScreeningCompletedV1, critical)
	on(r, "trustgate/v1/screening.hit", trustgateScreeningHitV1, critical)
	on(r, "trustgate/v1/screening.hit_resolved", trustgateHitResolved, critical)
	on(r, "trustgate/v1/screening.monitoring_alert", trustgateMonitoringAlertV1, critical)
	on(r, "trustgate/v1/case.created", trustgateCaseCreatedV1, critical)
	on(r, "trustgate/v1/case.assigned", trustgateCaseAssignedV1, critical)
	on(r, "trustgate/v1/case.status_changed", trustgateCaseStatusChangedV1, critical)
	on(r, "trustgate/v1/case.escalated", trustgateCaseEscalatedV1, critical)
	on(r, "trustgate/v1/case.resolved", trustgateCaseResolvedV1, critical)
	on(r, "trustgate/v1/company.created", trustgateCompanyCreatedV1)
	on(r, "trustgate/v1/company.verified", trustgateCompanyVerifiedV1)
	on(r, "trustgate/v1/company.ubo_added", trustgateOwnerAddedV1)

	on(r, "trst/v1/enrollment.completed", trstEnrollmentCompleted)

	on(r, "legaltalent/v1/kyc.session.created", legalTalentSessionCreated)
	on(r, "legaltalent/v1/kyc.session.completed", legalTalentSessionCompleted)
	on(r, "legaltalent/v1/kyc.session.processed", legalTalentSessionProcessed)
	on(r, "legaltalent/v1/kyc.session.approved", legalTalentSessionApproved)
	on(r, "legaltalent/v1/kyc.session.rejected", legalTalentSessionRejected)
	on(r, "legaltalent/v1/kyc.session.manual_review", legalTalentSessionInReview)
	on(r, "legaltalent/v1/watchlist.*", legalTalentWatchlist, critical) // their names are not documented

	ignore(r,
		// Tests of the connection.
		"trustgate/v2/test.ping",
		"trst/v1/webhook.test",
		// A team's own workflow step, sent past the provider's delivery service: no more than a hint.
		"trustgate/v2/workflow.action.webhook",
		// Names that can be subscribed to but are not sent yet; what they will carry is not known.
		"trustgate/v2/applicant.approved",
		"trustgate/v2/applicant.created",
		"trustgate/v2/applicant.rejected",
		"trustgate/v2/applicant.updated",
		"trustgate/v2/applicant.withdrawn",
		"trustgate/v2/case.assigned",
		"trustgate/v2/case.resolved",
		"trustgate/v2/document.rejected",
		"trustgate/v2/document.uploaded",
		"trustgate/v2/screening.hit",
		"trustgate/v2/screening.started",
		// Money, not identity.
		"trustist/partner/InvitationStatusChanged",
		"trustist/partner/PaymentStatusChanged",
		"trustist/payment/StandingOrderCreated",
		"trustist/payment/pay_by_bank_plus.consent.approved",
		"trustist/payment/pay_by_bank_plus.consent.failed",
		"trustist/payment/payment.completed",
		"trustist/payment/payment.created",
		"trustist/payment/payment.failed",
		"trustist/payment/standing_order.cancelled",
		"trustist/payment/standing_order.completed",
		"trustist/payment/standing_order.created",
		"trustist/payment/standing_order.failed",
		"trustist/payment/standing_order.updated",
		"trustist/payment/standing_order_transaction.unmonitored",
		"trustist/payment/standing_order_transaction.unverified",
		"trustist/payment/standing_order_transaction.verified",
		// What a demonstration device saw.
		"trst/v1/demo.scan.success",
	)
	return r
}

// option marks a registry line.
type option int

// critical puts the type into the queue that overtakes the other.
const critical option = 1

// on registers f for a type. It decodes the payload into T, makes an error of that permanent, and panics if the type is
// registered twice. Names match by case and come once: encoding/json would let "confirmed" pass for "Confirmed", which is
// another generation's name, and the last of two values win.
func on[T any](r *Registry, key string, f func(e models.Event, payload T) (models.Change, error), options ...option) {
	r.add(key, func(e models.Event) (models.Change, error) {
		var payload T
		if err := json.Unmarshal(e.Body, &payload); err != nil {
			return models.Change{}, fmt.Errorf("%w: payload does not fit: %w", ErrPermanent, err)
		}
		return f(e, payload)
	})
	r.critical[key] = slices.Contains(options, critical)
}

// ignore registers types that mean nothing for a customer.
func ignore(r *Registry, keys ...string) {
	for _, key := range keys {
		r.add(key, func(models.Event) (models.Change, error) { return models.Change{Outcome: models.Ignored}, nil })
	}
}

func (r *Registry) add(key string, t translation) {
	if _, twice := r.translations[key]; twice || strings.Count(key, "/") != 2 {
		panic(fmt.Sprintf("event type %q must be provider/generation/type, and registered once", key))
	}
	r.translations[key] = t
}

// key is the line of the registry for an event type. A line that ends in ".*" stands for all types that begin like it.
func (r *Registry) key(provider, generation, eventType string) string {
	key := provider + "/" + generation + "/" + eventType
	if _, listed := r.translations[key]; listed {
		return key
	}
	if family, _, found := strings.Cut(eventType, "."); found {
		return provider + "/" + generation + "/" + family + ".*"
	}
	return key
}

// Queue says which queue an event of this type belongs to.
func (r *Registry) Queue(provider, generation, eventType string) string {
	if r.critical[r.key(provider, generation, eventType)] {
		return models.CriticalQueue
	}
	return models.DefaultQueue
}

// Translate returns what an event asks for, and whether its type is known. An unknown one asks for nothing.
func (r *Registry) Translate(e models.Event) (change models.Change, known bool, err error) {
	if e.Type == "" {
		return change, true, fmt.Errorf("%w: the envelope could not be read", ErrPermanent)
	}
	if bytes.Contains(e.Body, []byte(`\u0000`)) {
		return change, true, fmt.Errorf("%w: payload contains a NUL character, which the database cannot hold", ErrPermanent)
	}
	t, known := r.translations[r.key(e.Provider, e.Generation, e.Type)]
	if !known {
		return models.Change{Outcome: models.Ignored}, false, nil
	}
	change, err = t(e)
	return change, true, err
}

// missing is the error of a payload that lacks what its event is about.
func missing(field string) error { return fmt.Errorf("%w: payload has no %s", ErrPermanent, field) }
