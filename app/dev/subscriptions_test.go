package dev

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/app/testservers"
)

// webhookAPI plays a provider's API below one path. Package subscriptions tests what is sent to it.
type webhookAPI struct {
	*httptest.Server
	mu       sync.Mutex
	webhooks []map[string]any
	calls    []string
	events   []string // that were delivered
	onCreate func()
}

// newWebhookAPI starts it in an empty folder, with no other configuration. Further are the members that the provider adds to a new
// webhook; in texts %d is its number. One that has the member isActive stays in the list when it is deleted.
func newWebhookAPI(t *testing.T, path string, further map[string]any) *webhookAPI {
	t.Helper()
	isolate(t)
	t.Setenv("ADMIN_ADDR", testservers.FreeAddress(t)) // no server runs yet
	t.Setenv("PUBLIC_URL", "https://app.example")
	t.Setenv("SUBSCRIPTION_CHECK_INTERVAL", "0")
	d := &webhookAPI{onCreate: func() {}}
	mux := http.NewServeMux()
	on := func(pattern string, status int, answer func(r *http.Request, body map[string]any) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			d.mu.Lock()
			defer d.mu.Unlock()
			body := map[string]any{}
			if r.ContentLength > 0 {
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					panic(err)
				}
			}
			d.calls = append(d.calls, r.Method+" "+r.URL.Path)
			value := answer(r, body)
			if value == nil {
				status = http.StatusNotFound
			}
			w.WriteHeader(status)
			if err := json.NewEncoder(w).Encode(value); err != nil {
				panic(err)
			}
		})
	}
	find := func(r *http.Request) int {
		return slices.IndexFunc(d.webhooks, func(w map[string]any) bool { return w["id"] == r.PathValue("id") })
	}
	on("GET "+path, 200, func(*http.Request, map[string]any) any {
		list := []map[string]any{}
		for _, w := range d.webhooks {
			shown := maps.Clone(w)
			delete(shown, "secret")
			list = append(list, shown)
		}
		return list
	})
	on("POST "+path, 201, func(_ *http.Request, body map[string]any) any {
		n := len(d.webhooks) + 1
		body["id"], body["created"] = fmt.Sprint("webhook_", n), fmt.Sprintf("2026-01-02T03:04:%02dZ", n)
		for name, value := range further {
			if text, isText := value.(string); isText {
				value = strings.ReplaceAll(text, "%d", fmt.Sprint(n))
			}
			body[name] = value
		}
		d.webhooks = append(d.webhooks, body)
		d.onCreate()
		return body
	})
	on("PATCH "+path+"/{id}", 200, func(r *http.Request, body map[string]any) any {
		maps.Copy(d.webhooks[find(r)], body)
		return d.webhooks[find(r)]
	})
	on("DELETE "+path+"/{id}", 200, func(r *http.Request, _ map[string]any) any {
		i := find(r)
		if d.webhooks[i]["isActive"] != nil {
			d.webhooks[i]["isActive"] = false
		} else {
			d.webhooks = slices.Delete(d.webhooks, i, i+1)
		}
		return true
	})
	on("POST "+path+"/{id}/test", 200, func(*http.Request, map[string]any) any { return true })
	on("GET "+path+"/{id}/deliveries", 200, func(*http.Request, map[string]any) any {
		list := []any{map[string]any{"id": "delivery_0"}}
		for i, e := range d.events {
			list = append(list, map[string]any{"id": fmt.Sprint("delivery_", i+1), "event_id": e, "status": "failed"})
		}
		return list
	})
	on("GET "+path+"/{id}/deliveries/{delivery}/attempts", 200, func(*http.Request, map[string]any) any {
		return []any{map[string]any{"status": 503}}
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// holds checks that a text contains others.
func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

func TestSubscriptionsUsage(t *testing.T) {
	isolate(t)
	holds(t, succeed(t, "subscriptions"), subscriptions.Names()...)
	fails(t, run(t, "subscriptions", "lst"), true, "lst")
	fails(t, run(t, "subscriptions", "list"), true, "no provider has API credentials")
	fails(t, run(t, "subscriptions", "list", "unknown"), true, `no API for webhooks of "unknown"`)
	for _, name := range subscriptions.Names() {
		fails(t, run(t, "subscriptions", "create", name), true, "no credentials for the API of "+name+": set ")
	}
}
