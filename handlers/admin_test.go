package handlers

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// basic is the header of a request with a user and a password.
func basic(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

func TestAdminDatabaseGone(t *testing.T) {
	t.Parallel()
	store, err := models.Open(t.Context(), sqliteURL(t))
	if err != nil {
		t.Fatal(err)
	}
	o := newOffice(t, store, "")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"events", "events/1", "customers", "customers/1", "cases", "companies", "follow_ups", "stats"} {
		send(t, "GET", o.url+"/api/"+path, nil, nil).want(t, 503, `{"error":"the database call failed; the log says why"}`)
	}
	send(t, "GET", o.url+"/api/rejections", nil, nil).want(t, 200, `{"rejections":[]}`)
}

func TestAdminPassword(t *testing.T) {
	t.Parallel()
	s := openStore(t, sqliteURL(t))
	for _, c := range []struct {
		header http.Header
		in     bool
	}{
		{basic("admin", "correct horse"), true},
		{basic("admin", "correct hors"), false},
		{basic("admin", "correct horse "), false},
		{basic("admin", ""), false},
		{basic("root", "correct horse"), false},
		{basic("", "correct horse"), false},
		{nil, false},
		{http.Header{"Authorization": {"Bearer correct horse"}}, false},
		{http.Header{"Authorization": {"Basic !"}}, false},
	} {
		o := newOffice(t, s, "correct horse")
		for _, path := range []string{"/api/events", "/api/rejections", "/debug/pprof/cmdline", "/", "/nowhere"} {
			if got := send(t, "GET", o.url+path, c.header, nil); (got.status != 401) != c.in || (got.header.Get("WWW-Authenticate") == "") != c.in {
				t.Errorf("%s with %v: answered %d", path, c.header, got.status)
			}
		}
	}
}

// TestWrongAdminPasswords: an address may guess a few times a minute, each guess is logged, and others are not locked out.
func TestWrongAdminPasswords(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := NewAdmin(AdminConfig{Password: "correct horse", Rejections: &Rejections{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ask := func(address, password string) int {
		r := httptest.NewRequest("GET", "/api/rejections", nil)
		r.RemoteAddr = address
		if password != "" {
			r.SetBasicAuth("admin", password)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for i := range guessesPerMinute + 5 { // a request without a password is not a guess
		if got := ask("192.0.2.1:1000", ""); got != 401 {
			t.Errorf("request %d without a password: %d", i, got)
		}
	}
	for i := range guessesPerMinute {
		if got := ask("192.0.2.1:1000", "canary"); got != 401 {
			t.Errorf("guess %d: %d", i, got)
		}
	}
	got := []int{ask("192.0.2.1:1001", "canary"), ask("192.0.2.1:1002", "correct horse"), ask("192.0.2.2:1000", "correct horse"), ask("192.0.2.2:1000", "canary")}
	if diff := cmp.Diff([]int{429, 429, 200, 401}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := strings.Count(log.String(), "wrong admin password"); n != guessesPerMinute+1 || strings.Contains(log.String(), "canary") {
		t.Errorf("%d lines, want %d without the password:\n%s", n, guessesPerMinute+1, log.String())
	}
}

// TestAdminHost: without a password, no website may reach it through a domain that points at this machine.
func TestAdminHost(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	for host, allowed := range map[string]bool{
		"localhost": true, "localhost:8081": true, "LOCALHOST": true, "localhost.": true, "LocalHost.:81": true, "127.0.0.1:8081": true, "127.8.9.1": true,
		"[::1]:8081": true, "[::1]": true,
		"evil.example": false, "evil.example:8081": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "10.0.0.1:8081": false, "0.0.0.0": false,
	} {
		for _, path := range []string{"/api/rejections", "/debug/pprof/cmdline", "/nowhere"} {
			if got := send(t, "GET", o.url+path, http.Header{"Host": {host}}, nil); (got.status != 403) != allowed {
				t.Errorf("%s at host %s: answered %d", path, host, got.status)
			}
		}
	}
}

// TestCrossSiteRequests: requests that a page of another site makes through a visitor's browser are refused, whatever the method.
func TestCrossSiteRequests(t *testing.T) {
	t.Parallel()
	s := openStore(t, sqliteURL(t))
	for _, password := range []string{"", "correct horse"} {
		o := newOffice(t, s, password)
		for _, c := range []struct {
			header, value string
			allowed       bool
		}{
			{"Sec-Fetch-Site", "cross-site", false},
			{"Sec-Fetch-Site", "same-site", false},
			{"Origin", "https://evil.example", false},
			{"Origin", "null", false},
			{"Sec-Fetch-Site", "same-origin", true},
			{"Sec-Fetch-Site", "none", true},
			{"Origin", o.url, true},
			{"X-Nothing", "", true}, // not a browser
		} {
			h := basic("admin", password)
			h.Set(c.header, c.value)
			for path, method := range map[string]string{
				"/api/replay?status=failed": "POST", "/api/events": "GET", "/debug/pprof/cmdline": "GET", "/debug/pprof/": "POST", "/nowhere": "GET",
			} {
				got := send(t, method, o.url+path, h, nil)
				if (got.status != 403) != c.allowed {
					t.Errorf("%s %s with %s %s: answered %d", method, path, c.header, c.value, got.status)
				}
				for header, want := range map[string]string{
					"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
				} {
					if got.header.Get(header) != want {
						t.Errorf("%s %s: %s is %q", method, path, header, got.header.Get(header))
					}
				}
			}
		}
	}
}
