package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// FuzzVerify looks for a delivery that a provider verifies without its secret. Each value of a header is on a line of its own.
func FuzzVerify(f *testing.F) {
	var all []Provider
	for _, name := range ProviderNames() {
		all = append(all, mustProvider(f, name, nil, firstSecret, secondSecret))
		for _, o := range ProviderOptions(name) {
			for _, value := range o.Values {
				all = append(all, mustProvider(f, name, map[string]string{o.Name: value}, firstSecret))
			}
		}
		stranger := mustProvider(f, name, nil, strangersSecret)
		q := stranger.Sign([]byte(`{"id":"evt_1"}`), noon)
		for _, s := range stranger.Schemes() {
			f.Add(q.Header.Get(s.Header), q.Header.Get(s.Timestamp), q.Header.Get(s.ID), q.Header.Get(s.HashNamed), q.Path, q.Body)
		}
	}
	f.Fuzz(func(t *testing.T, signature, timestamp, id, hash, token string, body []byte) {
		for _, p := range all {
			h := http.Header{}
			for _, s := range p.Schemes() {
				for name, values := range map[string]string{s.Header: signature, s.Previous: signature, s.Timestamp: timestamp, s.ID: id, s.HashNamed: hash} {
					for value := range strings.SplitSeq(values, "\n") {
						if name != "" && values != "" {
							h.Add(name, value)
						}
					}
				}
			}
			e, err := p.Verify(Delivery{Header: h, Token: token, Body: body, ReceivedAt: noon})
			var reason Reason
			if !errors.Is(err, ErrUnverified) && !errors.Is(err, ErrKeyUnknown) || isVerified(err) || !errors.As(err, &reason) || !cmp.Equal(e, Envelope{}) {
				t.Errorf("verified: %+v, %v", e, err)
			}
		}
	})
}

// FuzzEnvelope reads bodies: what is read can be stored, and nothing else is wrong with what cannot be read.
func FuzzEnvelope(f *testing.F) {
	all := map[string]Provider{}
	for _, name := range ProviderNames() {
		all[name] = mustProvider(f, name, nil, firstSecret)
	}
	for _, s := range samples(f) {
		f.Add(s.body)
	}
	fits := func(text string) bool {
		return len(text) <= 255 && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, p := range all {
			e, err := p.Envelope(body)
			if !isVerified(err) || err != nil && !fits(err.Error()) {
				t.Errorf("%s: error %q", name, err)
			}
			if err == nil && (e.Type == "" || e.Generation == "" || e.ExternalID == "") {
				t.Errorf("%s: event without a name: %+v", name, e)
			}
			for _, text := range append(e.Warnings, e.ExternalID, e.Type, e.Generation, e.TenantID, e.CorrelationID) {
				if !fits(text) {
					t.Errorf("%s: %q cannot be stored", name, text)
				}
			}
			if _, err := json.Marshal(models.At(e.OccurredAt)); err != nil { // it would spoil each list that it is in
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
