package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

const isNotAllowed = `{"error":"method_not_allowed"}`

// TestRoutes: what is not a route says nothing to the sender. What looks like a delivery is recorded with what is wrong.
func TestRoutes(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	known := ProviderNames()[0] // it has no secret here
	noSecret := Reason("no secret: set " + strings.ToUpper(known) + "_WEBHOOK_SECRET")
	const meant, unknown = "no such path: did you mean /webhooks/testprovider", "no such path: want one of /webhooks/testprovider"
	for _, c := range []struct {
		method, path string
		status       int
		body, allow  string
		reason       Reason
	}{
		{"POST", "/", 404, isNotFound, "", ""},
		{"POST", "/testprovider", 404, isNotFound, "", ""},
		{"GET", "/api/events", 404, isNotFound, "", ""},
		{"GET", "/webhooks/" + known, 404, isNotFound, "", ""},
		{"POST", "/webhooks", 404, isNotFound, "", unknown},
		{"POST", "/webhooks/", 404, isNotFound, "", unknown},
		{"POST", "/webhooks/acne", 404, isNotFound, "", unknown},
		{"POST", "/webhooks/" + known, 404, isNotFound, "", noSecret},
		{"POST", "/webhooks/" + known + "/canary", 404, isNotFound, "", noSecret},
		{"POST", "/webhooks/testprovider/", 404, isNotFound, "", meant},
		{"POST", "/webhooks/testprovider/canary", 404, isNotFound, "", meant},
		{"POST", "/webhooks/Testprovider", 404, isNotFound, "", meant},
		{"POST", "/webhook/testprovider", 404, isNotFound, "", meant},
		{"GET", "/webhooks/testprovider", 405, isNotAllowed, "POST", "wrong method: want POST"},
		{"DELETE", "/webhooks/testprovider", 405, isNotAllowed, "POST", "wrong method: want POST"},
		{"POST", "/healthz", 405, isNotAllowed, "GET, HEAD", ""},
		{"HEAD", "/healthz", 200, "", "", ""},
		{"GET", "/healthz", 200, `{"status":"ok"}`, "", ""},
		{"GET", "/readyz", 200, `{"status":"ready"}`, "", ""},
	} {
		before := r.rejections.Total()
		got := send(t, c.method, r.url+c.path, nil, strings.NewReader(testBody))
		if got.status != c.status || got.body != c.body || got.header.Get("Allow") != c.allow || got.closed != (c.status >= 400) {
			t.Errorf("%s %s: %d %s, Allow %q, closed %t", c.method, c.path, got.status, got.body, got.header.Get("Allow"), got.closed)
		}
		switch recorded := r.rejections.Total() - before; {
		case recorded == 1 && (r.rejections.Newest()[0].Reason != c.reason || !strings.Contains(r.log.String(), string(c.reason))):
			t.Errorf("%s %s: recorded %+v, want %s; log %s", c.method, c.path, r.rejections.Newest()[0], c.reason, r.log)
		case recorded != 1 && c.reason != "", recorded != 0 && c.reason == "":
			t.Errorf("%s %s: recorded %d times", c.method, c.path, recorded)
		}
	}
	if strings.Contains(r.log.String(), "canary") {
		t.Error("a path, which may hold a token, was logged")
	}
}

// TestReady: what is wrong stays with us.
func TestReady(t *testing.T) {
	t.Parallel()
	var trouble error
	log := slog.New(slog.DiscardHandler)
	receiver := NewReceiver(nil, nil, nil, &Rejections{}, log)
	h := NewRouter(receiver, nil, func(context.Context) error { return trouble }, log)
	get := func() reply {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return reply{status: w.Code, body: w.Body.String()}
	}
	get().want(t, 200, `{"status":"ready"}`)
	trouble = errors.New("password authentication failed for user kyc")
	get().want(t, 503, isUnavailable)
}
