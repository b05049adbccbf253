package subscriptions

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

func trustistAt(d *double, path string) Provider {
	return newTrustist(TrustistConfig{d.URL, path, keyID, apiKey})
}

// The answers of https://api.trustistecommerce.com/docs/webhooks, older and newer text.
const (
	trustistOlder = `{"id":"w1234567","tenantId":"t1234567","url":"https://a.example/webhooks/trustist/tok","name":"n","events":["onboard.session.completed"],
		"isActive":true,"created":"2025-10-21T10:00:00Z","lastUpdated":"2025-10-21T10:00:00Z","consecutiveFailures":0}`
	trustistNewer = `{"id":"aB3dE6gH","url":"https://a.example/webhooks/trustist/tok","name":"n","events":["onboard.session.completed"],
		"active":true,"created":"2026-01-21T10:00:00Z","updated":"2026-01-21T10:00:00Z","lastDelivered":null,"deliveryAttempts":0}`
)

func TestTrustistOlder(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	const path = "/v1/onboard/webhooks"
	p := trustistAt(d, path)
	d.on("POST "+path, answer{status: 201, body: trustistOlder})
	d.on("GET "+path, answer{body: "[" + trustistOlder + "]"})
	d.on("DELETE "+path+"/w%2F1", answer{status: 204})

	want := Subscription{
		Provider: "trustist", ID: "w1234567", URL: "https://a.example/webhooks/trustist/<" + handlers.Fingerprint("tok") + ">",
		Target: "https://a.example/webhooks/trustist/", Token: "tok", Name: "n", Events: []string{"onboard.session.completed"},
		Active: new(true), Created: "2025-10-21T10:00:00Z", ConsecutiveFailures: new(0),
	}
	got, err := p.Create(t.Context(), Wanted{URL: "https://a.example/webhooks/trustist/tok", Name: "n", Events: want.Events})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	list, err := p.List(t.Context())
	if diff := cmp.Diff([]Subscription{want}, list); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := p.Delete(t.Context(), "w/1"); err != nil {
		t.Error(err)
	}
	var calls []string
	for _, a := range d.requests() {
		calls = append(calls, a.Call+" "+a.Body)
		checkHawk(t, d, a)
	}
	wantCalls := []string{
		"POST " + path + ` {"events":["onboard.session.completed"],"name":"n","url":"https://a.example/webhooks/trustist/tok"}`, "GET " + path + " ",
		"DELETE " + path + "/w%2F1 ",
	}
	if diff := cmp.Diff(wantCalls, calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTrustistNewer: another path, active instead of isActive, events that are always named, and a new nonce for each try.
func TestTrustistNewer(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	d.on("POST /v1/webhooks", answer{status: 429, header: map[string]string{"Retry-After": "0"}}, answer{body: trustistNewer})
	got, err := trustistAt(d, "/v1/webhooks").Create(t.Context(), Wanted{URL: "https://a.example/webhooks/trustist/tok"})
	if err != nil || got.ID != "aB3dE6gH" || got.State() != "active" || got.ConsecutiveFailures != nil {
		t.Errorf("%+v, %v", got, err)
	}
	tries := d.requests()
	const body = `{"events":["onboard.session.completed","onboard.session.failed"],"url":"https://a.example/webhooks/trustist/tok"}`
	if len(tries) != 2 || tries[0].Body != body || tries[1].Body != body || tries[0].Authorization == tries[1].Authorization {
		t.Errorf("%+v", tries)
	}
}

func TestTrustistActive(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	d.on("GET /v1/webhooks", answer{body: `[{},{"isActive":false},{"isActive":true,"active":false,"consecutiveFailures":5},{"active":true}]`})
	list, err := trustistAt(d, "/v1/webhooks").List(t.Context())
	var got []string
	for _, s := range list {
		got = append(got, s.State())
	}
	if diff := cmp.Diff([]string{"unknown", "inactive", "inactive, 5 failed", "active"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestTrustistToken: the end of the URL is a secret.
func TestTrustistToken(t *testing.T) {
	t.Parallel()
	raw, err := TargetURL("https://a.example/base", "trustist", "to/k en")
	if err != nil || raw != "https://a.example/base/webhooks/trustist/to%2Fk%20en" {
		t.Errorf("%s, %v", raw, err)
	}
	s := Subscription{Provider: "trustist"}
	for _, rest := range []string{"", "?x=/1"} {
		s.setURL(raw + rest)
		if s.Token != "to/k en" || s.Target != "https://a.example/base/webhooks/trustist/" || strings.Contains(s.URL, "k%20en") {
			t.Errorf("%+v", s)
		}
	}
}

// A webhook with a token that is none of ours is refused for ever.
func TestTrustistStranger(t *testing.T) {
	t.Parallel()
	w := watch(t, trustistAt(newDouble(t), ""), inbox{})
	s := Subscription{Provider: "trustist", ID: "w1", Active: new(true)}
	s.setURL("https://a.example/webhooks/trustist/tok")
	w.check("", "", 0, s)
	s.setURL("https://a.example/webhooks/trustist/other")
	w.check("the token in its URL is not one of our secrets: all its deliveries are refused",
		"go run . subscriptions delete trustist w1 && go run . subscriptions create trustist --url https://a.example", 1, s)
}

// checkHawk checks the header of a request: fresh, and with the MAC of its parts.
func checkHawk(t *testing.T, d *double, a asked) {
	t.Helper()
	header := regexp.MustCompile(`^Hawk id="` + keyID + `", ts="(\d{10})", nonce="([A-Z2-7]{26})", mac="(.{44})"$`)
	parts := header.FindStringSubmatch(a.Authorization)
	if parts == nil {
		t.Fatalf("authorization %s", a.Authorization)
	}
	method, path, _ := strings.Cut(a.Call, " ")
	u, err := url.Parse(d.URL + path)
	if err != nil || parts[3] != hawkMAC(apiKey, parts[1], parts[2], method, u) {
		t.Errorf("%v: the MAC of %s is wrong", err, a.Authorization)
	}
	ts, err := strconv.ParseInt(parts[1], 10, 64)
	if age := time.Since(time.Unix(ts, 0)); err != nil || age.Abs() > time.Minute {
		t.Errorf("ts %s is %s old", parts[1], age)
	}
}

// The requests are that of https://github.com/mozilla/hawk/blob/main/API.md, without ext, and one without a port:
//
//	printf 'hawk.1.header\n1353832234\nj4h3g2\nGET\n/resource/1?b=1&a=2\nexample.com\n8000\n\n\n' |
//	openssl dgst -sha256 -hmac werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn -binary | base64
func TestTrustistHawkVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ method, url, want string }{
		{"GET", "http://example.com:8000/resource/1?b=1&a=2", "nfp3t5BVkMvjhU3PrD0ftTp7NcVpETEX2HEi/Fo4S2g="},
		{"POST", "https://API.trustistecommerce.com/v1/webhooks", "bXVfDQ44ecoDXiGGnzqBARPttVPJKI/wiGtlib+2IDw="},
	} {
		u, err := url.Parse(v.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := hawkMAC("werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn", "1353832234", "j4h3g2", v.method, u); got != v.want {
			t.Errorf("%s: %s, want %s", v.method, got, v.want)
		}
	}
}
