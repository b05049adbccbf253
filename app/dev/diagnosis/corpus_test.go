package diagnosis

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
)

// labelled is a delivery of testdata/verify. Its MAC was made with Python's hmac, or its token with Python's cryptography.
type labelled struct {
	Name          string
	Provider      string
	Secrets       map[string][]string
	Settings      map[string]string
	At            time.Time
	Request       string
	RequestBase64 []byte `json:"request_base64"` //nolint:tagliatelle // as all of the project's JSON
	Want          struct {
		Valid bool
		Cause Cause
		Also  []Cause
	}
}

// corpus returns the deliveries of testdata/verify for the providers that there are.
func corpus(t testing.TB) (list []labelled) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "testdata", "verify", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(handlers.ProviderNames(), strings.TrimSuffix(filepath.Base(file), ".json")) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []labelled
		if err := json.Unmarshal(text, &some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, some...)
	}
	return list
}

func (l labelled) raw() []byte {
	if len(l.RequestBase64) > 0 {
		return l.RequestBase64
	}
	return []byte(l.Request)
}

// diagnose does with a delivery what the command does. It also returns the secrets.
func (l labelled) diagnose(t *testing.T) (f Finding, r Request, private []string) {
	t.Helper()
	r, err := ParseRequest(l.raw())
	if err != nil || r.Provider != l.Provider {
		t.Fatalf("%s: %v, the path leads to %q", l.Name, err, r.Provider)
	}
	secrets := map[string][]handlers.Secret{}
	for name, list := range l.Secrets {
		for _, value := range list {
			secrets[name] = append(secrets[name], handlers.Secret{Value: value})
			private = append(private, value)
		}
	}
	r.Delivery.ReceivedAt = l.At
	if f, err = Diagnose(Case{Request: r, Secrets: secrets, Options: l.Settings}); err != nil {
		t.Fatalf("%s: %v", l.Name, err)
	}
	return f, r, private
}

// TestCorpus: whether a delivery is valid is always right, and the causes are in at least 95 of 100 cases. Each finding that is
// not valid says what is wrong and what to do.
func TestCorpus(t *testing.T) {
	t.Parallel()
	right, total := 0, 0
	for _, l := range corpus(t) {
		f, _, _ := l.diagnose(t)
		total++
		switch {
		case f.Valid != l.Want.Valid:
			t.Errorf("%s, %s: valid is %t", l.Provider, l.Name, f.Valid)
		case f.Valid != (f.Event != nil && f.Event.ExternalID != "" && f.Cause == "" && f.Explanation == ""):
			t.Errorf("%s, %s: %+v is valid and has no event, or is not and has one", l.Provider, l.Name, f)
		case !f.Valid && (f.Cause == "" || !strings.HasSuffix(f.Explanation, ".") || !strings.HasSuffix(f.Hint, ".")):
			t.Errorf("%s, %s: %+v does not say what is wrong and what to do", l.Provider, l.Name, f)
		}
		if f.Cause == l.Want.Cause && (len(l.Want.Also) == 0 || slices.Equal(f.Also, l.Want.Also)) {
			right++
			continue
		}
		t.Logf("missed: %s, %s: %s %v, want %s %v", l.Provider, l.Name, f.Cause, f.Also, l.Want.Cause, l.Want.Also)
	}
	t.Logf("%d of %d causes are right", right, total)
	if right*100 < total*95 {
		t.Errorf("%d of %d causes are right, want 95 %%", right, total)
	}
}

// TestKeepsSecrets: no finding, which is all that the command prints, holds eight characters in a row of a secret or a
// signature, or ten of a body, except what names the event.
func TestKeepsSecrets(t *testing.T) {
	t.Parallel()
	for _, l := range corpus(t) {
		f, r, private := l.diagnose(t)
		f.Event = nil
		var printed bytes.Buffer
		encoder := json.NewEncoder(&printed)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(f); err != nil {
			t.Fatal(err)
		}
		for _, s := range with(t, l.Provider, right).Schemes() {
			for _, name := range append([]string{s.Header, s.Previous}, s.Weak...) {
				private = append(private, r.Delivery.Header.Values(name)...)
			}
		}
		for _, text := range append(private, r.Delivery.Token) {
			mustNotShare(t, l.Name, printed.String(), text, 8)
		}
		mustNotShare(t, l.Name, printed.String(), string(r.Delivery.Body)+string(r.Extra), 10)
	}
}

// mustNotShare looks for n bytes in a row of a private text in what is printed.
func mustNotShare(t *testing.T, name, printed, private string, n int) {
	t.Helper()
	names := strings.NewReplacer(`"`, "", "external_id", "", "occurred_at", "", "event_type", "")
	printed = names.Replace(printed)
	for i := 0; i+n <= len(private); i++ {
		if part := private[i : i+n]; strings.Contains(printed, part) {
			t.Errorf("%s: %q is in the output:\n%s", name, part, printed)
			return
		}
	}
}
