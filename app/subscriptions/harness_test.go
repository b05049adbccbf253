package subscriptions

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// double is a provider's API. It answers by method and path, and remembers what it was asked.
type double struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string][]answer // the last one is given again and again
	asked   []asked
}

type answer struct {
	status int
	body   string
	header map[string]string
}

// asked is a request, its body with sorted members.
type asked struct{ Call, Authorization, APIKey, Body string }

func newDouble(t *testing.T) *double {
	t.Helper()
	d := &double{answers: map[string][]answer{}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) on(call string, answers ...answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[call] = answers
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	var value any
	if json.Unmarshal(body, &value) == nil && r.Header.Get("Content-Type") == "application/json" {
		body, _ = json.Marshal(value)
	}
	call := r.Method + " " + r.URL.RequestURI()
	d.asked = append(d.asked, asked{call, r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), string(body)})
	list := d.answers[call]
	if len(list) == 0 {
		http.Error(w, "no answer to "+call, http.StatusNotFound)
		return
	}
	if len(list) > 1 {
		d.answers[call] = list[1:]
	}
	for name, value := range list[0].header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(cmp.Or(list[0].status, http.StatusOK))
	_, _ = io.WriteString(w, list[0].body)
}

// requests returns what the double was asked since the last call.
func (d *double) requests() []asked {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.asked
	d.asked = nil
	return list
}

// The keys of tests, none of which may be seen in an error.
const (
	keyID  = "key-id-5b1f"
	apiKey = "sk_live_c0ffee"
)
