package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestHealthcheck: it passes on what /readyz answers, and fails if nothing answers. TestStartWithNothingConfigured asks a real server.
func TestHealthcheck(t *testing.T) {
	isolate(t)
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("it asks %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
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
}
