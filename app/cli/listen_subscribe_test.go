package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serverKnown runs a server beside the double of the providers, whose API is named by the environment.
func serverKnown(t *testing.T) (d *providersDouble, agent string) {
	t.Helper()
	d = newProvidersDouble(t)
	write(t, ".env", "TRUSTIST_WEBHOOK_SECRET=token\nTRST_WEBHOOK_SECRET=first\n")
	serverHere(t)
	_, port, _ := strings.Cut(os.Getenv("ADDR"), ":")
	return d, ngrokAPI(t, [2]string{"https://ours.ngrok.app", "http://localhost:" + port}).URL
}

// Subscriptions are there while listen runs, and neither they nor their secrets after it.
func TestListenSubscribes(t *testing.T) {
	d, agent := serverKnown(t)
	l := launch(t, "listen", "--ngrok", "--ngrok-api", agent, "--subscribe", "trustist,trst,trustgate")
	l.waitFor("listening")
	d.mu.Lock()
	var urls []any
	for _, name := range []string{"trustist", "trst", "trustgate"} {
		for _, w := range d.webhooks[name] {
			urls = append(urls, w["url"])
		}
	}
	d.mu.Unlock()
	want := []any{"https://ours.ngrok.app/webhooks/trustist/token", "https://ours.ngrok.app/webhooks/trst", "https://ours.ngrok.app/webhooks/trustgate"}
	if diff := cmp.Diff(want, urls); diff != "" {
		t.Errorf("subscribed (-want +got):\n%s", diff)
	}
	kept, err := os.ReadFile(".env")
	if err != nil || !strings.Contains(string(kept), "TRST_WEBHOOK_SECRET=first,whsec_theirs_") {
		t.Errorf(".env is %q %v, want TRST's new secret beside the old one", kept, err)
	}
	r := l.end()
	if r.code != exitOK {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	for _, said := range []string{"takes over the new secrets within seconds", "no longer subscribed to trustist", "no longer subscribed to trst", "still subscribed to trustgate: "} {
		if !strings.Contains(r.stderr, said) {
			t.Errorf("it did not say %q:\n%s", said, r.stderr)
		}
	}
	if strings.Contains(r.stdout+r.stderr, "whsec_theirs") || strings.Contains(r.stdout+r.stderr, "/token") {
		t.Errorf("a secret is printed:\n%s%s", r.stdout, r.stderr)
	}
	if list := d.webhooks["trustist"]; len(list) != 1 || list[0]["isActive"] != false || len(d.webhooks["trst"]) > 0 { // Trustist keeps them, inactive
		t.Errorf("left are %v and %v, want none that is active", list, d.webhooks["trst"])
	}
	if kept, err = os.ReadFile(".env"); err != nil || !strings.Contains(string(kept), "TRST_WEBHOOK_SECRET=first\n") {
		t.Errorf(".env is %q %v, want TRST's old secret alone", kept, err)
	}
}

// What cannot be asked of a provider is said before anything is done.
func TestListenSubscribeProblems(t *testing.T) {
	d := newProvidersDouble(t)
	failsWith(t, "--ngrok-api, --print-secret and --subscribe are for --ngrok", "listen", "--subscribe", "trst")
	if got := fails(t, "listen", "--ngrok", "--subscribe", "trustist,acme"); len(got) != 1 || !strings.Contains(got[0], `"acme"`) {
		t.Errorf("got %q, want the unknown provider named", got)
	}
	t.Setenv("TRST_API_KEY", "")
	if got := fails(t, "listen", "--ngrok", "--subscribe", "trustist,trst"); len(got) == 0 || !strings.Contains(got[0], "TRST_API_KEY") {
		t.Errorf("got %q, want the missing key named", got)
	}
	if len(d.calls) > 0 {
		t.Errorf("asked %q", d.calls)
	}
}
