package subscriptions

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"

	"example.com/identity-webhooks/handlers"
)

// configured is a configuration in which each provider has credentials, with the defaults for all else.
func configured(t *testing.T, vars map[string]string) Config {
	t.Helper()
	all := map[string]string{}
	for _, name := range Names() {
		for _, c := range contents[name](Config{}).credentials {
			all[c.variable] = apiKey
		}
	}
	maps.Copy(all, vars)
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: all}); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestProviders: each has a name of package handlers, needs credentials, and says what to do instead of what it cannot do.
func TestProviders(t *testing.T) {
	t.Parallel()
	c := configured(t, nil)
	if problems := c.Problems(); len(problems) > 0 || len(c.Configured()) != len(Names()) || len((Config{}).Configured()) > 0 {
		t.Errorf("problems %v, configured %v", problems, c.Configured())
	}
	for _, name := range Names() {
		if !slices.Contains(handlers.ProviderNames(), name) {
			t.Errorf("%s is no provider", name)
		}
		none, err := Config{}.Provider(name)
		if err != nil || none.Name != name || none.Create == nil || none.CheckCredentials() == nil {
			t.Fatalf("%s: %+v, %v", name, none, err)
		}
		for _, operation := range []string{"list", "create", "update", "delete", "test", "deliveries", "rotate"} {
			if err := none.CheckOperation(operation); err != nil && none.Advice == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if none.Deliveries != nil && none.List == nil {
			t.Errorf("%s: deliveries need a list", name)
		}
	}
	if text := fmt.Sprintf("%v %+v", c, c); strings.Contains(text, apiKey) {
		t.Errorf("keys are shown: %s", text)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		p := contents[name](configured(t, nil))
		for base, isSafe := range map[string]bool{
			"https://api.example/v1": true, "http://localhost:1": true, "http://127.0.0.2:8080": true, "http://[::1]:80": true,
			"http://api.example": false, "http://10.0.0.1": false, "api.example": false,
		} {
			err := errors.Join(configured(t, map[string]string{p.api.variable: base}).Problems()...)
			if (err == nil) != isSafe || err != nil && !strings.HasPrefix(err.Error(), p.api.variable+": want https") {
				t.Errorf("%s: %v", base, err)
			}
		}
		if len(p.credentials) > 1 {
			err := errors.Join(configured(t, map[string]string{p.credentials[1].variable: ""}).Problems()...)
			if want := p.credentials[1].variable + " is not set, but other credentials of " + name + " are"; err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	if problems := configured(t, map[string]string{"SUBSCRIPTION_CHECK_INTERVAL": "1ms"}).Problems(); len(problems) != 1 {
		t.Errorf("an interval of a millisecond: %v", problems)
	}
}

func TestTargetURL(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]string{
		"https://a.example":                    "https://a.example/webhooks/acme",
		"https://a.example:8443/base/":         "https://a.example:8443/base/webhooks/acme",
		"https://a.example/base/webhooks/trst": "https://a.example/base/webhooks/acme",
		"https://8.8.8.8":                      "https://8.8.8.8/webhooks/acme",
		"https://[2001:4860:4860::8888]":       "https://[2001:4860:4860::8888]/webhooks/acme",
	} {
		if got, err := TargetURL(public, "acme", "secret"); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", public, got, err, want)
		}
	}
	for _, public := range []string{
		"", "a.example", "http://a.example", "https://u:p@a.example", "https://a.example?x=1",
		"https://localhost:8443", "https://LOCALHOST.", "https://db", "https://127.0.0.1", "https://10.1.2.3", "https://192.168.1.1",
		"https://169.254.169.254", "https://0.0.0.0", "https://[::1]", "https://[fd00::1]", "https://[::ffff:10.0.0.1]",
	} {
		if got, err := TargetURL(public, "acme", ""); err == nil {
			t.Errorf("%s was not refused: %s", public, got)
		}
	}
}
