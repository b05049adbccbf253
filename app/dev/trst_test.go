package dev

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// trstAPI plays TRST, which chooses the secret and shows it once.
func trstAPI(t *testing.T) *webhookAPI {
	t.Helper()
	d := newWebhookAPI(t, "/project/p/webhooks", map[string]any{"secret": "whsec_theirs_0123456789_%d"})
	t.Setenv("TRST_API_URL", d.URL)
	t.Setenv("TRST_API_KEY_ID", "id")
	t.Setenv("TRST_API_KEY", "sk_key")
	t.Setenv("TRST_PROJECT_ID", "p")
	return d
}

const first, second = "whsec_theirs_0123456789_1", "whsec_theirs_0123456789_2"

// TestTRSTCreate saves the secret beside what is in .env, and shows it only to whom asks for it.
func TestTRSTCreate(t *testing.T) {
	d := trstAPI(t)
	writeFile(t, ".env", "# mine\nLOG_LEVEL=warn\nTRST_WEBHOOK_SECRET=\n")
	out := succeed(t, "subscriptions", "create", "trst")
	holds(t, out, "trst webhook_1", "https://app.example/webhooks/trst", "active", "saved as TRST_WEBHOOK_SECRET in .env",
		"Restart the server now")
	env := content(t, ".env")
	if env != "# mine\nLOG_LEVEL=warn\nTRST_WEBHOOK_SECRET="+first+"\n" || strings.Contains(out, first) {
		t.Errorf("printed %s.env: %s", out, env)
	}
	out = succeed(t, "subscriptions", "create", "trst", "--url", "https://b.example/webhooks", "--print-secret")
	holds(t, out, "secret  "+second)
	d.webhooks[0]["enabled"] = false
	holds(t, succeed(t, "subscriptions", "list"), "webhook_1", "inactive", "webhook_2", "https://b.example/webhooks/trst")
	if out := succeed(t, "subscriptions", "list", "trst", "--json"); strings.Count(out, "\n") != 2 || strings.Contains(out, "whsec") {
		t.Errorf("list: %s", out)
	}
}

// TestTRSTRefuses: nothing is asked of the provider if the answer could not be used.
func TestTRSTRefuses(t *testing.T) {
	d := trstAPI(t)
	create := func(want string, args ...string) {
		t.Helper()
		fails(t, run(t, append([]string{"subscriptions", "create", "trst"}, args...)...), true, want)
	}
	create(`--url or PUBLIC_URL is "http://app.example": providers send to https only`, "--url", "http://app.example")
	create(`--url or PUBLIC_URL is "https://localhost:8080": localhost is not public`, "--url", "https://localhost:8080")
	t.Setenv("PUBLIC_URL", "")
	create("--url or PUBLIC_URL is")
	t.Setenv("PUBLIC_URL", "https://app.example")
	t.Setenv("TRST_WEBHOOK_SECRET", "whsec_0123456789abcdef")
	create("TRST_WEBHOOK_SECRET is set in the environment, which wins over .env")
	t.Setenv("TRST_API_KEY", "")
	create("TRST_API_KEY is not set, but other credentials of trst are")
	if len(d.calls) > 0 {
		t.Errorf("called %v", d.calls)
	}
}

// TestTRSTUnsavedSecret: the folder of the secret goes away while the provider creates.
func TestTRSTUnsavedSecret(t *testing.T) {
	d := trstAPI(t)
	t.Setenv("TRST_WEBHOOK_SECRET_FILE", "kept/trst")
	d.onCreate = func() {
		if err := os.RemoveAll("kept"); err != nil {
			t.Error(err)
		}
	}
	for _, args := range [][]string{nil, {"--print-secret"}} {
		if err := os.MkdirAll("kept", 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, "kept/trst", "whsec_0123456789abcdef\n")
		r := run(t, append([]string{"subscriptions", "create", "trst"}, args...)...)
		fails(t, r, false, "its secret, which is shown only once, is not saved",
			"delete the webhook (go run . subscriptions delete trst webhook_")
		if shown := strings.Contains(r.stdout, "secret  whsec_theirs"); shown != (args != nil) {
			t.Errorf("%v: %q", args, r.stdout)
		}
	}
}

