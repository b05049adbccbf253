package diagnosis

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
)

var noon = time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC)

// The secrets are valid for all providers: base64 of 24 bytes.
const right, strangers = "whsec_d2d9f6a107c4e4e8b1a593e0c2f04b71", "whsec_0a9f4c2be7d14c6f8e3b5a7d91c0f2e4"

// with returns a provider with one secret. The providers' own tests hold the known answers for how they sign.
func with(t testing.TB, name, secret string) handlers.Provider {
	t.Helper()
	p, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signing are the providers that sign with a header.
func signing(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(handlers.ProviderNames(), handlers.TokenInPath)
}

// delivered is the case of a body that was sent instead of the one that was signed with a secret, at this time before noon.
func delivered(t *testing.T, name, secret string, body, sent string, age time.Duration) Case {
	t.Helper()
	h := with(t, name, secret).Sign([]byte(body), noon.Add(-age)).Header
	return Case{
		Request: Request{Provider: name, Delivery: handlers.Delivery{Header: h, Body: []byte(sent), ReceivedAt: noon}},
		Secrets: map[string][]handlers.Secret{name: {{Value: right}}},
	}
}

func mustDiagnose(t *testing.T, c Case) Finding {
	t.Helper()
	f, err := Diagnose(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestEveryProvider: the same mistakes are recognized whichever way a provider signs.
func TestEveryProvider(t *testing.T) {
	t.Parallel()
	const body, rewritten = `{"a": ["é", 1]}`, `{"a":["\u00e9",1]}`
	for _, name := range signing(t) {
		s := with(t, name, right).Schemes()[0]
		signed := func(secret, body, sent string, age time.Duration) Case {
			if s.TimeIn != "" { // Sign renews no time that is not there
				at := fmt.Sprintf(`{"%s": %d, `, s.TimeIn, noon.Add(-age).Unix())
				body, sent = strings.Replace(body, "{", at, 1), strings.Replace(sent, "{", at, 1)
			}
			return delivered(t, name, secret, body, sent, age)
		}
		written := func(otherwise string) string { return map[bool]string{false: otherwise, true: right}[s.Base64Key] }
		cut := signed(right, body, body, 0)
		value := cut.Delivery.Header.Get(s.Header)
		cut.Delivery.Header.Set(s.Header, value[:len(value)-4])
		bare := signed(right, body, body, 0)
		bare.Delivery.Header = http.Header{}
		misnamed := signed(right, body, body, 0)
		misnamed.Delivery.Header.Set(s.HashNamed, "none")
		nameless := signed(right, body, body, 0)
		nameless.Delivery.Header.Del(s.ID)
		repeated := signed(right, body, body, 0)
		repeated.Delivery.Header.Add(s.Header, value)
		weak := signed(right, body, body, 0)
		for _, header := range s.Weak {
			weak.Delivery.Header.Set(header, value)
			weak.Delivery.Header.Del(s.Header)
		}
		for want, c := range map[string]Case{
			"weak_signature":               weak,
			"unreadable_body":              signed(right, body, body, 0), // it is signed
			"newline_added":                signed(right, body, body+"\n", 0),
			"json_rewritten":               signed(right, body, rewritten, 0),
			"empty_body_signed":            signed(right, "", body, 0),
			"body_empty":                   signed(right, body, "", 0),
			"secret_prefix":                signed(written(strings.TrimPrefix(right, "whsec_")), body, body, 0),
			"secret_whitespace":            signed(written(right+"\n"), body, body, 0),
			"newline_removed secret_case":  signed(written(strings.ToUpper(right)), body+"\n", body, 0),
			"wrong_secret_or_changed_body": signed(strangers, body, body, 0),
			"too_old":                      signed(right, body, body, s.MaxAge+time.Second),
			"newline_added too_old":        signed(right, body, body+"\n", s.MaxAge+time.Minute),
			"from_the_future":              signed(right, body, body, -301*time.Second),
			"truncated_signature":          cut,
			"missing_header":               bare,
			"repeated_header":              repeated,
			"unknown_hash":                 misnamed,
			"missing_id":                   nameless,
		} {
			timed := s.MaxAge > 0 && !strings.Contains(want, "future") || s.MaxAhead > 0 && strings.Contains(want, "future")
			if !timed && (strings.Contains(want, "too_old") || want == "from_the_future") || want == "unknown_hash" && s.HashNamed == "" ||
				want == "weak_signature" && len(s.Weak) == 0 || want == "missing_id" && !s.SignsID() || strings.Contains(want, "secret_") && s.Base64Key { // such secrets have the same key, or none
				continue
			}
			f := mustDiagnose(t, c)
			got := string(f.Cause)
			for _, also := range f.Also {
				got += " " + string(also)
			}
			if got != want || f.Valid || !strings.HasSuffix(f.Explanation, ".") || !strings.HasSuffix(f.Hint, ".") {
				t.Errorf("%s: got %+v, want %s", name, f, want)
			}
		}
	}
}

// TestLargeBodies: the largest body takes seconds, not minutes, whether something explains its signature or not.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	body := `{"pad":["` + strings.Repeat(`x","`, handlers.MaxBody/5) + `"]}`
	name := signing(t)[0]
	for want, c := range map[Cause]Case{
		"newline_added":                delivered(t, name, right, body, body+"\n", 0),
		"wrong_secret_or_changed_body": delivered(t, name, strangers, body, body, 0),
		"body_too_large":               delivered(t, name, right, body+body, body+body, 0),
	} {
		if f := mustDiagnose(t, c); f.Cause != want {
			t.Errorf("got %+v, want %s", f, want)
		}
	}
}

// FuzzDiagnose: whatever the headers say, a stranger's delivery is not valid and has a cause. Minimising an input takes much of
// the time, so fuzz with -fuzzminimizetime 5x.
func FuzzDiagnose(f *testing.F) {
	all, secrets := corpus(f), map[string][]handlers.Secret{}
	for _, l := range all[:min(len(all), 60)] {
		r, err := ParseRequest(l.raw())
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range with(f, l.Provider, right).Schemes() {
			h := r.Delivery.Header
			f.Add(h.Get(s.Header), h.Get(s.Timestamp), h.Get(s.HashNamed), h.Get(s.ID), "", r.Delivery.Body)
		}
	}
	f.Add("v0=00112233445566778899aabbccddeeff00112233", "1770217200", "none", "1", "t=1,v1=00", []byte("{}"))
	for _, name := range handlers.ProviderNames() {
		secrets[name] = []handlers.Secret{{Value: "whsec_" + base64.StdEncoding.EncodeToString([]byte("fKb2l9dQ7vX4hTz0cWm3nRy"+name))}}
	}
	f.Fuzz(func(t *testing.T, signature, timestamp, hash, id, second string, body []byte) {
		for name := range secrets {
			h := http.Header{}
			for i, s := range with(t, name, right).Schemes() {
				for header, value := range map[string]string{s.Header: signature, s.Previous: second, s.Timestamp: timestamp, s.HashNamed: hash, s.ID: id} {
					if i > 0 && header == s.Header {
						value = second
					}
					if header != "" && value != "" {
						h.Set(header, value)
					}
				}
			}
			d := handlers.Delivery{Header: h, Token: second, Body: body, ReceivedAt: noon}
			found, err := Diagnose(Case{Request: Request{Provider: name, Delivery: d}, Secrets: secrets})
			if err != nil || found.Valid || found.Cause == "" || found.Explanation == "" || found.Hint == "" {
				t.Errorf("%s: %v, %+v", name, err, found)
			}
		}
	})
}
