package dev

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLegalTalentRotate: the only webhook gets the new secret after the server knows it.
func TestLegalTalentRotate(t *testing.T) {
	isolate(t)
	var secrets []string
	target := ""
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			URL    string `json:"webhook_url"`
			Secret string `json:"webhook_secret"`
		}
		if r.Method == http.MethodPatch {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			secrets, target = append(secrets, body.Secret), body.URL
		}
		answer := map[string]any{"data": map[string]any{"notification_config": map[string]any{"webhook_url": target}}}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(api.Close)
	t.Setenv("LEGALTALENT_API_URL", api.URL)
	t.Setenv("LEGALTALENT_API_KEY", "sk_key")
	t.Setenv("LEGALTALENT_WEBHOOK_SECRET_FILE", "secret")
	t.Setenv("SUBSCRIPTION_CHECK_INTERVAL", "0")
	writeFile(t, "secret", "the-first-of-all-secrets\n")

	fails(t, run(t, "subscriptions", "rotate", "legaltalent"), false, "there is no webhook")
	succeed(t, "subscriptions", "create", "legaltalent", "--url", "https://app.example")
	holds(t, succeed(t, "subscriptions", "rotate", "legaltalent"), "go run . subscriptions rotate legaltalent --send\n")
	serve(t, "sqlite:db")
	holds(t, succeed(t, "subscriptions", "rotate", "legaltalent", "--send"), "the one in use",
		"go run . subscriptions rotate legaltalent --finish\n")
	_, fresh, _ := strings.Cut(strings.TrimSpace(content(t, "secret")), "\n")
	if diff := cmp.Diff([]string{"the-first-of-all-secrets", fresh}, secrets); diff != "" {
		t.Errorf("secrets that were sent (-want +got):\n%s", diff)
	}
	succeed(t, "trigger", "legaltalent/kyc.session.created", "--secret-file", secretFile(t, fresh))
	holds(t, succeed(t, "subscriptions", "rotate", "legaltalent", "--finish"), "removed the secret", "Restart the server")
	if content(t, "secret") != fresh+"\n" {
		t.Errorf("left %q", content(t, "secret"))
	}
}
