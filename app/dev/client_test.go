package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app"
)

// TestAdminErrors: an error says what to do, and callers can tell the kinds apart.
func TestAdminErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer               http.HandlerFunc
		want                 string
		away, missing, usage bool
	}{
		"password":      {says(401, `{"error":"x"}`), "set ADMIN_PASSWORD", false, false, false},
		"other program": {says(404, "<html>"), "is ADMIN_ADDR the address", false, false, false},
		"no row":        {says(404, `{"error":"not found"}`), "404 Not Found: not found", false, true, false},
		"bad call":      {says(400, `{"error":"limit\u001b"}`), "limit ", false, false, true},
		"starting":      {says(503, `{"error":"wait"}`), "503 Service Unavailable: wait", true, false, false},
	} {
		_, err := get[struct{}](t.Context(), admin{base: newFake(t, c.answer).url}, "/api/x")
		_, usage := errors.AsType[app.UsageError](err)
		if err == nil || !strings.Contains(err.Error(), c.want) || isAway(err) != c.away || isMissing(err) != c.missing || usage != c.usage {
			t.Errorf("%s: %v, away %t, missing %t, usage error %t", name, err, isAway(err), isMissing(err), usage)
		}
	}
}

// TestAdminPassword: the password goes to the server, and to no other that it redirects to.
func TestAdminPassword(t *testing.T) {
	t.Parallel()
	other := newFake(t, says(200, "{}"))
	server := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.url, http.StatusTemporaryRedirect)
	})
	if _, err := get[struct{}](t.Context(), admin{server.url, "canary"}, "/api/x"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
	_, r, _ := server.received()
	_, sent, _ := r.BasicAuth()
	if n, _, _ := other.received(); sent != "canary" || n > 0 {
		t.Errorf("sent the password %q, %d requests to the other server", sent, n)
	}
}

// TestNewest: all pages of a list are read, and no more than are needed.
func TestNewest(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		first := map[string]int{"": 5, "c": 3, "d": 1}[r.URL.Query().Get("cursor")]
		next := map[int]string{5: "c", 3: "d"}[first]
		rows := []int{first, first - 1}[:min(first, 2)]
		_ = json.NewEncoder(w).Encode(map[string]any{"things": rows, "next_cursor": next})
	})
	for n, want := range map[int][]int{1: {5}, 2: {4, 5}, 3: {3, 4, 5}, 500: {1, 2, 3, 4, 5}, 1000: {1, 2, 3, 4, 5}} {
		got, err := newest[int](t.Context(), admin{base: f.url}, "things", url.Values{"x": {"y"}}, n)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("newest %d: %v, %v, want %v", n, got, err, want)
		}
		if _, r, _ := f.received(); r.URL.Query().Get("x") != "y" || r.URL.Query().Get("limit") != fmt.Sprint(min(n, 500)) {
			t.Errorf("newest %d: asked %s", n, r.URL)
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{":8080": "localhost:8080", "[::]:1": "localhost:1", "kyc.example:1": "kyc.example:1"} {
		if got := reachable(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
