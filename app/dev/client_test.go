package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// What went wrong with a call of the admin API, and what to do.
func TestAdminErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer                http.HandlerFunc
		want                  string
		away, missing, misuse bool
	}{
		"password":      {says(401, `{"error":"x"}`), "answers 401 Unauthorized: set ADMIN_PASSWORD to the server's", false, false, false},
		"other program": {says(404, "<html>"), "answers 404 Not Found; is ADMIN_ADDR the address of the server's admin API?", false, false, false},
		"no row":        {says(404, `{"error":"not found"}`), "answers 404 Not Found: not found", false, true, false},
		"bad call":      {says(400, `{"error":"limit\u001b"}`), "answers 400 Bad Request: limit ", false, false, true},
		"starting":      {says(503, `{"error":"wait"}`), "answers 503 Service Unavailable: wait", true, false, false},
		"redirect":      {http.RedirectHandler("http://other.example/", http.StatusFound).ServeHTTP, "answers 302 Found", false, false, false},
	} {
		_, err := get[struct{}](t.Context(), admin{base: newFake(t, c.answer).url}, "/api/x")
		_, misuse := errors.AsType[UsageError](asUsage(err))
		if err == nil || !strings.Contains(err.Error(), c.want) || isAway(err) != c.away || isMissing(err) != c.missing || misuse != c.misuse {
			t.Errorf("%s: %v, away %t, missing %t, usage error %t", name, err, isAway(err), isMissing(err), misuse)
		}
	}
	addr := testservers.FreeAddress(t)
	_, err := get[struct{}](t.Context(), admin{base: "http://" + addr}, "/api/x")
	if want := "is the server running? Start it with: go run ."; !isAway(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("no server: %v, want %q", err, want)
	}
}

// The password goes to the server, and to no other that it redirects to.
func TestAdminPassword(t *testing.T) {
	t.Parallel()
	other := newFake(t, says(200, "{}"))
	var sent string
	server := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_, sent, _ = r.BasicAuth()
		http.Redirect(w, r, other.url, http.StatusTemporaryRedirect)
	})
	if _, err := get[struct{}](t.Context(), admin{server.url, "canary"}, "/api/x"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
	if n, _, _ := other.received(); sent != "canary" || n > 0 {
		t.Errorf("sent the password %q, %d requests to the other server", sent, n)
	}
}

// All pages of a list are read, and no more than are needed.
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

func TestAwait(t *testing.T) {
	t.Parallel()
	states := []models.EventStatus{models.Received, models.Queued, models.Processed}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(models.Event{ID: 7, Status: states[0]})
		states = states[min(1, len(states)-1):]
	})
	if e, err := (admin{base: f.url}).await(t.Context(), 7); err != nil || e.Status != models.Processed {
		t.Errorf("got %s, %v, want it processed", e.Status, err)
	}
	states = []models.EventStatus{models.Queued}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (admin{base: f.url}).await(ctx, 7); err == nil {
		t.Error("no error after the context has ended")
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080": "localhost:8080", "0.0.0.0:1": "localhost:1", "[::]:1": "localhost:1", "127.0.0.1:1": "127.0.0.1:1", "kyc.example:1": "kyc.example:1",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
