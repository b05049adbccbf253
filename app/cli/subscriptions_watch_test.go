package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

// TestServerWatchesSubscriptions: a webhook that its provider has disabled is in the statistics, with the command that mends it;
// the command does.
func TestServerWatchesSubscriptions(t *testing.T) {
	d := newProvidersDouble(t)
	write(t, ".env", "TRUSTIST_WEBHOOK_SECRET=tok\n")
	succeed(t, "subscriptions", "create", "trustist")
	d.webhooks["trustist"][0]["isActive"], d.webhooks["trustist"][0]["consecutiveFailures"] = false, 5
	for _, name := range []string{"TRUSTGATE_API_KEY", "TRST_API_KEY", "TRST_API_KEY_ID", "TRST_PROJECT_ID", "LEGALTALENT_API_KEY"} {
		t.Setenv(name, "")
	}
	t.Setenv("SUBSCRIPTION_CHECK_INTERVAL", "1s")
	admin := serverHere(t)
	want := handlers.SubscriptionState{
		Provider: "trustist", ID: "webhook_1", URL: "https://app.example/webhooks/trustist/", Active: new(false), ConsecutiveFailures: new(5),
		Problem: "it is disabled after 5 failures in a row: nothing is sent to us",
		Mend:    "go run . subscriptions delete trustist webhook_1 && go run . subscriptions create trustist --url https://app.example",
	}
	await(t, admin, want)
	succeed(t, "subscriptions", "delete", "trustist", "webhook_1")
	succeed(t, "subscriptions", "create", "trustist", "--url", "https://app.example")
	await(t, admin, handlers.SubscriptionState{Provider: "trustist", ID: "webhook_2", URL: want.URL, Active: new(true), ConsecutiveFailures: new(0)})
}

// await waits until the statistics show one subscription, in this state.
func await(t *testing.T, admin *adminClient, want handlers.SubscriptionState) {
	t.Helper()
	var diff string
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		var stats struct{ Subscriptions []handlers.SubscriptionState }
		if err := admin.get(t.Context(), "/api/stats", &stats); err != nil {
			t.Fatal(err)
		}
		if len(stats.Subscriptions) == 1 {
			want.CheckedAt = stats.Subscriptions[0].CheckedAt
		}
		if diff = cmp.Diff([]handlers.SubscriptionState{want}, stats.Subscriptions); diff == "" {
			return
		}
		<-tick.C
	}
	t.Fatalf("(-want +got):\n%s", diff)
}
