package subscriptions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"trustist":    "no credentials for the API of trustist: set TRUSTIST_API_KEY_ID and TRUSTIST_API_KEY",
		"trst":        "no credentials for the API of trst: set TRST_API_KEY_ID and TRST_API_KEY and TRST_PROJECT_ID",
		"trustgate":   "no credentials for the API of trustgate: set TRUSTGATE_API_KEY",
		"legaltalent": "no credentials for the API of legaltalent: set LEGALTALENT_API_KEY",
		"acme":        `unknown provider "acme": want legaltalent, trst, trustgate, trustist`,
	} {
		if _, err := (Config{}).Open(name); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	some := Config{TRSTKeyID: "i", TRSTKey: "k", TrustGateKey: "k"}
	if diff := cmp.Diff([]string{"trustgate"}, some.Configured()); diff != "" {
		t.Error(diff)
	}
	if _, err := some.Open("trst"); err == nil || err.Error() != "no credentials for the API of trst: set TRST_PROJECT_ID" {
		t.Errorf("%v", err)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	c := newDouble(t).config()
	if got := c.Problems(); len(got) != 0 {
		t.Error(got)
	}
	c.TrustistURL, c.TRSTURL, c.TrustistPath, c.TrustGateAuth, c.CheckInterval = "http://api.example", "api.example", "/v2", "basic", time.Millisecond
	c.TRSTProject, c.TrustGateKey = "", ""
	want := []string{
		"TRUSTIST_API_URL is no URL to call: want https: it takes credentials",
		"TRST_API_URL is no URL to call: want https://host",
		`TRUSTIST_API_PATH is "/v2": want /v1/onboard/webhooks, /v1/webhooks`,
		`TRUSTGATE_API_AUTH is "basic": want bearer, x-api-key`,
		`SUBSCRIPTION_CHECK_INTERVAL is "1ms": want 0 for never, or 1s and more`,
		"TRST_PROJECT_ID is not set, though other credentials of trst are",
	}
	var got []string
	for _, err := range c.Problems() {
		got = append(got, err.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestConfigHidesKeys(t *testing.T) {
	t.Parallel()
	c := newDouble(t).config()
	for _, format := range []string{"%v", "%+v", "%s", "%#v"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, apiKey) || strings.Contains(text, keyID) {
			t.Errorf("%s shows keys: %s", format, text)
		}
	}
}
