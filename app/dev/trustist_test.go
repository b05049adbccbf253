package dev

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

// trustistAPI plays Trustist, whose secret is a token of ours at the end of the URL.
func trustistAPI(t *testing.T) *webhookAPI {
	t.Helper()
	d := newWebhookAPI(t, "/v1/onboard/webhooks", map[string]any{"isActive": true, "consecutiveFailures": 0})
	t.Setenv("TRUSTIST_API_URL", d.URL)
	t.Setenv("TRUSTIST_API_KEY_ID", "id")
	t.Setenv("TRUSTIST_API_KEY", "sk_key")
	return d
}

// TestTrustistCreate: the token is made once and shown as its fingerprint. The next webhook gets the same one: that
// replaces one that was disabled, without a restart.
func TestTrustistCreate(t *testing.T) {
	d := trustistAPI(t)
	out := succeed(t, "subscriptions", "create", "trustist")
	parts := regexp.MustCompile(`^TRUSTIST_WEBHOOK_SECRET=([a-z2-7]{26})\n$`).FindStringSubmatch(content(t, ".env"))
	if parts == nil || d.webhooks[0]["url"] != "https://app.example/webhooks/trustist/"+parts[1] {
		t.Fatalf("%s, %v", content(t, ".env"), d.webhooks)
	}
	holds(t, out, "webhooks/trustist/<"+handlers.Fingerprint(parts[1])+">", "Restart the server now")
	d.webhooks[0]["isActive"], d.webhooks[0]["consecutiveFailures"] = false, 5
	out += succeed(t, "subscriptions", "create", "trustist")
	holds(t, out, "the one in use")
	list := succeed(t, "subscriptions", "list")
	holds(t, list, "inactive, 5 failed", "webhook_2  active ")
	if strings.Contains(out+list, parts[1]) || d.webhooks[1]["url"] != d.webhooks[0]["url"] {
		t.Errorf("the token is shown, or is another one: %s%s%v", out, list, d.webhooks)
	}
	fails(t, run(t, "subscriptions", "update", "trustist", "webhook_1", "--enabled"), true, "delete it and create it again")
}

// TestTrustistNothingCreated: a token that no webhook has is not kept.
func TestTrustistNothingCreated(t *testing.T) {
	trustistAPI(t)
	t.Setenv("TRUSTIST_API_PATH", "/v1/webhooks")
	fails(t, run(t, "subscriptions", "create", "trustist"), false, "the answer is 404", "TRUSTIST_API_PATH")
	if got := content(t, ".env"); got != "TRUSTIST_WEBHOOK_SECRET=\n" {
		t.Errorf(".env: %q", got)
	}
}

// TestTrustistRotate: the server knows the new token before anything is sent to it.
func TestTrustistRotate(t *testing.T) {
	d := trustistAPI(t)
	succeed(t, "subscriptions", "create", "trustist")
	holds(t, succeed(t, "subscriptions", "rotate", "trustist"), "new secret saved", "Restart the server. Then:",
		"go run . subscriptions rotate trustist webhook_1 --send")
	if len(d.webhooks) != 1 {
		t.Fatalf("created too early: %v", d.webhooks)
	}
	serve(t, "sqlite:db")
	holds(t, succeed(t, "subscriptions", "rotate", "trustist", "webhook_1", "--send"), "created  trustist webhook_2",
		"rotate trustist webhook_1 --finish")
	old, fresh, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(content(t, ".env"), "TRUSTIST_WEBHOOK_SECRET=")), ",")
	if d.webhooks[1]["url"] != "https://app.example/webhooks/trustist/"+fresh {
		t.Fatalf("%s, %v", content(t, ".env"), d.webhooks)
	}
	fails(t, run(t, "subscriptions", "rotate", "trustist", "webhook_2", "--finish"), false,
		"find the active webhook with the old secret: there is no webhook")
	succeed(t, "trigger", "trustist/onboard.session.failed", "--secret-file", secretFile(t, fresh))
	out := succeed(t, "subscriptions", "rotate", "trustist", "webhook_1", "--finish")
	holds(t, out, "deleted trustist webhook_1", "removed the secret "+handlers.Fingerprint(old))
	if content(t, ".env") != "TRUSTIST_WEBHOOK_SECRET="+fresh+"\n" || d.webhooks[0]["isActive"] != false {
		t.Errorf("%s, %v", content(t, ".env"), d.webhooks)
	}
}

// TestTrustistWatched: a running server notices that a webhook was disabled, and names the command that fixes it.
func TestTrustistWatched(t *testing.T) {
	d := trustistAPI(t)
	succeed(t, "subscriptions", "create", "trustist")
	d.webhooks[0]["isActive"], d.webhooks[0]["consecutiveFailures"] = false, 5
	t.Setenv("SUBSCRIPTION_CHECK_INTERVAL", "1s")
	a := serve(t, "sqlite:db")
	var stats struct{ Subscriptions []handlers.SubscriptionState }
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		var err error
		stats, err = get[struct{ Subscriptions []handlers.SubscriptionState }](ctx, a, "/api/stats")
		return len(stats.Subscriptions) == 1, err
	})
	want := handlers.SubscriptionState{
		Provider: "trustist", ID: "webhook_1", URL: "https://app.example/webhooks/trustist/", Active: new(false), ConsecutiveFailures: new(5),
		Problem: "it is disabled after 5 failures in a row: nothing is sent to us",
		Fix:     "go run . subscriptions delete trustist webhook_1 && go run . subscriptions create trustist --url https://app.example",
	}
	if err != nil {
		t.Fatal(err)
	}
	want.CheckedAt = stats.Subscriptions[0].CheckedAt
	if diff := cmp.Diff(want, stats.Subscriptions[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	found := diagnosed(t, healthy)
	expect(t, found, "ADMIN_ADDR", "warning: subscription trustist webhook_1: it is disabled after 5 failures in a row")
}
