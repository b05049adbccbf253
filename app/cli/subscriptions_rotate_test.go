package cli

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

// TestRotateTRST replaces a secret while the server runs, and does not let go of the old one before the new one is in use.
func TestRotateTRST(t *testing.T) {
	d := newProvidersDouble(t)
	succeed(t, "subscriptions", "create", "trst", "--events", "enrollment.completed")
	prints(t, `created  trst webhook_2
  url      https://app.example/webhooks/trst
  state    active
  secret   saved as TRST_WEBHOOK_SECRET in .env
A server running in this folder takes it over within seconds; restart any other.
When a delivery has come with the new secret: go run . subscriptions rotate trst webhook_1 --finish --old `+handlers.Fingerprint("whsec_theirs_1")+"\n",
		"subscriptions", "rotate", "trst")
	if diff := cmp.Diff("TRST_WEBHOOK_SECRET=whsec_theirs_1,whsec_theirs_2\n", file(t, ".env")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(d.webhooks["trst"][0]["event_types"], d.webhooks["trst"][1]["event_types"]); diff != "" {
		t.Errorf("the copy has other events (-old +new):\n%s", diff)
	}
	finish := []string{"subscriptions", "rotate", "trst", "webhook_1", "--finish"}
	serverHere(t)
	succeed(t, "trigger", "trst/webhook.test", "--secret", "whsec_theirs_1")
	failsWith(t, "no delivery of trst has been verified with the new secret "+handlers.Fingerprint("whsec_theirs_2")+" since the server's start: wait for one (--force does not)", finish...)
	failsWith(t, "which one is the old one? subscriptions rotate trst <id> --finish", "subscriptions", "rotate", "trst", "--finish")
	failsWith(t, "no newer active webhook of trst sends to the URL of webhook_2", "subscriptions", "rotate", "trst", "webhook_2", "--finish")
	failsWith(t, handlers.Fingerprint("whsec_theirs_2")+" is the newest secret of trst", append(finish, "--old", handlers.Fingerprint("whsec_theirs_2"))...)
	failsWith(t, "trst has no secret 00000000", append(finish, "--old", "00000000")...)
	if len(d.webhooks["trst"]) != 2 || file(t, ".env") != "TRST_WEBHOOK_SECRET=whsec_theirs_1,whsec_theirs_2\n" {
		t.Fatal("something is gone too early")
	}
	succeed(t, "trigger", "trst/webhook.test", "--secret", "whsec_theirs_2")
	prints(t, "deleted  trst webhook_1\nremoved  the secret "+handlers.Fingerprint("whsec_theirs_1")+" from TRST_WEBHOOK_SECRET in .env\n"+
		"A server running in this folder forgets it within seconds; restart any other.\n", finish...)
	if len(d.webhooks["trst"]) != 1 || d.webhooks["trst"][0]["id"] != "webhook_2" || file(t, ".env") != "TRST_WEBHOOK_SECRET=whsec_theirs_2\n" {
		t.Errorf("%v, %s", d.webhooks["trst"], file(t, ".env"))
	}
	failsWith(t, "there is no rotation to finish: trst has one secret", finish...)
}

// TestRotateWhileServing: the server takes over the new secret by itself, a moment after it is saved, and forgets the old one.
func TestRotateWhileServing(t *testing.T) {
	newProvidersDouble(t)
	write(t, ".env", "TRUSTGATE_WEBHOOK_SECRET=first\n")
	serverHere(t)
	succeed(t, "subscriptions", "rotate", "trustgate")
	finish := []string{"subscriptions", "rotate", "trustgate", "--finish"}
	failsWith(t, "the running server does not know the new secret "+handlers.Fingerprint("whsec_theirs_1")+
		" of trustgate: running in this folder it takes it over within seconds, elsewhere restart it", finish...)
	answered := func(secret string, code int) {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		for execute(t, "trigger", "trustgate/applicant.created", "--secret", secret).code != code {
			if time.Now().After(deadline) {
				t.Fatalf("trigger with the secret %s does not end with %d", secret, code)
			}
		}
	}
	answered("whsec_theirs_1", 0)
	answered("first", 0)
	prints(t, "removed  the secret "+handlers.Fingerprint("first")+" from TRUSTGATE_WEBHOOK_SECRET in .env\n"+
		"How to delete webhooks by its API is not documented: delete the old one now; see the webhooks in its dashboard.\n"+
		"A server running in this folder forgets it within seconds; restart any other.\n", finish...)
	answered("first", exitError)
	answered("whsec_theirs_1", 0)
}

// TestRotateTrustist: the token of the old webhook goes, whatever its place among the tokens.
func TestRotateTrustist(t *testing.T) {
	d := newProvidersDouble(t)
	write(t, ".env", "TRUSTIST_WEBHOOK_SECRET=other,current\n")
	succeed(t, "subscriptions", "create", "trustist")
	out := succeed(t, "subscriptions", "rotate", "trustist")
	if !strings.HasSuffix(out, "go run . subscriptions rotate trustist webhook_1 --finish\n") || strings.Contains(out, "current") {
		t.Errorf("%s", out)
	}
	tokens := regexp.MustCompile(`^TRUSTIST_WEBHOOK_SECRET=other,current,([a-z2-7]{26})\n$`).FindStringSubmatch(file(t, ".env"))
	if tokens == nil || d.webhooks["trustist"][1]["url"] != "https://app.example/webhooks/trustist/"+tokens[1] {
		t.Fatalf("%s, %v", file(t, ".env"), d.webhooks)
	}
	serverHere(t)
	succeed(t, "trigger", "trustist/onboard.session.failed", "--secret", tokens[1])
	prints(t, "deleted  trustist webhook_1\nremoved  the secret "+handlers.Fingerprint("current")+" from TRUSTIST_WEBHOOK_SECRET in .env\n"+
		"A server running in this folder forgets it within seconds; restart any other.\n", "subscriptions", "rotate", "trustist", "webhook_1", "--finish")
	if want := "TRUSTIST_WEBHOOK_SECRET=other," + tokens[1] + "\n"; file(t, ".env") != want || d.webhooks["trustist"][0]["isActive"] != false {
		t.Errorf("%s, want %s", file(t, ".env"), want)
	}
}

// TestRotateLegalTalent sends another secret for the one webhook there is, and saves it in the file that is configured.
func TestRotateLegalTalent(t *testing.T) {
	d := newProvidersDouble(t)
	failsWith(t, "legaltalent has no secret to be replaced; subscriptions create makes a webhook", "subscriptions", "rotate", "legaltalent")
	write(t, "secret", "first\n")
	t.Setenv("LEGALTALENT_WEBHOOK_SECRET_FILE", "secret")
	failsWith(t, "there is no subscription; `subscriptions create` makes one", "subscriptions", "rotate", "legaltalent")
	succeed(t, "subscriptions", "create", "legaltalent")
	d.took()
	out := succeed(t, "subscriptions", "rotate", "legaltalent")
	if !strings.HasSuffix(out, "go run . subscriptions rotate legaltalent --finish --old "+handlers.Fingerprint("first")+"\n") {
		t.Errorf("%s", out)
	}
	secret := fmt.Sprint(d.asked[1]["webhook_secret"])
	if want := "first\n" + secret + "\n"; file(t, "secret") != want || secret == "first" {
		t.Errorf("%s, want %s", file(t, "secret"), want)
	}
	serverHere(t)
	succeed(t, "trigger", "legaltalent/kyc.session.created", "--secret", secret)
	prints(t, "removed  the secret "+handlers.Fingerprint("first")+" from secret\nA server running in this folder forgets it within seconds; restart any other.\n",
		"subscriptions", "rotate", "legaltalent", "--finish")
	if file(t, "secret") != secret+"\n" {
		t.Errorf("%s", file(t, "secret"))
	}
}
