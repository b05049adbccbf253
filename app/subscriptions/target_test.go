package subscriptions

import "testing"

func TestTargetURL(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]string{
		"https://a.example":                        "https://a.example/webhooks/trst",
		"https://a.example/":                       "https://a.example/webhooks/trst",
		"https://a.example:8443/base/":             "https://a.example:8443/base/webhooks/trst",
		"https://a.example/base/webhooks/trustist": "https://a.example/base/webhooks/trst",
		"https://8.8.8.8":                          "https://8.8.8.8/webhooks/trst",
		"https://[2001:4860:4860::8888]":           "https://[2001:4860:4860::8888]/webhooks/trst",
	} {
		if got, err := TargetURL(public, "trst", "secret"); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", public, got, err, want)
		}
	}
	if got, err := TargetURL("https://a.example", "trustist", "to/k en"); err != nil || got != "https://a.example/webhooks/trustist/to%2Fk%20en" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRefusedTargets(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"localhost", "LOCALHOST.", "app.localhost", "db", "printer.local", "api.internal", "x.home.arpa",
		"127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
		"[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]",
	} {
		if got, err := TargetURL("https://"+host+":8443", "trst", ""); err == nil {
			t.Errorf("%s was not refused: %s", host, got)
		}
	}
	for public, want := range map[string]string{
		"http://a.example":        "providers send to https only",
		"ftp://a.example":         "providers send to https only",
		"a.example":               "it is no URL: want https://host",
		"":                        "it is no URL: want https://host",
		"https://u:p@a.example":   "it must have no user, query or fragment",
		"https://a.example?x=1":   "it must have no user, query or fragment",
		"https://10.0.0.1":        "10.0.0.1 is not public: providers do not send to localhost or private networks; ngrok gives it a public name",
		"https://localhost:8080/": "localhost is not public: providers do not send to localhost or private networks; ngrok gives it a public name",
	} {
		if _, err := TargetURL(public, "trst", ""); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", public, err, want)
		}
	}
}

func TestCheckAPI(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://api.example/v1": "", "http://localhost:1": "", "http://127.0.0.2:8080": "", "http://[::1]:80": "",
		"http://api.example": "want https: it takes credentials", "http://10.0.0.1": "want https: it takes credentials", "ftp://localhost": "want https: it takes credentials",
		"api.example": "want https://host", "https://u@api.example": "want https://host", "https://api.example?x": "want https://host", "": "want https://host",
	} {
		got := ""
		if err := checkAPI(raw); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}
