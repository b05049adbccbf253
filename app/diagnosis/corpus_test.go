package diagnosis

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
)

// labelled is a delivery of testdata/verify, whose MAC was made by Python's hmac. Hard ones have two faults, or nothing that tells
// what their fault is.
type labelled struct {
	Name          string
	Provider      string
	Secrets       map[string][]string
	Settings      map[string]string
	At            time.Time
	Request       string
	RequestBase64 []byte `json:"request_base64"` //nolint:tagliatelle // as all of the project's JSON
	Hard          bool
	Want          struct {
		Valid bool
		Cause Cause
		Also  []Cause
	}
}

func corpus(t testing.TB) (list []labelled) {
	t.Helper()
	for _, provider := range handlers.ProviderNames() {
		text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "verify", provider+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var some []labelled
		if err := json.Unmarshal(text, &some); err != nil || len(some) < 20 {
			t.Fatalf("%s: %d cases, %v", provider, len(some), err)
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

// diagnose does with a case what the command does.
func (l labelled) diagnose(t testing.TB) Finding {
	t.Helper()
	r, err := ParseRequest(l.raw())
	if err != nil {
		t.Fatalf("%s: %v", l.Name, err)
	}
	provider, token := Route(r.Path)
	if provider != l.Provider {
		t.Fatalf("%s: the path leads to %q", l.Name, provider)
	}
	settings := handlers.Settings{TrustGateFallback: handlers.FormTimestampBody, LegalTalentContent: handlers.FormEither}
	if s := l.Settings["trustgate_fallback"]; s != "" {
		settings.TrustGateFallback = s
	}
	if s := l.Settings["legaltalent_content"]; s != "" {
		settings.LegalTalentContent = s
	}
	f, err := Diagnose(Case{
		Provider: provider, Secrets: l.Secrets, Settings: settings, Missing: r.Missing, Extra: r.Extra,
		Delivery: handlers.Delivery{Header: r.Header, Token: token, Body: r.Body, ReceivedAt: l.At},
	})
	if err != nil {
		t.Fatalf("%s: %v", l.Name, err)
	}
	return f
}

// TestVerifyCorpus: whether a delivery is valid is never wrong, and why not at most once in twenty.
func TestVerifyCorpus(t *testing.T) {
	t.Parallel()
	right, total, hard := 0, 0, 0
	for _, l := range corpus(t) {
		f := l.diagnose(t)
		if f.Valid != l.Want.Valid {
			t.Errorf("%s, %s: valid is %t", l.Provider, l.Name, f.Valid)
		}
		total++
		if l.Hard {
			hard++
		}
		if f.Cause == l.Want.Cause && (len(l.Want.Also) == 0 || slices.Equal(f.Also, l.Want.Also)) {
			right++
			continue
		}
		t.Logf("missed: %s, %s: %s %v, want %s %v", l.Provider, l.Name, f.Cause, f.Also, l.Want.Cause, l.Want.Also)
	}
	t.Logf("%d of %d right; %d of them hard", right, total, hard)
	if total < 60 || right*100 < total*95 {
		t.Errorf("%d of %d right, want 95 %% of at least 60", right, total)
	}
}

// TestFindingsSayWhatToDo: each cause comes with one sentence or more on what it is and on what to do.
func TestFindingsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, l := range corpus(t) {
		f := l.diagnose(t)
		if f.Valid {
			if f.Event == nil || f.Event.ExternalID == "" || f.Cause != "" || f.Explanation != "" {
				t.Errorf("%s: %+v is valid, and has no event or a cause", l.Name, f)
			}
			continue
		}
		if f.Event != nil || f.Cause == "" || !strings.HasSuffix(f.Explanation, ".") || !strings.HasSuffix(f.Hint, ".") {
			t.Errorf("%s: %+v is not valid, and has an event or no cause, explanation or hint", l.Name, f)
		}
	}
}
