package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
)

// TestHealthcheck: it reports what /readyz answers, with and without TLS, and fails if nothing answers. TestStartWithNothingConfigured asks a real server.
func TestHealthcheck(t *testing.T) {
	isolate(t)
	status := http.StatusOK
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("it asks %s", r.URL.Path)
		}
		w.WriteHeader(status)
	})
	server := httptest.NewServer(handler)
	addr := server.Listener.Addr().String()
	t.Setenv("ADDR", addr)
	if got := succeed(t, "healthcheck"); got != "ready\n" {
		t.Errorf("ready: %q", got)
	}
	fails := func(want string) {
		t.Helper()
		r := execute(t, "healthcheck")
		if got := problems(t, r.stderr); r.code != exitError || len(got) != 1 || got[0] != want {
			t.Errorf("%+v, want exit code 1 and %q", r, want)
		}
	}
	status = http.StatusServiceUnavailable
	fails("http://" + addr + "/readyz answers 503 Service Unavailable")
	server.Close()
	fails(`ask the server: Get "http://` + addr + `/readyz": dial tcp ` + addr + `: connect: connection refused`)

	// With TLS, the certificate is for another name and nobody has signed it.
	status = http.StatusOK
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()
	certFile, keyFile := testservers.Certificate(t, t.TempDir(), 1, time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour))
	t.Setenv("TLS_CERT_FILE", certFile)
	t.Setenv("TLS_KEY_FILE", keyFile)
	t.Setenv("ADDR", secure.Listener.Addr().String())
	if got := succeed(t, "healthcheck"); got != "ready\n" {
		t.Errorf("ready, with TLS: %q", got)
	}
}
