package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/identity-webhooks/models"
)

// fuzzForged looks for a delivery that is verified without the secret. Each value of a header is on a line of its own.
func fuzzForged(f *testing.F, provider string, settings ...Settings) {
	stranger := mustProvider(f, provider, documented, "a stranger's secret")
	for _, s := range samples(f) {
		if s.provider != provider {
			continue
		}
		q := stranger.Sign(s.body, noon)
		h := func(name string) string { return strings.Join(q.Header.Values(name), "\n") }
		f.Add(h("X-Webhook-Signature"), h("X-TrustGate-Signature"), h("X-Webhook-Timestamp"), h("X-Webhook-ID"), q.Path, s.body)
		f.Add("", h("X-Webhook-Signature"), h("X-Webhook-Timestamp"), "", "", s.body)
	}
	var ps []Provider
	for _, s := range settings {
		ps = append(ps, mustProvider(f, provider, s, "fKb2l9dQ7vX4", "7hTz0cWm3nRy"))
	}
	f.Fuzz(func(t *testing.T, signature, second, timestamp, id, token string, body []byte) {
		h := http.Header{}
		for name, value := range map[string]string{
			"X-Webhook-Signature": signature, "X-TrustGate-Signature": second, "X-Webhook-Timestamp": timestamp, "X-Webhook-ID": id,
		} {
			if value == "" {
				continue
			}
			for _, v := range strings.Split(value, "\n") {
				h.Add(name, v)
			}
		}
		for _, p := range ps {
			e, err := p.Verify(Delivery{Header: h, Token: token, Body: body, ReceivedAt: noon})
			var reason Reason
			if !errors.Is(err, ErrUnverified) || !errors.As(err, &reason) || e != (Envelope{}) {
				t.Errorf("verified: %+v, %v", e, err)
			}
		}
	})
}

func FuzzVerifyTrustist(f *testing.F)  { fuzzForged(f, "trustist", documented) }
func FuzzVerifyTrustGate(f *testing.F) { fuzzForged(f, "trustgate", documented, bodyAlone) }
func FuzzVerifyTRST(f *testing.F)      { fuzzForged(f, "trst", documented) }
func FuzzVerifyLegalTalent(f *testing.F) {
	fuzzForged(f, "legaltalent", documented, bodyAlone, timedOnly)
}

// FuzzEnvelope reads bodies that are rightly signed: what is read can be stored, and what cannot is no rejection.
func FuzzEnvelope(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.body)
	}
	providers := ProviderNames()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, provider := range providers {
			e, err := envelopeOf(t, provider, string(body))
			switch {
			case errors.Is(err, ErrUnverified):
				t.Errorf("%s: %v", provider, err)
			case errors.Is(err, ErrUnreadable): // stored under the body's hash, with what was read beside it
				e.ExternalID = bodyID(body)
			case err != nil && !errors.Is(err, ErrContradictory):
				t.Errorf("%s: an error that nobody expects: %v", provider, err)
			case e.Type == "" || e.Generation == "" || e.ExternalID == "":
				t.Errorf("%s: event without a name: %+v", provider, e)
			}
			for _, text := range []string{e.ExternalID, e.Type, e.Generation, e.TenantID, e.CorrelationID} {
				if len(text) > 255 || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					t.Errorf("%s: %q cannot be stored", provider, text)
				}
			}
			if _, err := json.Marshal(models.At(e.OccurredAt)); err != nil { // it would spoil each list it is in
				t.Errorf("%s: %v", provider, err)
			}
			if err != nil && (len(err.Error()) > 255 || !utf8.ValidString(err.Error()) || strings.ContainsRune(err.Error(), 0)) {
				t.Errorf("%s: error %q cannot be stored", provider, err)
			}
		}
	})
}
