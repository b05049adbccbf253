package handlers

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"
)

// TestProfiles: the admin handler serves profiles. TestAdminPassword and TestAdminHost check who may read them.
func TestProfiles(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	for _, name := range []string{"", "cmdline", "symbol", "heap?debug=1", "goroutine?debug=2", "profile?seconds=1", "trace?seconds=1"} {
		if got := send(t, "GET", o.url+"/debug/pprof/"+name, nil, nil); got.status != 200 || got.body == "" {
			t.Errorf("%s: answered %d %.80s", name, got.status, got.body)
		}
	}
	if got := send(t, "GET", o.url+"/debug/pprof/nothing", nil, nil); got.status != 404 {
		t.Errorf("an unknown profile: answered %d", got.status)
	}
}

// TestLongProfile: a profile may take longer than the server's deadlines.
func TestLongProfile(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(NewAdmin(AdminConfig{Log: slog.New(slog.DiscardHandler)}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Second, 1900*time.Millisecond
	server.Start()
	defer server.Close()
	start := time.Now()
	got := send(t, "GET", server.URL+"/debug/pprof/goroutine?seconds=2", nil, nil) // unlike CPU profiles, several may run at once
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
