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
)

// webhookAPI plays a provider's API below one path. Package subscriptions tests what is sent to it.
type webhookAPI struct {
	*httptest.Server
	mu       sync.Mutex
	path     string
	further  map[string]any
	webhooks []map[string]any
	calls    []string
	events   []string // that were delivered
	onCreate func()
}

// newWebhookAPI starts it in an empty folder, with no other configuration. Further are the members that the provider adds
// to a new webhook; in texts %d is its number. One that has the member isActive stays in the list when it is deleted.
func newWebhookAPI(t *testing.T, path string, further map[string]any) *webhookAPI {
	t.Helper()
	isolate(t)
	t.Setenv("PUBLIC_URL", "https://app.example")
	t.Setenv("SUBSCRIPTION_CHECK_INTERVAL", "0")
	d := &webhookAPI{path: path, further: further, onCreate: func() {}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *webhookAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, r.Method+" "+r.URL.Path)
	rest, found := strings.CutPrefix(r.URL.Path, d.path)
	if !found {
		http.NotFound(w, r)
		return
	}
	body := map[string]any{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	id, what, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	i := slices.IndexFunc(d.webhooks, func(w map[string]any) bool { return w["id"] == id })
	_ = json.NewEncoder(w).Encode(d.answer(strings.TrimSpace(r.Method+" "+what), i, body))
}

// answer does what a call asks for, mostly with the webhook at i.
func (d *webhookAPI) answer(call string, i int, body map[string]any) any {
	switch {
	case call == "GET":
		list := []map[string]any{}
		for _, w := range d.webhooks {
			shown := maps.Clone(w)
			delete(shown, "secret")
			list = append(list, shown)
		}
		return list
	case call == "POST":
		n := len(d.webhooks) + 1
		body["id"], body["created"] = fmt.Sprint("webhook_", n), fmt.Sprintf("2026-01-02T03:04:%02dZ", n)
		for name, value := range d.further {
			if text, isText := value.(string); isText {
				value = strings.ReplaceAll(text, "%d", fmt.Sprint(n))
			}
			body[name] = value
		}
		d.webhooks = append(d.webhooks, body)
		d.onCreate()
		return body
	case call == "PATCH":
		maps.Copy(d.webhooks[i], body)
		return d.webhooks[i]
	case call == "DELETE" && d.webhooks[i]["isActive"] != nil:
		d.webhooks[i]["isActive"] = false
	case call == "DELETE":
		d.webhooks = slices.Delete(d.webhooks, i, i+1)
	case call == "GET deliveries":
		list := []any{map[string]any{"id": "delivery_0"}}
		for i, e := range d.events {
			list = append(list, map[string]any{"id": fmt.Sprint("delivery_", i+1), "event_id": e, "status": "failed"})
		}
		return list
	}
	return true
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
	fails(t, run(t, "subscriptions", "list"), true, "no provider has API credentials")
	fails(t, run(t, "subscriptions", "list", "unknown"), true, `no API for webhooks of "unknown"`)
	fails(t, run(t, "subscriptions", "create", subscriptions.Names()[0]), true, "no credentials for the API of ")
}
