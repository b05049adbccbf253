package handlers

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var profiles = []string{"", "cmdline", "symbol", "heap?debug=1", "goroutine?debug=2", "profile?seconds=1", "trace?seconds=1"}

// TestProfiles: the admin handler has them, behind the same rules as all it has, and the public one has none.
func TestProfiles(t *testing.T) {
	t.Parallel()
	s := openStore(t, sqliteURL(t))
	open, closed, public := newOffice(t, s, ""), newOffice(t, s, "correct horse"), newReception(t, s, allProviders(t))
	password := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("admin:correct horse"))}}
	for _, name := range profiles {
		path := "/debug/pprof/" + name
		for _, c := range []struct {
			whose, url string
			header     http.Header
			status     int
		}{
			{"the open admin", open.url, nil, 200},
			{"the open admin by another name", open.url, http.Header{"Host": {"evil.example"}}, 403},
			{"the closed admin", closed.url, nil, 401},
			{"the closed admin with the password", closed.url, password, 200},
			{"the public side", public.url, nil, 404},
		} {
			if got := send(t, "GET", c.url+path, c.header, nil); got.status != c.status || got.body == "" {
				t.Errorf("%s of %s: answered %d %.80s, want %d", path, c.whose, got.status, got.body, c.status)
			}
		}
	}
	got := send(t, "GET", open.url+"/debug/pprof/", nil, nil)
	if !strings.Contains(got.body, "goroutine?debug=1") {
		t.Errorf("the list is %s", got.body)
	}
	if got := send(t, "GET", open.url+"/debug/pprof/nothing", nil, nil); got.status != 404 {
		t.Errorf("an unknown profile: answered %d", got.status)
	}
}

// TestLongProfile: a profile may take longer than the server's deadlines.
func TestLongProfile(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(NewAdmin(nil, &Rejections{}, nil, nil, func() {}, "", slog.New(slog.DiscardHandler)))
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Second, 1900*time.Millisecond
	server.Start()
	defer server.Close()
	start := time.Now()
	got := send(t, "GET", server.URL+"/debug/pprof/goroutine?seconds=2", nil, nil) // unlike that of the CPU, several may run
	if took := time.Since(start); got.status != 200 || took < 2*time.Second {
		t.Fatalf("answered %d %.80q after %v, want 200 after 2 s", got.status, got.body, took)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader([]byte(got.body)))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, unzipped); n == 0 || err != nil {
		t.Errorf("a profile of %d bytes, %v", n, err)
	}
}