// TestTRSTChanges: update, delete, test and what never came.
func TestTRSTChanges(t *testing.T) {
	d := trstAPI(t)
	writeFile(t, ".env", "TRST_WEBHOOK_SECRET=whsec_0123456789abcdef\n")
	succeed(t, "subscriptions", "create", "trst")
	holds(t, succeed(t, "subscriptions", "update", "trst", "webhook_1", "--enabled=false"), "updated", "inactive")
	holds(t, succeed(t, "subscriptions", "test", "trst", "webhook_1"), "will send a test event  trst webhook_1")
	fails(t, run(t, "subscriptions", "update", "trst", "webhook_1"), true, "at least one of the flags in the group")
	for _, args := range [][]string{{"update", "trst", "--enabled"}, {"delete", "trst"}, {"test", "trst"}} {
		fails(t, run(t, append([]string{"subscriptions"}, args...)...), true, "give the ID of the webhook")
	}

	a := serve(t, "sqlite:db")
	succeed(t, "trigger", "trst/webhook.test")
	came, err := newest[models.Event](t.Context(), a, "events", url.Values{}, 1)
	if err != nil || len(came) != 1 {
		t.Fatal(came, err)
	}
	d.events = []string{came[0].ExternalID, "lost"}
	holds(t, succeed(t, "subscriptions", "deliveries", "trst"), "delivery_0", "delivery_1", "delivery_2", "failed")
	r := run(t, "subscriptions", "deliveries", "trst", "webhook_1", "--missing", "--json")
	fails(t, r, false, "deliveries whose event the server does not have: 2")
	if strings.Contains(r.stdout, "delivery_1") || !strings.Contains(r.stdout, `"event_id":"lost"`) {
		t.Errorf("missing: %s", r.stdout)
	}
	holds(t, succeed(t, "subscriptions", "delete", "trst", "webhook_1"), "deleted  trst webhook_1")
	if len(d.webhooks) > 0 {
		t.Errorf("left %v", d.webhooks)
	}
}

// TestTRSTRotate: the old webhook and its secret go only when a delivery was verified with the new one.
func TestTRSTRotate(t *testing.T) {
	d := trstAPI(t)
	fails(t, run(t, "subscriptions", "rotate", "trst"), true, "no secret to replace")
	succeed(t, "subscriptions", "create", "trst")
	fails(t, run(t, "subscriptions", "rotate", "trst", "webhook_1", "--finish"), true, "has one secret")
	holds(t, succeed(t, "subscriptions", "rotate", "trst"), "created  trst webhook_2", "Restart the server now",
		"go run . subscriptions rotate trst webhook_1 --finish")
	fails(t, run(t, "subscriptions", "rotate", "trst"), true, "two secrets already")
	finish := []string{"subscriptions", "rotate", "trst", "webhook_1", "--finish"}
	fails(t, run(t, finish...), false, "call the admin API")
	serve(t, "sqlite:db")
	succeed(t, "trigger", "trst/webhook.test", "--secret-file", secretFile(t, first))
	fails(t, run(t, finish...), false, "no delivery of trst was verified with the new secret "+handlers.Fingerprint(second))
	fails(t, run(t, "subscriptions", "rotate", "trst", "--finish"), true, "give the ID of the webhook")
	fails(t, run(t, "subscriptions", "rotate", "trst", "webhook_2", "--finish"), false,
		"no newer active webhook of trst sends to the URL of webhook_2")
	if len(d.webhooks) != 2 || content(t, ".env") != "TRST_WEBHOOK_SECRET="+first+","+second+"\n" {
		t.Fatalf("something is gone too early: %v, %s", d.webhooks, content(t, ".env"))
	}
	succeed(t, "trigger", "trst/webhook.test", "--secret-file", secretFile(t, second))
	holds(t, succeed(t, finish...), "deleted trst webhook_1", "removed the secret "+handlers.Fingerprint(first), "Restart the server")
	if len(d.webhooks) != 1 || d.webhooks[0]["id"] != "webhook_2" || content(t, ".env") != "TRST_WEBHOOK_SECRET="+second+"\n" {
		t.Errorf("%v, %s", d.webhooks, content(t, ".env"))
	}
}

// TestTRSTSubscribe: webhooks are there while listen runs, and neither they nor their secrets after it.
func TestTRSTSubscribe(t *testing.T) {
	d := trstAPI(t)
	writeFile(t, ".env", "TRST_WEBHOOK_SECRET=whsec_0123456789abcdef\n")
	c, err := app.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSubscribers(c, []string{"trst", "unknown"}); err == nil || strings.Contains(err.Error(), "trst:") {
		t.Errorf("got %v, want only the unknown one named", err)
	}
	var said strings.Builder
	end, err := subscribe(t.Context(), &said, c, []string{"trst"}, "https://ours.ngrok.app")
	if err != nil || len(d.webhooks) != 1 || d.webhooks[0]["url"] != "https://ours.ngrok.app/webhooks/trst" {
		t.Errorf("%v, %v", d.webhooks, err)
	}
	holds(t, content(t, ".env"), "whsec_0123456789abcdef,"+first)
	if err := end(context.WithoutCancel(t.Context())); err != nil || len(d.webhooks) > 0 {
		t.Errorf("%v, left %v", err, d.webhooks)
	}
	if content(t, ".env") != "TRST_WEBHOOK_SECRET=whsec_0123456789abcdef\n" {
		t.Errorf("left %s", content(t, ".env"))
	}
	holds(t, said.String(), "subscribed to trst: webhook_1", "Restart the server", "no longer subscribed to trst")
	if strings.Contains(said.String(), "whsec") {
		t.Errorf("a secret is printed: %s", &said)
	}
}
