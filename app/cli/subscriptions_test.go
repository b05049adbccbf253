package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
)

// file returns what a file holds.
func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// prints checks what a command prints, to the byte.
func prints(t *testing.T, want string, args ...string) {
	t.Helper()
	if diff := cmp.Diff(want, succeed(t, args...)); diff != "" {
		t.Errorf("%q (-want +got):\n%s", args, diff)
	}
}

func TestSubscriptionsHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range append([]*cobra.Command{newSubscriptions()}, newSubscriptions().Commands()...) {
		if cmd.Short == "" || cmd.Long == "" || !strings.Contains(cmd.Example, "go run . subscriptions") {
			t.Errorf("the help of %q lacks something", cmd.Name())
		}
	}
	failsWith(t, `there is no command "lst"; subscriptions --help lists them`, "subscriptions", "lst")
}

// TestSubscriptionsCreate registers with each provider, saves the secret and shows it nowhere.
func TestSubscriptionsCreate(t *testing.T) {
	d := newProvidersDouble(t)
	write(t, ".env", "# mine\nLOG_LEVEL=warn\nTRST_WEBHOOK_SECRET=\n")
	const restart = "A server running in this folder takes it over within seconds; restart any other.\n"
	const dev = "From now on data/secrets.env, made for development, counts no more: providers without a secret of their own are off.\n"
	prints(t, "created  trst webhook_1\n  url      https://app.example/webhooks/trst\n  state    active\n  secret   saved as TRST_WEBHOOK_SECRET in .env\n"+
		restart+dev, "subscriptions", "create", "trst")
	prints(t, "created  trustgate webhook_1\n  url      https://b.example/webhooks/trustgate\n  state    active\n  secret   saved as TRUSTGATE_WEBHOOK_SECRET in .env\n"+
		restart, "subscriptions", "create", "trustgate", "--url", "https://b.example/webhooks", "--name", "n")

	out := succeed(t, "subscriptions", "create", "legaltalent")
	if want := "created  legaltalent me\n  url      https://app.example/webhooks/legaltalent\n  state    active\n  secret   saved as LEGALTALENT_WEBHOOK_SECRET in .env\n" + restart; out != want {
		t.Errorf("%s", out)
	}
	legalTalent := d.asked[len(d.asked)-1]["webhook_secret"]
	out = succeed(t, "subscriptions", "create", "trustist", "--print-secret")
	url := d.webhooks["trustist"][0]["url"].(string)
	token := url[strings.LastIndex(url, "/")+1:]
	want := "created  trustist webhook_1\n  url      https://app.example/webhooks/trustist/<" + handlers.Fingerprint(token) + ">\n  state    active\n" +
		"  secret   saved as TRUSTIST_WEBHOOK_SECRET in .env\n           " + token + "\n" + restart
	if diff := cmp.Diff(want, out); diff != "" || !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(token) {
		t.Errorf("token %q (-want +got):\n%s", token, diff)
	}
	env := fmt.Sprintf("# mine\nLOG_LEVEL=warn\nTRST_WEBHOOK_SECRET=whsec_theirs_1\nTRUSTGATE_WEBHOOK_SECRET=whsec_theirs_1\nLEGALTALENT_WEBHOOK_SECRET=%s\nTRUSTIST_WEBHOOK_SECRET=%s\n", legalTalent, token)
	if diff := cmp.Diff(env, file(t, ".env")); diff != "" {
		t.Errorf(".env (-want +got):\n%s", diff)
	}

	// Once there is a token, the next webhook gets it, too: that mends one that was disabled, without a restart.
	prints(t, `{
  "subscription": {
    "provider": "trustist",
    "id": "webhook_2",
    "url": "https://app.example/webhooks/trustist/<`+handlers.Fingerprint(token)+`>",
    "events": [
      "onboard.session.completed",
      "onboard.session.failed"
    ],
    "active": true,
    "consecutive_failures": 0,
    "created": "2026-01-02T03:04:02Z"
  },
  "restart": false
}
`, "subscriptions", "create", "trustist", "--json")
	if diff := cmp.Diff(env, file(t, ".env")); diff != "" {
		t.Errorf(".env (-want +got):\n%s", diff)
	}
}

