package cli

import (
	"net/http"
	"testing"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/testservers"
)

// TestTriggerIsRefused: the refusal is the success, and the server says why.
func TestTriggerIsRefused(t *testing.T) {
	admin := server(t)
	for _, provider := range []string{"legaltalent/kyc.session.created", "trst/webhook.test", "trustgate/test.ping"} {
		says(t, provider+` → 401 Unauthorized {"error":"unverified"}
  refused, as it must be: wrong secret or changed body
`, "trigger", provider, "--bad-signature")
	}
	says(t, `trustist/payment.created → 404 Not Found {"error":"not_found"}
  refused, as it must be: wrong path token
`, "trigger", "trustist/payment.created", "--bad-signature")
	says(t, `trustgate/test.ping → 401 Unauthorized {"error":"unverified"}
  refused, as it must be: too old
`, "trigger", "trustgate/test.ping", "--stale")
	if got := gjson.Parse(succeed(t, "trigger", "trustgate/test.ping", "--stale", "--json")).Get("rejection").Str; got != "too old" {
		t.Errorf("the JSON says %q, want too old", got)
	}
	if got := events(t, admin, ""); len(got) != 0 {
		t.Errorf("the inbox has %+v, want nothing", got)
	}
}

// TestTriggerStaleWithoutEffect: who signs no time, or may retry for days, is not played with an old one.
func TestTriggerStaleWithoutEffect(t *testing.T) {
	isolate(t)
	for provider, sample := range map[string]string{
		"legaltalent": "legaltalent/kyc.session.created", "trst": "trst/webhook.test", "trustist": "trustist/payment.created",
	} {
		failsWith(t, "--stale has no effect with "+provider+": its signature holds no time, or may be of any age", "trigger", sample, "--stale")
	}
}

// TestTriggerIsNotRefused: a server that accepts what it must not is found out.
func TestTriggerIsNotRefused(t *testing.T) {
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	base, _ := recorder(t, http.StatusOK, `{"status":"accepted"}`)
	failsWith(t, base+`/webhooks/trustgate answers 200 OK {"status":"accepted"}: it must not accept this delivery`,
		"trigger", "trustgate/test.ping", "--bad-signature", "--url", base)
	failsWith(t, base+`/webhooks/trustgate answers 200 OK {"status":"accepted"}: it must not accept this delivery`,
		"trigger", "trustgate/test.ping", "--stale", "--url", base)
	base, _ = recorder(t, http.StatusTooManyRequests, `{"error":"too_many"}`)
	failsWith(t, base+`/webhooks/trst answers 429 Too Many Requests {"error":"too_many"}, want 401`,
		"trigger", "trst/webhook.test", "--bad-signature", "--url", base)
}

// TestTriggerRefusedElsewhere: without the server's own admin API the reason is not guessed.
func TestTriggerRefusedElsewhere(t *testing.T) {
	admin := server(t)
	base, _ := recorder(t, http.StatusUnauthorized, `{"error":"unverified"}`)
	says(t, `trst/webhook.test → 401 Unauthorized {"error":"unverified"}
  why cannot be shown: `+admin.base+` is the admin API of another server (see ADMIN_ADDR)
`, "trigger", "trst/webhook.test", "--bad-signature", "--url", base)
}
