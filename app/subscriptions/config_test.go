package subscriptions

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

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
	for name, value := range vars {
		all[name] = value
	}
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
	if problems := c.Problems(); len(problems) > 0 || len(c.Configured()) != len(Names()) {
		t.Errorf("problems %v, configured %v", problems, c.Configured())
	}
	for _, name := range Names() {
		if _, err := handlers.NewProvider(name, handlers.Settings{}); err == nil || strings.Contains(err.Error(), "unknown") {
			t.Errorf("%s: %v", name, err)
		}
		none, err := Config{}.Provider(name)
		if err != nil || none.Name != name || none.Create == nil {
			t.Fatalf("%s: %+v, %v", name, none, err)
		}
		for _, credential := range none.credentials {
			if err := none.CheckCredentials(); err == nil || !strings.Contains(err.Error(), credential.variable) {
				t.Errorf("%s: %v does not name %s", name, err, credential.variable)
			}
		}
		for _, operation := range []string{OpList, OpUpdate, OpDelete, OpTest, OpDeliveries} {
			if advice := none.Advice(operation); advice == "" || !strings.HasSuffix(none.Undocumented(operation).Error(), advice) {
				t.Errorf("%s: no advice on %s", name, operation)
			}
		}
		if (none.Deliveries == nil) != (none.Attempts == nil) || none.Deliveries != nil && none.List == nil {
			t.Errorf("%s: deliveries need attempts and a list", name)
		}
	}
	if _, err := c.Provider("unknown"); err == nil {
		t.Error("an unknown provider has an API")
	}
	if list := (Config{}).Configured(); len(list) > 0 {
		t.Errorf("without credentials: %v", list)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		p := contents[name](configured(t, nil))
		for value, want := range map[string]string{
			"http://api.example": ": want https, since credentials are sent there", "api.example": ": want https://host", "https://u@api.example": ": want https://host",
		} {
			err := errors.Join(configured(t, map[string]string{p.api.variable: value}).Problems()...)
			if err == nil || err.Error() != p.api.variable+want {
				t.Errorf("%s: %v, want %s", value, err, want)
			}
		}
		if len(p.credentials) > 1 {
			err := errors.Join(configured(t, map[string]string{p.credentials[1].variable: ""}).Problems()...)
			if want := p.credentials[1].variable + " is not set, but other credentials of " + name + " are"; err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	c := configured(t, nil)
	c.CheckInterval = time.Millisecond
	if problems := c.Problems(); len(problems) != 1 {
		t.Errorf("an interval of a millisecond: %v", problems)
	}
}

func TestConfigHidesKeys(t *testing.T) {
	t.Parallel()
	c := configured(t, nil)
	for _, format := range []string{"%v", "%+v", "%s", "%#v"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, apiKey) {
			t.Errorf("%s shows keys: %s", format, text)
		}
	}
	if n := reflect.TypeFor[Config]().NumField(); n != 2+len(Names()) {
		t.Errorf("Config has %d fields", n)
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
	for _, host := range []string{
		"localhost", "LOCALHOST.", "app.localhost", "db", "printer.local", "api.internal",
		"127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
		"[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]",
	} {
		if got, err := TargetURL("https://"+host+":8443", "acme", ""); err == nil {
			t.Errorf("%s was not refused: %s", host, got)
		}
	}
	for public, want := range map[string]string{
		"http://a.example": "providers send to https only", "a.example": "not a URL: want https://host", "": "not a URL: want https://host",
		"https://u:p@a.example": "it must have no user, query or fragment", "https://a.example?x=1": "it must have no user, query or fragment",
		"https://10.0.0.1": "10.0.0.1 is not public, and providers do not send to localhost or private networks; use ngrok",
	} {
		if _, err := TargetURL(public, "acme", ""); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", public, err, want)
		}
	}
}

func TestCheckAPI(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"https://api.example/v1": true, "http://localhost:1": true, "http://127.0.0.2:8080": true, "http://[::1]:80": true,
		"http://10.0.0.1": false, "ftp://localhost": false, "https://api.example?x": false, "": false,
	} {
		if err := checkAPI(raw); (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		}
	}
}