func TestSubscriptionsCreateRefuses(t *testing.T) {
	d := newProvidersDouble(t)
	for want, args := range map[string][]string{
		`--url is "http://app.example": providers send to https only`:                                                                                      {"trst", "--url", "http://app.example"},
		`--url is "https://localhost:8080": localhost is not public: providers do not send to localhost or private networks; ngrok gives it a public name`: {"trustist", "--url", "https://localhost:8080"},
		`unknown provider "acme": want legaltalent, trst, trustgate, trustist`:                                                                             {"acme"},
	} {
		failsWith(t, want, append([]string{"subscriptions", "create"}, args...)...)
	}
	t.Setenv("PUBLIC_URL", "")
	failsWith(t, "where do providers reach us? set PUBLIC_URL or --url, such as https://example.ngrok.app", "subscriptions", "create", "trst")
	t.Setenv("PUBLIC_URL", "https://app.example")
	t.Setenv("TRST_WEBHOOK_SECRET", "s")
	failsWith(t, "TRST_WEBHOOK_SECRET is set in the environment, which wins over .env: unset it, or set TRST_WEBHOOK_SECRET_FILE to a file to keep secrets in",
		"subscriptions", "create", "trst")
	t.Setenv("TRUSTIST_API_KEY", "")
	failsWith(t, "TRUSTIST_API_KEY is not set, though other credentials of trustist are", "subscriptions", "create", "trustist")
	t.Setenv("TRUSTIST_API_KEY_ID", "")
	failsWith(t, "no credentials for the API of trustist: set TRUSTIST_API_KEY_ID and TRUSTIST_API_KEY", "subscriptions", "create", "trustist")
	if calls := d.took(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

// TestUnsavedSecret: the folder of the secret goes away while the provider creates.
func TestUnsavedSecret(t *testing.T) {
	d := newProvidersDouble(t)
	d.onCreate = func() {
		if err := os.RemoveAll("kept"); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("TRUSTGATE_WEBHOOK_SECRET_FILE", "kept/trustgate")
	t.Setenv("TRST_WEBHOOK_SECRET_FILE", "kept/trst")
	for _, c := range []struct {
		args   []string
		id     string
		undo   string
		secret string
	}{
		{[]string{"trst"}, "webhook_1", "go run . subscriptions delete trst webhook_1", ""},
		{[]string{"trst", "--print-secret"}, "webhook_2", "go run . subscriptions delete trst webhook_2", "secret: whsec_theirs_2\n"},
		{[]string{"trustgate"}, "webhook_1", "see the webhooks in its dashboard", ""},
	} {
		for _, name := range []string{"trst", "trustgate"} {
			if err := os.MkdirAll("kept", 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, "kept/"+name, "old\n")
		}
		r := execute(t, append([]string{"subscriptions", "create"}, c.args...)...)
		want := c.secret + "error: webhook " + c.id + " of " + c.args[0] + " is created, but its secret, which is shown only once, is not saved: " +
			"keep secret: open kept/" + c.args[0] + ".TEMP: no such file or directory; delete the webhook (" + c.undo + "), mend that and create it again\n"
		got := regexp.MustCompile(`\.\d+:`).ReplaceAllString(r.stderr, ".TEMP:")
		if diff := cmp.Diff(want, got); diff != "" || r.stdout != "" || r.code != exitError {
			t.Errorf("%v: exit code %d, stdout %q, stderr (-want +got):\n%s", c.args, r.code, r.stdout, diff)
		}
	}
}

// TestNothingCreated: a token that no webhook has is not kept.
func TestNothingCreated(t *testing.T) {
	newProvidersDouble(t)
	t.Setenv("TRUSTIST_API_PATH", "/v1/webhooks")
	got := fails(t, "subscriptions", "create", "trustist")
	if len(got) != 1 || !strings.HasSuffix(got[0], "answers 404: there is no such subscription, or TRUSTIST_API_URL is not right; Trustist's pages name two paths: see TRUSTIST_API_PATH") {
		t.Errorf("%q", got)
	}
	if text, err := os.ReadFile(".env"); err == nil && string(text) != "TRUSTIST_WEBHOOK_SECRET=\n" || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf(".env: %q, %v", text, err)
	}
}

func TestSubscriptionsList(t *testing.T) {
	d := newProvidersDouble(t)
	write(t, ".env", "TRUSTIST_WEBHOOK_SECRET=tok\nLEGALTALENT_WEBHOOK_SECRET=s\n")
	succeed(t, "subscriptions", "create", "trst")
	succeed(t, "subscriptions", "create", "trustist")
	d.webhooks["trustist"][0]["isActive"], d.webhooks["trustist"][0]["consecutiveFailures"] = false, 5
	prints(t, `PROVIDER  ID         STATE     FAILURES  EVENTS                                            URL
trst      webhook_1  active    -         enrollment.completed,demo.scan.success            https://app.example/webhooks/trst
trustist  webhook_1  inactive  5         onboard.session.completed,onboard.session.failed  https://app.example/webhooks/trustist/<`+handlers.Fingerprint("tok")+`>
# trustgate does not document how to list webhooks by its API: see the webhooks in its dashboard
`, "subscriptions", "list")
	prints(t, "{\n  \"subscriptions\": []\n}\n", "subscriptions", "list", "legaltalent", "--json")
	failsWith(t, "trustgate does not document how to list webhooks by its API: see the webhooks in its dashboard", "subscriptions", "list", "trustgate")

	t.Setenv("LEGALTALENT_API_URL", "http://"+testservers.FreeAddress(t))
	r := execute(t, "subscriptions", "list")
	if r.code != exitError || strings.Count(r.stdout, "\n") != 4 || !strings.HasPrefix(r.stderr, "error: legaltalent get tenant: cannot reach 127.0.0.1:") {
		t.Errorf("one that fails hides the others: %+v", r)
	}
	for _, name := range []string{"TRUSTIST_API_KEY", "TRUSTIST_API_KEY_ID", "TRUSTGATE_API_KEY", "TRST_API_KEY", "TRST_API_KEY_ID", "TRST_PROJECT_ID", "LEGALTALENT_API_KEY"} {
		t.Setenv(name, "")
	}
	failsWith(t, "no provider has API credentials: the README lists their variables", "subscriptions", "list")
}

func TestSubscriptionsChange(t *testing.T) {
	d := newProvidersDouble(t)
	write(t, ".env", "LEGALTALENT_WEBHOOK_SECRET=old,new\n")
	succeed(t, "subscriptions", "create", "trst")
	succeed(t, "subscriptions", "create", "trustist")
	prints(t, "updated  trst webhook_1\n  url      https://b.example/webhooks/trst\n  state    inactive\n",
		"subscriptions", "update", "trst", "webhook_1", "--url", "https://b.example", "--enabled=false", "--events", "a,b")
	d.took()
	prints(t, "updated  legaltalent me\n  url      https://b.example/webhooks/legaltalent\n  state    active\n",
		"subscriptions", "update", "legaltalent", "--url", "https://b.example")
	if diff := cmp.Diff([]map[string]any{{"webhook_url": "https://b.example/webhooks/legaltalent", "webhook_secret": "new"}}, d.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	prints(t, "trst is asked to send webhook.test to webhook_1\n", "subscriptions", "test", "trst", "webhook_1")
	prints(t, "deleted  trst webhook_1\n", "subscriptions", "delete", "trst", "webhook_1")
	prints(t, "deleted  trustist webhook_1\n", "subscriptions", "delete", "trustist", "webhook_1")
	got := fails(t, "subscriptions", "delete", "trst", "webhook_1")
	if len(got) != 1 || !strings.HasPrefix(got[0], "trst delete webhook webhook_1: 127.0.0.1:") || !strings.HasSuffix(got[0], "answers 404: there is no such subscription, or TRST_API_URL is not right, or TRST_PROJECT_ID is not") {
		t.Errorf("%q", got)
	}
	for want, args := range map[string]string{
		"which one? subscriptions list shows the IDs":         "delete trst",
		"nothing to change: set --url, --events or --enabled": "update trst webhook_1",
		"trustist does not document how to update webhooks by its API: delete it and create it again, which also mends one that was disabled":                                    "update trustist webhook_1",
		"legaltalent does not document how to delete webhooks by its API: that an empty webhook_url ends it is not said; `update` it to another URL, or end it in the dashboard": "delete legaltalent",
		"legaltalent does not document how to test webhooks by its API: use its staging environment, https://stg.kyc.legaltalent.ai, or let `trigger` play Legal Talent":         "test legaltalent",
		"trustgate does not document how to test webhooks by its API: its dashboard has a button \"Test Webhook\", and `trigger trustgate/test.ping` plays it":                   "test trustgate x",
		"trustist does not document how to list the deliveries of webhooks by its API: `list` shows its consecutive failures, if Trustist says them":                             "deliveries trustist",
		"legaltalent: a tenant has one webhook URL for all events: no events, name or state can be set":                                                                          "update legaltalent --enabled=false",
	} {
		failsWith(t, want, append([]string{"subscriptions"}, strings.Fields(args)...)...)
	}
}
