package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// providersDouble plays the APIs of all providers, as their pages describe them. Package subscriptions tests what is sent.
type providersDouble struct {
	mu       sync.Mutex
	webhooks map[string][]map[string]any // by provider, in the order of their creation
	calls    []string
	asked    []map[string]any // the bodies
	events   []string         // that TRST has delivered
	onCreate func()
}

// newProvidersDouble starts it, and lets the environment name it. The variables of secrets are taken out of the environment,
// so that .env has its say.
func newProvidersDouble(t *testing.T) *providersDouble {
	t.Helper()
	isolate(t)
	for _, name := range []string{"TRUSTIST", "TRUSTGATE", "TRST", "LEGALTALENT"} {
		for _, variable := range []string{name + "_WEBHOOK_SECRET", name + "_WEBHOOK_SECRET_FILE"} {
			if err := os.Unsetenv(variable); err != nil { // isolate restores it
				t.Fatal(err)
			}
		}
	}
	d := &providersDouble{webhooks: map[string][]map[string]any{}, onCreate: func() {}}
	s := httptest.NewServer(d.mux())
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"TRUSTIST_API_URL": s.URL, "TRUSTIST_API_KEY_ID": "id", "TRUSTIST_API_KEY": "sk_key",
		"TRUSTGATE_API_URL": s.URL, "TRUSTGATE_API_KEY": "sk_key",
		"TRST_API_URL": s.URL + "/trst/v1", "TRST_API_KEY_ID": "id", "TRST_API_KEY": "sk_key", "TRST_PROJECT_ID": "p",
		"LEGALTALENT_API_URL": s.URL, "LEGALTALENT_API_KEY": "sk_key",
		"PUBLIC_URL": "https://app.example", "SUBSCRIPTION_CHECK_INTERVAL": "0",
	} {
		t.Setenv(name, value)
	}
	return d
}

func (d *providersDouble) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/onboard/webhooks", d.list("trustist"))
	mux.HandleFunc("POST /v1/onboard/webhooks", d.create("trustist", map[string]any{"isActive": true, "consecutiveFailures": 0}))
	mux.HandleFunc("DELETE /v1/onboard/webhooks/{id}", d.remove("trustist"))
	mux.HandleFunc("POST /api/v1/integrations/webhooks", d.create("trustgate", map[string]any{"secret": "whsec_theirs_%d"}))
	const trst = "/trst/v1/project/p/webhooks"
	mux.HandleFunc("GET "+trst, d.list("trst"))
	mux.HandleFunc("POST "+trst, d.create("trst", map[string]any{"secret": "whsec_theirs_%d"}))
	mux.HandleFunc("PATCH "+trst+"/{id}", d.change("trst"))
	mux.HandleFunc("DELETE "+trst+"/{id}", d.remove("trst"))
	mux.HandleFunc("POST "+trst+"/{id}/test", d.answer(func(map[string]any) any { return map[string]any{} }))
	mux.HandleFunc("GET "+trst+"/{id}/deliveries", d.answer(func(map[string]any) any {
		list := []map[string]any{}
		for i, e := range d.events {
			list = append(list, map[string]any{"id": fmt.Sprint("delivery_", i+1), "event_id": e, "status": "failed"})
		}
		return append(list, map[string]any{"id": "delivery_0"})
	}))
	mux.HandleFunc("GET "+trst+"/{id}/deliveries/{delivery}/attempts", d.answer(func(map[string]any) any { return []any{map[string]any{"status": 503}} }))
	channels := func(body map[string]any) any {
		if body["webhook_url"] != nil {
			d.webhooks["legaltalent"] = []map[string]any{{"webhook_url": body["webhook_url"], "webhook_secret": "****a1b2"}}
		}
		var set any = map[string]any{"webhook_url": nil}
		if w := d.webhooks["legaltalent"]; len(w) > 0 {
			set = w[0]
		}
		return map[string]any{"status": "success", "data": map[string]any{"notification_config": set}}
	}
	mux.HandleFunc("PATCH /kyc/tenants/me/notification-channels", d.answer(channels))
	mux.HandleFunc("GET /kyc/tenants/me", d.answer(channels))
	return mux
}

// answer notes a call and answers with what f makes of its body; nil is a 404.
func (d *providersDouble) answer(f func(body map[string]any) any) http.HandlerFunc {
	return d.answerTo(func(_ *http.Request, body map[string]any) any { return f(body) })
}

func (d *providersDouble) answerTo(f func(r *http.Request, body map[string]any) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		body := map[string]any{}
		if r.ContentLength > 0 {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				panic(err)
			}
		}
		d.calls = append(d.calls, r.Method+" "+r.URL.Path)
		d.asked = append(d.asked, body)
		answer := f(r, body)
		if answer == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			panic(err)
		}
	}
}

func (d *providersDouble) list(provider string) http.HandlerFunc {
	return d.answer(func(map[string]any) any {
		list := []map[string]any{}
		for _, w := range d.webhooks[provider] {
			shown := map[string]any{}
			for name, value := range w {
				if name != "secret" {
					shown[name] = value
				}
			}
			list = append(list, shown)
		}
		return list
	})
}

// create adds a webhook with further fields, in which %d is its number.
func (d *providersDouble) create(provider string, further map[string]any) http.HandlerFunc {
	return d.answer(func(body map[string]any) any {
		n := len(d.webhooks[provider]) + 1
		at := fmt.Sprintf("2026-01-02T03:04:%02dZ", n)
		body["id"], body["created"], body["created_at"] = fmt.Sprint("webhook_", n), at, at
		for name, value := range further {
			if text, isText := value.(string); isText {
				value = strings.ReplaceAll(text, "%d", fmt.Sprint(n))
			}
			body[name] = value
		}
		d.webhooks[provider] = append(d.webhooks[provider], body)
		d.onCreate()
		return body
	})
}

func (d *providersDouble) change(provider string) http.HandlerFunc {
	return d.answerTo(func(r *http.Request, body map[string]any) any {
		for _, w := range d.webhooks[provider] {
			if w["id"] == r.PathValue("id") {
				for name, value := range body {
					w[name] = value
				}
				return w
			}
		}
		return nil
	})
}

// remove deletes: softly at Trustist.
func (d *providersDouble) remove(provider string) http.HandlerFunc {
	return d.answerTo(func(r *http.Request, _ map[string]any) any {
		for i, w := range d.webhooks[provider] {
			if w["id"] != r.PathValue("id") {
				continue
			}
			if w["isActive"] != nil {
				w["isActive"] = false
			} else {
				d.webhooks[provider] = append(d.webhooks[provider][:i:i], d.webhooks[provider][i+1:]...)
			}
			return map[string]any{}
		}
		return nil
	})
}

// took returns the calls since the last time.
func (d *providersDouble) took() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls, d.asked = nil, nil
	return calls
}
