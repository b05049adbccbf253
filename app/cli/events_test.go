package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// fill sends what the tests of the looking commands look at: six events, of which one is quarantined and one unreadable.
func fill(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"trustgate/applicant.submitted", "trustgate/v1/case.created", "trst/enrollment.completed", "trustgate/applicant.reviewed",
		"trst/variants/webhook.test.conflicting",
	} {
		succeed(t, "trigger", name, "--repeat")
	}
	if err := os.WriteFile("unreadable", []byte("canary\x1b[31m"), 0o600); err != nil {
		t.Fatal(err)
	}
	execute(t, "trigger", "trst", "--file", "unreadable")
}

func TestEventsTable(t *testing.T) {
	server(t)
	golden(t, "events-none", succeed(t, "events"))
	fill(t)
	golden(t, "events", succeed(t, "events"))
	golden(t, "events-filtered", succeed(t, "events", "--provider", "trustgate", "--outcome", "applied", "--limit", "2"))
	golden(t, "events-one", succeed(t, "events", "4"))
	golden(t, "events-unreadable", succeed(t, "events", "6"))
}

func TestEventsFilters(t *testing.T) {
	server(t)
	fill(t)
	for _, c := range []struct{ flag, value, want string }{
		{"provider", "trst", "[3 5 6]"},
		{"type", "applicant.reviewed", "[4]"},
		{"status", "failed", "[6]"},
		{"outcome", "applied", "[1 2 3 4]"},
		{"customer", "1", "[1 4]"},
		{"external-id", "3d474e02-6012-4b5d-ab69-9bb5c1f688c5", "[4]"},
		{"limit", "2", "[5 6]"},
	} {
		var ids []int64
		for line := range strings.Lines(succeed(t, "events", "--json", "--"+c.flag, c.value)) {
			var e models.Event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.ID)
		}
		if got := fmt.Sprint(ids); got != c.want {
			t.Errorf("--%s %s: got %s, want %s", c.flag, c.value, got, c.want)
		}
	}
}

// TestEventsJSON: one event comes as the admin API gives it.
func TestEventsJSON(t *testing.T) {
	admin := server(t)
	fill(t)
	want, err := admin.call(t.Context(), "GET", "/api/events/4")
	if err != nil {
		t.Fatal(err)
	}
	if got := succeed(t, "events", "4", "--json"); got != string(bytes.TrimSpace(want))+"\n" {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEventsFollow(t *testing.T) {
	server(t)
	succeed(t, "trigger", "trst/enrollment.completed")
	l := launch(t, "events", "-f", "--json", "--type", "enrollment.completed")
	l.waitFor(`{"id":1,`)
	succeed(t, "trigger", "trst/webhook.test")
	succeed(t, "trigger", "trst/enrollment.completed", "--count", "2")
	l.waitFor(`{"id":4,`)
	r := l.end()
	if r.code != exitOK || r.stderr != "" {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	if n := strings.Count(r.stdout, "\n"); n != 3 || !strings.Contains(r.stdout, `{"id":3,`) {
		t.Errorf("want events 1, 3 and 4, once each:\n%s", r.stdout)
	}
}

// TestEventsPages: more than the admin API gives at once.
func TestEventsPages(t *testing.T) {
	isolate(t)
	const stored = 1203
	api(t, "", func(w http.ResponseWriter, r *http.Request) {
		var limit, before int
		fmt.Sscan(r.FormValue("limit"), &limit) //nolint:errcheck // 0 will not do
		if _, err := fmt.Sscan(r.FormValue("cursor"), &before); err != nil {
			before = stored + 1
		}
		page := struct {
			Events []models.Event `json:"events"`
			Next   string         `json:"next_cursor"`
		}{}
		for id := before - 1; id > 0 && len(page.Events) < limit; id-- {
			page.Events = append(page.Events, models.Event{ID: int64(id)})
			page.Next = fmt.Sprint(id)
		}
		if len(page.Events) < limit || limit > mostPerPage {
			page.Next = ""
		}
		if err := json.NewEncoder(w).Encode(page); err != nil {
			t.Error(err)
		}
	})
	for limit, want := range map[string]int{"1": 1, "500": 500, "501": 501, "1203": stored, "5000": stored} {
		out := succeed(t, "events", "--json", "--limit", limit)
		first := fmt.Sprintf(`{"id":%d,`, stored-want+1)
		if n := strings.Count(out, "\n"); n != want || !strings.HasPrefix(out, first) {
			t.Errorf("--limit %s: %d events, want %d from %s", limit, n, want, first)
		}
	}
}

// api lets the environment name an admin API that answers with f.
func api(t *testing.T, password string, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	t.Setenv("ADMIN_ADDR", s.Listener.Addr().String())
	t.Setenv("ADMIN_PASSWORD", password)
	return s
}

func TestEventsProblems(t *testing.T) {
	server(t)
	failsWith(t, "there is no event 99", "events", "99")
	failsWith(t, `"x" is no id: want a number, as events lists them`, "events", "x")
	failsWith(t, "with the id of one event, the only flag is --json", "events", "1", "--status", "failed")
	failsWith(t, "--limit is 0: want 1 or more", "events", "--limit", "0")
	failsWith(t, "--customer is 0: want the id of a customer", "events", "--customer", "0")
	failsWith(t, "--type is empty", "events", "--type", "")
	want := []string{
		`--provider is "acme": want legaltalent, trst, trustgate, trustist`,
		`--status is "done": want received, queued, processed, failed, quarantined`,
		`--outcome is "ok": want applied, stale, ignored, duplicate, sandbox`,
	}
	r := execute(t, "events", "--provider", "acme", "--status", "done", "--outcome", "ok")
	if got := problems(t, r.stderr); r.code != exitUsage || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("exit code %d, %q, want %q", r.code, got, want)
	}
}

func TestAdminAPIProblems(t *testing.T) {
	isolate(t)
	addr := testservers.FreeAddress(t)
	t.Setenv("ADMIN_ADDR", addr)
	failsWith(t, "ask the admin API: dial tcp "+addr+": connect: connection refused (is the server running? start it with: go run .)", "events")
	s := api(t, "canary", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	failsWith(t, "ask the admin API: "+s.URL+"/api/events/1 answers 401 Unauthorized: set ADMIN_PASSWORD to that of the server", "events", "1")
	s = api(t, "", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	failsWith(t, "ask the admin API: "+s.URL+"/api/events/1 answers 502 Bad Gateway; is ADMIN_ADDR that of the server?", "events", "1")
	api(t, "", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"no such thing"}`, http.StatusBadRequest)
	})
	if r := execute(t, "events"); r.code != exitUsage || r.stderr != "error: no such thing\n" {
		t.Errorf("a refused query: exit code %d, %q", r.code, r.stderr)
	}
}
