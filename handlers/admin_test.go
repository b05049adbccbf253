package handlers

import (
	"encoding/base64"
	"net/http"
	"testing"

	"example.com/identity-webhooks/models"
)

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
	for _, path := range []string{"/api/events", "/api/events/1", "/api/customers", "/api/customers/1", "/api/cases", "/api/companies", "/api/stats"} {
		send(t, "GET", o.url+path, nil, nil).want(t, 503, `{"error":"the database does not answer; see the log"}`)
	}
	send(t, "GET", o.url+"/api/rejections", nil, nil).want(t, 200, `{"rejections":[]}`)
}

func TestAdminPassword(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "correct horse")
	for _, path := range []string{"/api/events", "/api/stats", "/api/rejections", "/", "/nowhere"} {
		for _, c := range []struct {
			user, password string
			in             bool
		}{
			{"admin", "correct horse", true},
			{"admin", "correct hors", false},
			{"admin", "correct horse ", false},
			{"admin", "", false},
			{"root", "correct horse", false},
			{"Admin", "correct horse", false},
			{"", "correct horse", false},
		} {
			h := http.Header{"Host": {"admin.example"}, "Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+c.password))}}
			if got := send(t, "GET", o.url+path, h, nil); (got.status != 401) != c.in || (got.header.Get("WWW-Authenticate") == "") != c.in {
				t.Errorf("%s as %q: answered %d", path, c.user+":"+c.password, got.status)
			}
		}
		for _, h := range []http.Header{nil, {"Authorization": {"Bearer correct horse"}}, {"Authorization": {"Basic !"}}} {
			if got := send(t, "GET", o.url+path, h, nil); got.status != 401 {
				t.Errorf("%s with %v: answered %d", path, h, got.status)
			}
		}
	}
}

// TestAdminHost: without a password no web page may reach it by pointing a name of its own at this machine.
func TestAdminHost(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8081": 200, "127.0.0.1:8081": 200, "127.8.9.1": 200, "[::1]:8081": 200, "[::1]": 200,
		"evil.example": 403, "evil.example:8081": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "10.0.0.1:8081": 403, "0.0.0.0": 403,
	} {
		for _, path := range []string{"/api/rejections", "/nowhere"} {
			got := send(t, "GET", o.url+path, http.Header{"Host": {host}}, nil)
			if (got.status == 403) != (want == 403) {
				t.Errorf("%s at host %s: answered %d", path, host, got.status)
			}
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "secret"} {
		o := newOffice(t, openStore(t, sqliteURL(t)), password)
		o.add(models.Event{Provider: "trst", ExternalID: "failed", Status: models.Failed})
		for _, c := range []struct {
			method, header, value string
			status                int
		}{
			{"POST", "Sec-Fetch-Site", "cross-site", 403},
			{"POST", "Sec-Fetch-Site", "same-site", 403},
			{"POST", "Origin", "https://evil.example", 403},
			{"POST", "Origin", "null", 403},
			{"GET", "Sec-Fetch-Site", "cross-site", 405},
			{"POST", "Sec-Fetch-Site", "same-origin", 202},
			{"POST", "X-Nothing", "", 202}, // not a browser
		} {
			h := http.Header{c.header: {c.value}, "Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+password))}}
			if got := send(t, c.method, o.url+"/api/replay?status=failed", h, nil); got.status != c.status {
				t.Errorf("%s with %s %s: answered %d, want %d", c.method, c.header, c.value, got.status, c.status)
			}
		}
	}
}
