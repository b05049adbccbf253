package app

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
)

// TestSecretsChangeWhileRunning adds and removes secrets and a provider in .env. Each step counts once it has been read the same
// twice; what cannot be meant, or read, leaves the secrets as they are.
func TestSecretsChangeWhileRunning(t *testing.T) {
	samples, err := filepath.Abs(filepath.Join("..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere(t)
	t.Setenv("ADDR", "127.0.0.1:0")
	t.Setenv("ADMIN_ADDR", "127.0.0.1:0")
	save := func(text string) {
		t.Helper()
		if err := os.WriteFile(".env", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("TRST_WEBHOOK_SECRET=first_of_all_secrets\n")
	c, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	a, err := New(t.Context(), c, os.DirFS(samples), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	want := func(when string, answers map[string]int) { // by provider and secret
		t.Helper()
		for sender, want := range answers {
			if got := deliver(t, a.intake, sender); got != want {
				t.Errorf("%s: %s is answered %d, want %d", when, sender, got, want)
			}
		}
	}
	want("at the start", map[string]int{"trst first_of_all_secrets": 200, "trst second_secret_here": 401, "trustgate third_secret_here": 404})

	save("TRST_WEBHOOK_SECRET=first_of_all_secrets,second_secret_here\nTRUSTGATE_WEBHOOK_SECRET=third_secret_here\n")
	a.intake.reread()
	want("read once", map[string]int{"trst first_of_all_secrets": 200, "trst second_secret_here": 401, "trustgate third_secret_here": 404})
	a.intake.reread()
	both := map[string]int{"trst first_of_all_secrets": 200, "trst second_secret_here": 200, "trustgate third_secret_here": 200}
	want("added", both)
	if uses := a.intake.uses.List()["trst"]; len(uses) != 2 || uses[0].LastVerifiedAt.IsZero() || uses[1].LastVerifiedAt.IsZero() {
		t.Errorf("the secrets of trst and their last deliveries are %+v, want a time for both", uses)
	}

	for trouble, text := range map[string]string{
		"trustgate has no secret any more: to take nothing from it, restart": "TRST_WEBHOOK_SECRET=second_secret_here\n",
		".env, line 1: want NAME=value":                                      "TRST_WEBHOOK_SECRET\n",
		"ROLE is":                                                            "TRST_WEBHOOK_SECRET=x\nROLE=king\n",
	} {
		save(text)
		log.Reset()
		for range 4 {
			a.intake.reread()
		}
		want(trouble, both)
		if n := strings.Count(log.String(), trouble); n != 1 || strings.Contains(log.String(), "secret_here") {
			t.Errorf("the log has %q %d times, want it once and no secret:\n%s", trouble, n, &log)
		}
	}

	save("TRST_WEBHOOK_SECRET=second_secret_here\nTRUSTGATE_WEBHOOK_SECRET=third_secret_here\n")
	log.Reset()
	a.intake.reread()
	a.intake.reread()
	want("removed", map[string]int{"trst first_of_all_secrets": 401, "trst second_secret_here": 200, "trustgate third_secret_here": 200})
	if line := `msg="secrets changed" provider=trst active=[` + handlers.Fingerprint("second_secret_here") + "]\n"; !strings.Contains(log.String(), line) {
		t.Errorf("the log is\n%swant %s", &log, line)
	}
}

// TestOwnSecretsReplaceDevelopmentSecrets: the first secret in .env takes the place of all those made for development.
func TestOwnSecretsReplaceDevelopmentSecrets(t *testing.T) {
	elsewhere(t)
	c, err := LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	uses, log := &handlers.SecretUses{}, slog.New(slog.DiscardHandler)
	receiver := handlers.NewReceiver(nil, nil, nil, &handlers.Rejections{}, uses, log)
	in := &intake{receiver: receiver, uses: uses, log: log, read: LoadConfig, ready: func(context.Context) error { return nil }}
	if err := in.use(c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(".env", []byte("TRST_WEBHOOK_SECRET=our_own_secret_here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.reread()
	in.reread()
	if got := in.secrets(); len(got) != 1 || len(got["trst"]) != 1 || got["trst"][0] != "our_own_secret_here" || len(in.providers()) != 1 {
		t.Errorf("the secrets are %q, want the one of .env", got)
	}
}

// deliver posts a new event as "<provider> <secret>" signs it, and returns the status of the answer.
func deliver(t *testing.T, to http.Handler, sender string) int {
	t.Helper()
	name, secret, _ := strings.Cut(sender, " ")
	p, err := handlers.NewProvider(name, []string{secret}, handlers.Settings{TrustGateFallback: handlers.FormOff})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"event_id":"` + time.Now().Format(time.RFC3339Nano) + `","event_type":"webhook.test","timestamp":"2026-03-02T10:00:00Z","data":{}}`
	signed := p.Sign([]byte(body), time.Now())
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+signed.Path, strings.NewReader(body))
	req.Header = signed.Header
	rec := httptest.NewRecorder()
	to.ServeHTTP(rec, req)
	return rec.Code
}
