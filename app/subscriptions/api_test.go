package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func acmeAt(d *double) api {
	return newAPI("acme", d.URL, "ACME_API_KEY must be a key", " or ACME_PROJECT is", bearer(apiKey))
}

func (a api) webhooks(ctx context.Context) ([]Subscription, error) {
	return list(ctx, a, "/webhooks", a.webhook)
}

func (a api) create(ctx context.Context) error {
	_, err := a.change(ctx, http.MethodPost, "/webhooks", struct{}{})
	return err
}

func isUncertain(err error) bool {
	e, isAPI := errors.AsType[Error](err)
	return isAPI && e.Uncertain
}

// TestErrors: each says what to do, and none shows a key or quotes the answer.
func TestErrors(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	for _, c := range []struct {
		want string
		answer
	}{
		{"the answer is 401: ACME_API_KEY must be a key", answer{status: 401, body: `{"secret":"canary"}`}},
		{"the answer is 403: ACME_API_KEY must be a key", answer{status: 403}},
		{"the answer is 404: there is no such webhook, or ACME_API_URL is wrong or ACME_PROJECT is", answer{status: 404}},
		{"the answer is 500", answer{status: 500, body: "canary"}},
		{"the answer is 301: is ACME_API_URL right?", answer{status: 301, header: header("Location", "https://other.example/canary")}},
		{"the answer is 429, too many calls: try again in 1m0s", answer{status: 429, header: header("Retry-After", "60")}},
		{"the answer is not JSON: is ACME_API_URL right?", answer{body: "<html>canary"}},
		{"the answer does not have the documented form", answer{body: `{"canary":1}`}},
	} {
		d.on("GET /webhooks", c.answer)
		_, err := acmeAt(d).webhooks(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "GET "+d.URL+"/webhooks: "+c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "canary") || strings.Contains(text, apiKey) {
			t.Errorf("it shows too much: %s", text)
		}
		if e, _ := errors.AsType[Error](err); e.Status != max(c.status, 200) {
			t.Errorf("status %d, want that of %+v", e.Status, c.answer)
		}
	}
}

// TestNoCredentialsAcrossRedirect: what a redirect points to is not called.
func TestNoCredentialsAcrossRedirect(t *testing.T) {
	t.Parallel()
	d, other := newDouble(t), newDouble(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		d.on("POST /webhooks", answer{status: status, header: map[string]string{"Location": other.URL}})
		if err := acmeAt(d).create(t.Context()); !isUncertain(err) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if list := other.requests(); len(list) > 0 {
		t.Errorf("called %+v", list)
	}
}

// TestTooManyRequests: a call is made again when the answer says, but not without end.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	later := func(seconds string) answer {
		return answer{status: 429, header: map[string]string{"Retry-After": seconds}}
	}
	for name, c := range map[string]struct {
		answers []answer
		calls   int
		fails   bool
	}{
		"twice":    {[]answer{later("0"), later("0"), {body: "[]"}}, 3, false},
		"always":   {[]answer{later("0")}, 3, true},
		"too long": {[]answer{later("60")}, 1, true},
	} {
		d := newDouble(t)
		d.on("GET /webhooks", c.answers...)
		_, err := acmeAt(d).webhooks(t.Context())
		if calls := len(d.requests()); calls != c.calls || (err != nil) != c.fails {
			t.Errorf("%s: %d calls, want %d: %v", name, calls, c.calls, err)
		}
	}
	for value, want := range map[string]time.Duration{"": usualWait, "soon": usualWait, "-3": usualWait, "7": 7 * time.Second} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// TestUncertain: a change may have been made unless the answer says that it was not, or the call was not sent.
func TestUncertain(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	a := acmeAt(d)
	for status, want := range map[int]bool{400: false, 401: false, 404: false, 500: true, 503: true, 200: true} {
		d.on("POST /webhooks", answer{status: status, body: "not JSON"})
		if err := a.create(t.Context()); err == nil || isUncertain(err) != want {
			t.Errorf("%d: uncertain is not %t: %v", status, want, err)
		}
	}
	d.on("GET /webhooks", answer{status: 500})
	if _, err := a.webhooks(t.Context()); err == nil || isUncertain(err) {
		t.Errorf("a list changes nothing: %v", err)
	}
	d.on("POST /webhooks", answer{header: map[string]string{"Content-Length": "9"}})
	if err := a.create(t.Context()); !isUncertain(err) {
		t.Errorf("half an answer: %v", err)
	}
	d.Close()
	for _, base := range []string{d.URL, "https://no-such-host.invalid"} {
		a.base = base
		if err := a.create(t.Context()); err == nil || isUncertain(err) {
			t.Errorf("nothing answers at %s: %v", base, err)
		}
	}
}
