package diagnosis

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
)

var noon = time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC)

// trstCase is a delivery of TRST whose signature is that of signed under secret.
func trstCase(secret string, signed, sent []byte) Case {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(signed)
	return Case{
		Provider: "trst", Secrets: map[string][]string{"trst": {"whsec_right"}},
		Delivery: handlers.Delivery{
			Header: http.Header{"X-Webhook-Signature": {"sha256=" + hex.EncodeToString(m.Sum(nil))}}, Body: sent, ReceivedAt: noon,
		},
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

func TestTooLarge(t *testing.T) {
	t.Parallel()
	body := []byte(`{"pad":"` + strings.Repeat("x", handlers.MaxBody) + `"}`)
	f := mustDiagnose(t, trstCase("whsec_right", body, body))
	if f.Valid || f.Cause != BodyTooLarge || f.Explanation != "The body has 1048586 bytes, and the server takes no more than 1048576." {
		t.Errorf("got %+v", f)
	}
}

// TestLargeBody: the largest body takes seconds and not minutes, whether something explains its signature or not.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	body := []byte(`{"pad":["` + strings.Repeat(`x","`, handlers.MaxBody/5) + `"]}`)
	for want, c := range map[Cause]Case{
		NewlineAdded:        trstCase("whsec_right", body, with(body, "\n")),
		SecretOrBodyChanged: trstCase("wrong", body, body),
	} {
		if f := mustDiagnose(t, c); f.Cause != want {
			t.Errorf("got %+v, want %s", f, want)
		}
	}
}

func TestNoSecret(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Case{
		`trst: no secret`:         {Provider: "trst"},
		`unknown provider "acme"`: {Provider: "acme", Secrets: map[string][]string{"acme": {"k"}}},
		`trst: a secret is empty`: {Provider: "trst", Secrets: map[string][]string{"trst": {""}}},
	} {
		if _, err := Diagnose(c); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestClockExplanations(t *testing.T) {
	t.Parallel()
	s := handlers.Scheme{Timestamp: "T", MaxAge: 5 * time.Minute, MaxAhead: 5 * time.Minute}
	for shift, want := range map[time.Duration]string{
		-301 * time.Second: "The timestamp is 5m1s old, and 5m0s is the most.",
		-48 * time.Hour:    "The timestamp is 48h0m0s old, and 5m0s is the most.",
		330 * time.Minute:  "The timestamp is 5h30m0s ahead of our clock, and 5m0s is the most; so near to whole half hours, a local time may have been taken for UTC.",
		-300 * time.Second: "",
		300 * time.Second:  "",
	} {
		h := http.Header{"T": {strconv.FormatInt(noon.Add(shift).Unix(), 10)}}
		if f, _ := staleTimestamp(s, h, noon); f.explanation != want {
			t.Errorf("%s: got %q, want %q", shift, f.explanation, want)
		}
	}
}

// TestExplainsBothFaults: what is said about one does not hide the other.
func TestExplainsBothFaults(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event_id":"e","timestamp":"2026-02-04T12:00:00Z","event_type":"x"}`)
	f := mustDiagnose(t, trstCase("right", body, with(body, "\n")))
	if f.Cause != NewlineAdded || len(f.Also) != 1 || f.Also[0] != SecretPrefix ||
		!strings.Contains(f.Explanation, " Besides: The sender used the secret without its whsec_.") || !strings.Contains(f.Hint, " And: Use the whole secret") {
		t.Errorf("got %+v", f)
	}
}

// TestOneFaultBeforeTwo: the fewest faults count, though two others explain the MAC as well.
func TestOneFaultBeforeTwo(t *testing.T) {
	t.Parallel()
	c := trstCase("whsec_other", []byte("{}"), []byte("{}\n"))
	c.Secrets["legaltalent"] = []string{"whsec_other"}
	c.Delivery.Body = []byte("{}")
	if f := mustDiagnose(t, c); f.Cause != OtherSecret || len(f.Also) != 0 {
		t.Errorf("got %+v", f)
	}
}

// FuzzDiagnose: whatever the headers say, a stranger's delivery is not valid, has a cause, and nothing of it is quoted.
func FuzzDiagnose(f *testing.F) {
	for _, l := range corpus(f)[:60] {
		r, err := ParseRequest(l.raw())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Header.Get("X-Webhook-Signature"), r.Header.Get("X-Webhook-Timestamp"), "", r.Body)
	}
	f.Add("v0=00112233445566778899aabbccddeeff00112233", "1770217200", "t=1,v1=00", []byte("{}"))
	f.Fuzz(func(t *testing.T, signature, timestamp, second string, body []byte) {
		h := http.Header{"X-Webhook-Signature": {signature}, "X-Webhook-Timestamp": {timestamp}}
		if second != "" {
			h.Set("Stripe-Signature", second)
			h.Set("X-TrustGate-Signature", second)
		}
		secrets := map[string][]string{}
		for _, name := range handlers.ProviderNames() {
			secrets[name] = []string{"fKb2l9dQ7vX4" + name}
		}
		for _, name := range handlers.ProviderNames() {
			found, err := Diagnose(Case{Provider: name, Secrets: secrets, Delivery: handlers.Delivery{Header: h, Token: second, Body: body, ReceivedAt: noon}})
			if err != nil || found.Valid || found.Cause == "" || found.Explanation == "" || found.Hint == "" {
				t.Errorf("%s: %v, %+v", name, err, found)
			}
		}
	})
}
