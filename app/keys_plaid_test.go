package app

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// TestKeyIsCheckedAgain: a key that has got a date expires, and one that a call fails for stays.
func TestKeyIsCheckedAgain(t *testing.T) {
	t.Parallel()
	const jwk = `{"key":{"alg":"ES256","crv":"P-256","kty":"EC","x":"s6wRw_l-mf0t1W2mmsl_p6fGwpeEwTDbbzjAhVrRc4A","y":"bNgKxW93Ln8o4Dos4beRpDCdhMTUlFbJS00VN7onSss","expired_at":%s}}`
	status, answer, calls := 200, fmt.Sprintf(jwk, "null"), 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	c := Config{
		PublicKeys: map[string]*handlers.Keys{"plaid": {}},
		APIs:       map[string]jobs.APISettings{"plaid": {URL: server.URL, Credentials: map[string]string{"PLAID_SECRET": "s"}}},
	}
	ring := newKeyrings(c, slog.New(slog.NewTextHandler(io.Discard, nil)))["plaid"]
	clock := time.Now()
	ring.now = func() time.Time { return clock }
	expires := func() time.Time {
		key, known := ring.keys.Get("k1")
		if !known {
			t.Fatal("the key is not known")
		}
		return key.Expires
	}
	if err := ring.get(t.Context(), "k1"); err != nil || !expires().IsZero() {
		t.Fatalf("%v, expires %v", err, expires())
	}
	for _, bad := range []int{400, 500, 302} {
		status = bad
		ring.check(t.Context())
		expires()
	}
	status, answer = 200, "<html>"
	ring.check(t.Context())
	answer = fmt.Sprintf(jwk, "1772445960")
	ring.check(t.Context())
	if got := expires(); got.Unix() != 1772445960 {
		t.Errorf("expires %v", got)
	}
	before := calls
	if ring.check(t.Context()); calls != before {
		t.Error("an expired key was asked for")
	}
	status = 400
	for range 2 {
		if err := ring.get(t.Context(), "k2"); err == nil || strings.Contains(err.Error(), "k2") {
			t.Errorf("a key that is refused: %v", err)
		}
	}
	if calls != before+1 {
		t.Errorf("%d calls for a key that is refused", calls-before)
	}
	clock, status, answer = clock.Add(keyRefusal), 200, fmt.Sprintf(jwk, "null")
	if err := ring.get(t.Context(), "k2"); err != nil {
		t.Errorf("a while after the refusal: %v", err)
	}
}

// TestProviderWithKeys: credentials turn it on. In production its secret is refused, and is not needed.
func TestProviderWithKeys(t *testing.T) {
	t.Parallel()
	const credentials = "PLAID_CLIENT_ID=client PLAID_SECRET=9d1f6c3a7e4b8025"
	for _, c := range []struct {
		variables string
		want      string // in the error; empty if there is none
		active    bool
	}{
		{credentials, "", true},
		{credentials + " APP_ENV=production", "", true},
		{"PLAID_WEBHOOK_SECRET=7f3c9e1a5d2b8046", "", true},
		{"PLAID_WEBHOOK_SECRET=7f3c9e1a5d2b8046 APP_ENV=production", "PLAID_WEBHOOK_SECRET is for development only", false},
		{credentials + " PLAID_WEBHOOK_SECRET_SANDBOX=7f3c9e1a5d2b8046 APP_ENV=production", "PLAID_WEBHOOK_SECRET is for development only", false},
		{"PLAID_SECRET=9d1f6c3a7e4b8025", "PLAID_CLIENT_ID is not set", false},
		{credentials + " PLAID_API_URL=http://plaid.example", "PLAID_API_URL: want https://host", false},
		{"APP_ENV=production", "PLAID_CLIENT_ID and PLAID_SECRET", false},
	} {
		config, err := ReadConfig(strings.Fields(c.variables))
		if got := fmt.Sprint(err); (err != nil) != (c.want != "") || !strings.Contains(got, c.want) || strings.Contains(got, "9d1f6c3a7e4b8025") {
			t.Errorf("%s: %v, want %s", c.variables, err, c.want)
		}
		if err != nil {
			continue
		}
		active, err := config.Providers()
		if err != nil || (active["plaid"] != nil) != c.active {
			t.Errorf("%s: %v, active %v", c.variables, err, active)
		}
	}
}
