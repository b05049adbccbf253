package handlers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

const (
	isAccepted   = `{"status":"accepted"}`
	isDuplicate  = `{"status":"duplicate"}`
	isUnverified = `{"error":"unverified"}`
	isNotFound   = `{"error":"not_found"}`
)

// bodies are a body of each provider.
var bodies = map[string]string{"trustgate": tgReviewed, "trst": trstBody, "legaltalent": kycBody, "trustist": trustistOlder}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		for provider, body := range bodies {
			got := r.deliver(provider, body, forged)
			if provider == "trustist" {
				got.want(t, 404, isNotFound)
			} else {
				got.want(t, 401, isUnverified)
			}
			if n := len(r.rows()); n != 0 {
				t.Fatalf("%s: an unverified delivery left %d rows", provider, n)
			}
		}
		for provider, body := range bodies {
			got := r.deliver(provider, body)
			got.want(t, 200, isAccepted)
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("content type %q", kind)
			}
			r.deliver(provider, body).want(t, 200, isDuplicate)
			r.deliver(provider, body, forged)
		}
		rows := r.rows()
		if len(rows) != len(bodies) {
			t.Fatalf("%d rows, want %d", len(rows), len(bodies))
		}
		for _, e := range rows {
			want, err := envelopeOf(t, e.Provider, bodies[e.Provider])
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Body) != bodies[e.Provider] || e.Status != models.Received || e.Deliveries != 2 || e.LastError != "" ||
				e.ExternalID != want.ExternalID || e.Type != want.Type || e.Generation != want.Generation || e.TenantID != want.TenantID ||
				!e.OccurredAt.Equal(want.OccurredAt) || !e.ReceivedAt.Equal(noon) || e.Queue != models.DefaultQueue {
				t.Errorf("row %+v of envelope %+v", e, want)
			}
		}
		if n := r.wakes.Load(); n != int64(len(bodies)) {
			t.Errorf("woke the relay %d times for %d new events", n, len(bodies))
		}
	})
}

func TestQueueOfEvent(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		r.deliver("trustgate", strings.Replace(tgReviewed, "applicant.reviewed", "case.created", 1)).want(t, 200, isAccepted)
		if got := r.rows()[0].Queue; got != models.CriticalQueue {
			t.Errorf("queue %q", got)
		}
	})
}

// TestRoutes: what is not a route says nothing, and a provider without a secret is none.
func TestRoutes(t *testing.T) {
	t.Parallel()
	providers := allProviders(t)
	delete(providers, "trst")
	r := newReception(t, openStore(t, sqliteURL(t)), providers)
	for _, c := range []struct {
		method, path string
		status       int
		body, allow  string
	}{
		{"POST", "/", 404, isNotFound, ""},
		{"POST", "/webhooks", 404, isNotFound, ""},
		{"POST", "/webhooks/", 404, isNotFound, ""},
		{"POST", "/webhooks/acme", 404, isNotFound, ""},
		{"POST", "/webhooks/trst", 404, isNotFound, ""},
		{"GET", "/webhooks/trst", 404, isNotFound, ""},
		{"POST", "/webhooks/trustgate/", 404, isNotFound, ""},
		{"POST", "/webhooks/TrustGate", 404, isNotFound, ""},
		{"POST", "/webhooks/trustist", 404, isNotFound, ""},
		{"POST", "/webhooks/trustist/", 404, isNotFound, ""},
		{"POST", "/webhooks/trustist/wrong", 404, isNotFound, ""},
		{"POST", "/webhooks/trustist/" + trustistToken[:5], 404, isNotFound, ""},
		{"POST", "/webhooks/trustist/" + trustistToken + "/", 404, isNotFound, ""},
		{"POST", "/webhooks/trustist/" + trustistToken + "/x", 404, isNotFound, ""},
		{"GET", "/webhooks/trustgate", 405, `{"error":"method_not_allowed"}`, "POST"},
		{"PUT", "/webhooks/legaltalent", 405, `{"error":"method_not_allowed"}`, "POST"},
		{"DELETE", "/webhooks/trustist/" + trustistToken, 405, `{"error":"method_not_allowed"}`, "POST"},
		{"POST", "/healthz", 405, `{"error":"method_not_allowed"}`, "GET, HEAD"},
		{"HEAD", "/healthz", 200, "", ""},
		{"GET", "/healthz", 200, `{"status":"ok"}`, ""},
		{"GET", "/readyz", 200, `{"status":"ready"}`, ""},
		{"GET", "/api/events", 404, isNotFound, ""},
	} {
		got := send(t, c.method, r.url+c.path, nil, strings.NewReader(trustistOlder))
		if got.status != c.status || got.body != c.body || got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %s, Allow %q; want %d %s, Allow %q", c.method, c.path, got.status, got.body, got.header.Get("Allow"), c.status, c.body, c.allow)
		}
	}
	if n := len(r.rows()); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestTokenCharacters: whatever the operator chose as the token, Sign makes a path that reaches it.
