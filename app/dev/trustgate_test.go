package dev

import "testing"

// TestTrustGateRotate: TrustGate has no list and no deletion, so the user must delete the old webhook.
func TestTrustGateRotate(t *testing.T) {
	d := newWebhookAPI(t, "/api/v1/integrations/webhooks", map[string]any{"secret": "whsec_theirs_0123456789_%d"})
	t.Setenv("TRUSTGATE_API_URL", d.URL)
	t.Setenv("TRUSTGATE_API_KEY", "sk_key")
	writeFile(t, ".env", "TRUSTGATE_WEBHOOK_SECRET=whsec_the_first_of_all\n")
	holds(t, succeed(t, "subscriptions", "rotate", "trustgate"), "created  trustgate webhook_1",
		"go run . subscriptions rotate trustgate --finish")
	serve(t, "sqlite:db")
	succeed(t, "trigger", "trustgate/applicant.created", "--secret-file", secretFile(t, "whsec_theirs_0123456789_1"))
	holds(t, succeed(t, "subscriptions", "rotate", "trustgate", "--finish"), "removed the secret",
		"Now delete the old webhook: use its dashboard.")
	if got := content(t, ".env"); got != "TRUSTGATE_WEBHOOK_SECRET=whsec_theirs_0123456789_1\n" {
		t.Errorf(".env: %s", got)
	}
	r := run(t, "subscriptions", "list")
	if r.err != nil {
		t.Error(r.err)
	}
	holds(t, r.stderr, `the API of trustgate does not document "list": use its dashboard`)
}
