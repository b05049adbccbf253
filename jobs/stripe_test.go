package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestStripeReadings(t *testing.T) {
	const session = "stripe/identity.verification_session."
	read(t, map[string]reading{
		"created":              {session + "created", nil, "pending by progress"},
		"waits for input":      {session + "requires_input", []any{"data.object.last_error", nil}, "pending by progress"},
		"failed":               {session + "requires_input", nil, "failed by automatic, identity failed"},
		"failed, unreadable":   {session + "requires_input", []any{"data.object.last_error", "document_expired"}, "failed by automatic, identity failed"},
		"failed, unknown code": {session + "requires_input", []any{"data.object.last_error.code", "surprise"}, "failed by automatic, identity failed"},
		"abandoned":            {session + "requires_input", []any{"data.object.last_error.code", "abandoned"}, "withdrawn by automatic"},
		"consent declined":     {session + "requires_input", []any{"data.object.last_error.code", "Consent_Declined"}, "withdrawn by automatic"},
		"processing":           {session + "processing", nil, "in_progress by progress"},
		"verified":             {session + "verified", nil, "verified by automatic, identity passed"},
		"canceled":             {session + "canceled", nil, "withdrawn by automatic"},
		"redacted":             {session + "redacted", nil, ""},
		"another event":        {"stripe/payment_intent.succeeded", nil, "ignored"},
		"second generation":    {"stripe/v2.core.event_destination.ping", nil, "ignored"},
	})
}

// The integrator's own ID is where Stripe's examples put it, in this order.
func TestStripeExternalID(t *testing.T) {
	t.Parallel()
	none := []any{"data.object.client_reference_id", nil, "data.object.metadata", raw("{}"), "data.object.related_customer", nil}
	for want, set := range map[string][]any{
		"user_1": {"data.object.client_reference_id", "user_1", "data.object.metadata.user_id", "user_2", "data.object.related_customer", "cus_3"},
		"user_2": {"data.object.metadata.user_id", "user_2", "data.object.related_customer", "cus_3"},
		"cus_3":  {"data.object.related_customer", "cus_3"},
	} {
		f := facts(t, sample(t, "stripe/identity.verification_session.verified", append(none, set...)...))
		if got := f.Profile[models.ExternalID]; got != want {
			t.Errorf("external ID %v, want %s", got, want)
		}
	}
}

// A redaction empties each field of the profile, whatever the event itself still says, and no decision.
func TestStripeRedaction(t *testing.T) {
	t.Parallel()
	f := facts(t, sample(t, "stripe/identity.verification_session.redacted", "data.object.client_reference_id", "user_1"))
	want := models.Facts{SubjectID: "vs_1RkQ4mLkIdentity8dTz0aVn", Profile: models.Profile{
		models.ExternalID: "", models.TenantID: "", models.FirstName: "", models.LastName: "", models.Email: "",
		models.RiskLevel: "", models.RiskScore: (*int)(nil), models.Flags: []string{},
	}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