func TestTokenCharacters(t *testing.T) {
	t.Parallel()
	store := openStore(t, sqliteURL(t))
	for _, token := range []string{"plain", "a+b", "a b", "a%2Fb", "100%", "a?b#c", "ключ", "a=b&c", "a/b", "MDEy/MzQ1+Njc4=="} {
		r := newReception(t, store, map[string]Provider{"trustist": mustProvider(t, "trustist", documented, token)})
		if got := r.deliver("trustist", trustistOlder); got.status != 200 {
			t.Errorf("token %q: answered %d to the right one", token, got.status)
		}
		everyByte := func(q *Request) {
			q.Path = fmt.Sprintf("trustist/%%%s", strings.ReplaceAll(fmt.Sprintf("% x", token), " ", "%"))
		}
		if got := r.deliver("trustist", trustistOlder, everyByte); got.status != 200 {
			t.Errorf("token %q, escaped to the last byte: answered %d to the right one", token, got.status)
		}
	}
}

func TestRejectionsAreRemembered(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
	if got := r.rejections.Newest(); got == nil || len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	for i := range 70 {
		r.clock.Store(int64(i) * int64(time.Second)) // slow enough to be remembered one by one
		r.deliver("trst", trstBody, forged, func(q *Request) { q.Header.Set("X-Forwarded-For", "203.0.113.7") })
		r.deliver("trustist", trustistOlder, forged)
	}
	r.deliver("legaltalent", kycBody, func(q *Request) { q.Header.Del("X-Webhook-Signature") })
	r.deliver("legaltalent", kycBody) // no rejection
	newest := r.rejections.Newest()
	if len(newest) != 100 || r.rejections.Total() != 141 {
		t.Fatalf("%d remembered of %d, want 100 of 141", len(newest), r.rejections.Total())
	}
	local, last := "127.0.0.1", noon.Add(69*time.Second)
	want := []Rejection{
		{141, models.At(last), "legaltalent", local, MissingSignature},
		{140, models.At(last), "trustist", local, WrongToken},
		{139, models.At(last), "trst", local, WrongSecret},
		{138, models.At(last.Add(-time.Second)), "trustist", local, WrongToken},
	}
	for i, w := range want {
		if newest[i] != w {
			t.Errorf("rejection %d: %+v, want %+v", i, newest[i], w)
		}
	}
}

// TestDiscretion: neither log nor rejections may ever hold a secret, a token, a signature or what a body says about people.
func TestDiscretion(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		providers := allProviders(t)
		r := newReception(t, s, providers)
		const canary = "Rosalind Canary"
		tell := []string{canary, "not_ti_", trustistToken, trustGateSecret, trstSecret, legalTalentSecret}
		note := func(q *Request) {
			for _, name := range []string{"X-Webhook-Signature", "X-TrustGate-Signature"} {
				if mac := strings.TrimPrefix(q.Header.Get(name), "sha256="); mac != "" {
					tell = append(tell, mac)
				}
			}
		}
		for provider, body := range bodies {
			body = strings.TrimSuffix(body, "}") + `,"person":"` + canary + `"}`
			for _, b := range []string{body, body, body + " ", `{"person":"` + canary + `"}`, canary, `"` + canary + `"`} {
				r.deliver(provider, b, note)
				r.deliver(provider, b, forged, note)
			}
			r.deliver(provider, body, note, func(q *Request) { q.Header.Set(trustGatePrefixed, canary) })
			r.deliver(provider, body, note, func(q *Request) { q.Header.Set("X-Webhook-Signature", canary) })
			r.deliver(provider, body, note, func(q *Request) { q.Header.Set("X-Webhook-Timestamp", canary) })
			r.deliver(provider, body, func(q *Request) { q.Path += "/" + canary })
		}
		r.deliver("trst", strings.Replace(trstBody, `"data"`, `"event_type":"other","data"`, 1), note)
		said := r.log.String() + fmt.Sprintf("%+v", r.rejections.Newest())
		for _, secret := range tell {
			if strings.Contains(said, secret) {
				t.Errorf("log or rejections tell %q", secret)
			}
		}
		if !strings.Contains(said, "event accepted") || !strings.Contains(said, string(WrongSecret)) {
			t.Errorf("nothing was logged: %s", said)
		}
	})
}
