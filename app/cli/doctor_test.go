package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/testservers"
)

// diagnose runs doctor and returns the checks of some names, and the exit code.
func diagnose(t *testing.T, names string, args ...string) (found []string, code int) {
	t.Helper()
	r := execute(t, append([]string{"doctor", "--json", "--ngrok-api", "http://" + testservers.FreeAddress(t)}, args...)...)
	for line := range strings.Lines(r.stdout) {
		var c app.Check
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(" "+names+" ", " "+c.Name+" ") {
			found = append(found, string(c.Result)+" "+c.Says)
		}
	}
	return found, r.code
}

// machine are the things in doctor's answers that differ from one to the next.
var machine = []struct {
	found *regexp.Regexp
	put   string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:8080"},
	{regexp.MustCompile(`[\d.]+ GiB`), "70.1 GiB"},
	{regexp.MustCompile(`/\S+/db`), "data/webhooks.db"},
	{regexp.MustCompile(` /\S+`), " data"},
}

func TestDoctorTable(t *testing.T) {
	server(t)
	t.Setenv("PUBLIC_URL", "http://example.com")
	fill(t)
	out := succeed(t, "doctor", "--ngrok-api", "http://"+testservers.FreeAddress(t))
	for _, m := range machine {
		out = m.found.ReplaceAllString(out, m.put)
	}
	golden(t, "doctor", out)
}

func TestDoctorServer(t *testing.T) {
	isolate(t)
	addr, adminAddr := testservers.FreeAddress(t), testservers.FreeAddress(t)
	t.Setenv("ADDR", addr)
	t.Setenv("ADMIN_ADDR", adminAddr)
	want := func(code int, lines ...string) {
		t.Helper()
		got, exit := diagnose(t, "ADDR ADMIN_ADDR inbox")
		if diff := cmp.Diff(lines, got); diff != "" || exit != code {
			t.Errorf("exit code %d, want %d (-want +got):\n%s", exit, code, diff)
		}
	}
	want(exitOK, "ok "+addr+" is free: no server runs yet", "ok "+adminAddr+" is free: no server runs yet")
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	taken := page.Listener.Addr().String()
	t.Setenv("ADDR", taken)
	t.Setenv("ADMIN_ADDR", taken)
	want(exitError, "problem no server of ours answers, and none can listen: listen tcp "+taken+": bind: address already in use",
		"problem something else answers on "+taken)
	s := api(t, "canary", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			w.Write([]byte(`{"status":"ok"}`)) //nolint:errcheck // the test finds out
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	ours := s.Listener.Addr().String()
	t.Setenv("ADDR", ours)
	want(exitError, "ok a server of ours answers on "+ours, "problem what answers on "+ours+" wants another password")
	api(t, "", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"events":{"received":1,"processed":4},"oldest_waiting_seconds":75.2}`)) //nolint:errcheck // likewise
	})
	want(exitOK, "ok a server of ours answers on "+ours, "ok the admin API answers on "+os.Getenv("ADMIN_ADDR"),
		"warning the oldest event that is not processed came 1m15s ago")
}

func TestDoctorWayIn(t *testing.T) {
	isolate(t)
	addr := testservers.FreeAddress(t)
	t.Setenv("ADDR", addr)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	here := ngrokAPI(t, [2]string{"https://ours.ngrok.app", "http://localhost:" + port}).URL
	there := ngrokAPI(t, [2]string{"https://ours.ngrok.app", "http://localhost:1"}).URL
	for _, c := range []struct {
		public, api string
		code        int
		want        []string
	}{
		{"", here, exitOK, []string{"ok https://ours.ngrok.app leads to port " + port}},
		{"", there, exitOK, []string{"warning the ngrok agent that runs forwards to http://localhost:1; it is to forward to port " + port +
			" of ADDR: end it, or add a tunnel"}},
		{"https://ours.ngrok.app", here, exitOK, []string{"ok https://ours.ngrok.app leads to port " + port, "ok it is an https URL"}},
		{"https://kyc.example.com/in", here, exitOK, []string{"ok https://ours.ngrok.app leads to port " + port, "ok it is an https URL"}},
		{"https://old.ngrok.app", here, exitOK, []string{"ok https://ours.ngrok.app leads to port " + port,
			"warning the ngrok tunnel is https://ours.ngrok.app"}},
		{"kyc.example.com", here, exitError, []string{"ok https://ours.ngrok.app leads to port " + port, "problem it is no URL"}},
	} {
		t.Setenv("PUBLIC_URL", c.public)
		got, code := diagnose(t, "ngrok PUBLIC_URL", "--ngrok-api", c.api)
		if diff := cmp.Diff(c.want, got); diff != "" || code != c.code {
			t.Errorf("%s: exit code %d, want %d (-want +got):\n%s", c.public, code, c.code, diff)
		}
	}
}

// TestDoctorConfiguration: wrong variables are problems among others, not a reason to check nothing.
func TestDoctorConfiguration(t *testing.T) {
	isolate(t)
	t.Setenv("ADDR", "8080")
	t.Setenv("LOG_LEVEL", "loud")
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t))
	got, code := diagnose(t, "configuration ADDR database")
	want := []string{
		`problem LOG_LEVEL is "loud": want debug, info, warn, error`, `problem ADDR is "8080": want host:port or :port`,
		"ok data/webhooks.db is made at the first start",
	}
	if diff := cmp.Diff(want, got); diff != "" || code != exitError {
		t.Errorf("exit code %d (-want +got):\n%s", code, diff)
	}
}
