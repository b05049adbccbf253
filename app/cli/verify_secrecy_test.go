package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/diagnosis"
	"example.com/identity-webhooks/handlers"
)

// TestVerifyKeepsSecrets: nothing that is printed about the deliveries of testdata/verify holds eight characters in a row of a
// secret or a signature, or ten of a body, but for what an event is called.
func TestVerifyKeepsSecrets(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, provider := range handlers.ProviderNames() {
		text, err := fs.ReadFile(samples(), "verify/"+provider+".json")
		if err != nil {
			t.Fatal(err)
		}
		var list []struct {
			Name          string
			Secrets       map[string][]string
			At            time.Time
			Request       string
			RequestBase64 []byte `json:"request_base64"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			seen++
			raw := append([]byte(l.Request), l.RequestBase64...)
			r, err := diagnosis.ParseRequest(raw)
			if err != nil {
				t.Fatal(err)
			}
			name, token := diagnosis.Route(r.Path)
			f, err := diagnosis.Diagnose(diagnosis.Case{
				Provider: name, Secrets: l.Secrets, Missing: r.Missing, Extra: r.Extra,
				Settings: handlers.Settings{TrustGateFallback: handlers.FormTimestampBody, LegalTalentContent: handlers.FormEither},
				Delivery: handlers.Delivery{Header: r.Header, Token: token, Body: r.Body, ReceivedAt: l.At},
			})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, asJSON := range []bool{false, true} {
				if err := printFinding(&out, f, asJSON); err != nil {
					t.Fatal(err)
				}
			}
			names := []string{`"`, "", "external_id", "", "occurred_at", "", "event_type", ""}
			if e := f.Event; e != nil {
				names = append(names, e.Type, "", e.ExternalID, "", e.OccurredAt.Format(time.RFC3339Nano), "", e.Generation, "")
			}
			printed := strings.NewReplacer(names...).Replace(out.String())
			for _, list := range l.Secrets {
				for _, secret := range list {
					mustNotShare(t, l.Name, printed, secret, 8)
				}
			}
			mustNotShare(t, l.Name, printed, token, 8)
			mustNotShare(t, l.Name, printed, string(r.Body)+string(r.Extra), 10)
			for name, values := range r.Header {
				if strings.Contains(strings.ToLower(name), "signature") {
					mustNotShare(t, l.Name, printed, strings.Join(values, "\n"), 8)
				}
			}
		}
	}
	if seen < 200 {
		t.Errorf("only %d deliveries", seen)
	}
}

// mustNotShare looks for n characters in a row of private in what is printed.
func mustNotShare(t *testing.T, name, printed, private string, n int) {
	t.Helper()
	for i := 0; i+n <= len(private); i++ {
		if part := private[i : i+n]; strings.Contains(printed, part) {
			t.Errorf("%s: %q is in the output:\n%s", name, part, printed)
			return
		}
	}
}
