package subscriptions

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// checkHawk computes the MAC of the last request anew, from the string on Trustist's page.
func checkHawk(t *testing.T, d *double, r asked) {
	t.Helper()
	parts := regexp.MustCompile(`^Hawk id="` + keyID + `", ts="(\d{10})", nonce="([A-Z2-7]{26})", mac="([A-Za-z0-9+/=]{44})"$`).FindStringSubmatch(r.Authorization)
	if parts == nil {
		t.Fatalf("authorization %s", r.Authorization)
	}
	ts, err := strconv.ParseInt(parts[1], 10, 64)
	if age := time.Since(time.Unix(ts, 0)); err != nil || age < -time.Second || age > time.Minute {
		t.Errorf("ts %s is %s old", parts[1], age)
	}
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	method, path, _ := strings.Cut(r.Call, " ")
	mac := hmac.New(sha256.New, []byte(apiKey))
	mac.Write([]byte("hawk.1.header\n" + parts[1] + "\n" + parts[2] + "\n" + method + "\n" + path + "\n" + u.Hostname() + "\n" + u.Port() + "\n\n\n"))
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); parts[3] != want {
		t.Errorf("mac %s, want %s", parts[3], want)
	}
}

// one checks the only request but for its authorization, and returns it.
func one(t *testing.T, d *double, want asked) asked {
	t.Helper()
	list := d.requests()
	if len(list) != 1 {
		t.Fatalf("%d requests: %v", len(list), list)
	}
	got := list[0]
	got.Authorization = want.Authorization
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	return list[0]
}

// The answers of https://api.trustistecommerce.com/docs/webhooks, older text.
const (
	trustistCreated = `{"id":"w1234567-89ab-cdef-0123-456789abcdef","tenantId":"t1234567-89ab-cdef-0123-456789abcdef",
		"url":"https://yourapp.com/webhooks/trustist/tok","name":"Production Webhook","events":["onboard.session.completed"],
		"isActive":true,"created":"2025-10-21T10:00:00Z","lastUpdated":"2025-10-21T10:00:00Z"}`
	trustistListed = `[{"id":"w1234567-89ab-cdef-0123-456789abcdef","url":"https://yourapp.com/webhooks/trustist/tok",
		"name":"Production Webhook","events":["onboard.session.completed"],"isActive":true,"created":"2025-10-21T10:00:00Z","consecutiveFailures":0}]`
	trustistNewerCreated = `{"id":"aB3dE6gH","url":"https://yourapp.com/webhooks/trustist/tok","name":"n","events":["onboard.session.completed"],
		"active":true,"created":"2026-01-21T10:00:00Z","updated":"2026-01-21T10:00:00Z","lastDelivered":null,"deliveryAttempts":0}`
)

func TestTrustistOlder(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	p := newTrustist(d.config())
	d.on("POST /v1/onboard/webhooks", answer{status: 201, body: trustistCreated})
	d.on("GET /v1/onboard/webhooks", answer{body: trustistListed})
	d.on("DELETE /v1/onboard/webhooks/w%2F1", answer{status: 204})

	want := Subscription{
		Provider: "trustist", ID: "w1234567-89ab-cdef-0123-456789abcdef", URL: "https://yourapp.com/webhooks/trustist/tok",
		Name: "Production Webhook", Events: []string{"onboard.session.completed"}, Active: new(true), Created: "2025-10-21T10:00:00Z",
	}
	got, err := p.Create(t.Context(), Wanted{URL: want.URL, Name: "Production Webhook", Events: want.Events})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	checkHawk(t, d, one(t, d, asked{Call: "POST /v1/onboard/webhooks", ContentType: "application/json",
		Body: `{"events":["onboard.session.completed"],"name":"Production Webhook","url":"https://yourapp.com/webhooks/trustist/tok"}`}))

	want.ConsecutiveFailures = new(0)
	list, err := p.List(t.Context())
	if diff := cmp.Diff([]Subscription{want}, list); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	checkHawk(t, d, one(t, d, asked{Call: "GET /v1/onboard/webhooks"}))

	if err := p.Delete(t.Context(), "w/1"); err != nil {
		t.Error(err)
	}
	checkHawk(t, d, one(t, d, asked{Call: "DELETE /v1/onboard/webhooks/w%2F1"}))
}

// TestTrustistNewer: another path, active instead of isActive, and a list of events even where none is asked for.
func TestTrustistNewer(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	c := d.config()
	c.TrustistPath = trustistNewer
	p := newTrustist(c)
	d.on("POST /v1/webhooks", answer{body: trustistNewerCreated})
	got, err := p.Create(t.Context(), Wanted{URL: "https://yourapp.com/webhooks/trustist/tok"})
	if err != nil || got.ID != "aB3dE6gH" || got.Active == nil || !*got.Active || got.ConsecutiveFailures != nil {
		t.Errorf("%+v, %v", got, err)
	}
	checkHawk(t, d, one(t, d, asked{Call: "POST /v1/webhooks", ContentType: "application/json",
		Body: `{"events":["onboard.session.completed","onboard.session.failed"],"url":"https://yourapp.com/webhooks/trustist/tok"}`}))
}

func TestTrustistActive(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	d.on("GET /v1/onboard/webhooks", answer{body: `[{"id":"0"},{"id":"1","isActive":false},{"id":"2","active":false},{"id":"3","isActive":true,"active":false},{"id":"4","isActive":true}]`})
	list, err := newTrustist(d.config()).List(t.Context())
	var got []string
	for _, s := range list {
		if s.Inactive() {
			got = append(got, s.ID)
		}
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if list[0].Active != nil {
		t.Error("one of which nothing is said is taken for active or not")
	}
}

func TestUndocumented(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	p := newTrustist(d.config())
	_, err := Can[Updater](p, UpdateOperation)
	if want := (ErrUndocumented{"trustist", "update", p.Instead(UpdateOperation)}); err != want { //nolint:errorlint // it is this value
		t.Errorf("%v", err)
	}
	if want := "trustist does not document how to update webhooks by its API: delete it and create it again, which also mends one that was disabled"; err.Error() != want {
		t.Errorf("%v", err)
	}
	if _, err := Can[Tester](p, TestOperation); err == nil {
		t.Error("trustist has no test")
	}
	if _, err := Can[DeliveryLister](p, DeliveriesOperation); err == nil {
		t.Error("trustist has no log of deliveries")
	}
	if _, err := Can[Deleter](p, DeleteOperation); err != nil {
		t.Error(err)
	}
	if got := d.requests(); len(got) != 0 {
		t.Errorf("called %v", got)
	}
}

func TestSafeURL(t *testing.T) {
	t.Parallel()
	s := Subscription{Provider: "trustist", URL: "https://a.example/base/webhooks/trustist/ti_5e0c9b7a41d2836f?x=1"}
	// printf 'identity-webhooks secretti_5e0c9b7a41d2836f' | sha256sum | cut -c1-8
	if got, want := s.SafeURL(), "https://a.example/base/webhooks/trustist/<354eaa78>"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := s.Target(); got != "https://a.example/base/webhooks/trustist/" {
		t.Errorf("target %s", got)
	}
	s.URL = "https://a.example/webhooks/trustist/to%2Fk%20en"
	if got := s.Token(); got != "to/k en" {
		t.Errorf("token %s", got)
	}
	s.Provider = "trst"
	if got := s.SafeURL(); got != s.URL {
		t.Errorf("%s, want %s", got, s.URL)
	}
}
