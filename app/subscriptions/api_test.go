package subscriptions

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patient is an API that notes pauses instead of waiting.
func (d *double) patient() (api, *[]time.Duration) {
	pauses := &[]time.Duration{}
	a := newAPI("acme", d.URL, "ACME_API_KEY must be a key", " or ACME_PROJECT is", bearer(apiKey))
	a.wait = func(_ context.Context, pause time.Duration) error {
		*pauses = append(*pauses, pause)
		return nil
	}
	return a, pauses
}

func (a api) webhooks(ctx context.Context) ([]Subscription, error) {
	return list(ctx, a, "webhooks", "list webhooks", "/webhooks", a.webhook)
}

// TestErrors: each says what to do, and none shows a key or quotes the answer.
func TestErrors(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	a, _ := d.patient()
	for _, c := range []struct {
		answer answer
		want   string
	}{
		{answer{status: 401, body: `{"secret":1}`}, "HOST answers 401: ACME_API_KEY must be a key"},
		{answer{status: 403}, "HOST answers 403: ACME_API_KEY must be a key"},
		{answer{status: 401, header: map[string]string{"Date": "Fri, 02 Jan 2026 03:04:05 GMT"}}, "HOST answers 401: ACME_API_KEY must be a key; or the clock of this computer is wrong: "},
		{answer{status: 404}, "HOST answers 404: there is no such webhook, or ACME_API_URL is wrong or ACME_PROJECT is"},
		{answer{status: 500, body: "canary"}, "HOST answers 500"},
		{answer{status: 301, header: map[string]string{"Location": "https://other.example/x?token=1"}}, "HOST answers 301 and redirects to https://other.example: is ACME_API_URL right?"},
		{answer{body: "<html>canary"}, `HOST answers 200 without JSON: is ACME_API_URL right?`},
		{answer{body: `["canary"]`}, "the list does not hold objects"},
		{answer{body: `{"canary":[]}`}, "the answer of HOST does not have the documented form"},
		{answer{body: strings.Repeat(" ", 1<<20) + "[]"}, "HOST answers 200 without JSON: is ACME_API_URL right?"},
	} {
		d.on("GET /webhooks", c.answer)
		_, err := a.webhooks(t.Context())
		if err == nil {
			t.Fatalf("%+v: no error", c.answer)
		}
		got := strings.ReplaceAll(err.Error(), d.host(), "HOST")
		if !strings.HasPrefix(got, "acme list webhooks: "+c.want) || strings.Contains(got, apiKey) || strings.Contains(got, "canary") {
			t.Errorf("%d:\n got %s\nwant %s", c.answer.status, got, c.want)
		}
	}
}

// TestNoCredentialsAcrossRedirect: what a redirect points to is not called.
func TestNoCredentialsAcrossRedirect(t *testing.T) {
	t.Parallel()
	d, other := newDouble(t), newDouble(t)
	a, _ := d.patient()
	for _, status := range []int{301, 302, 303, 307, 308} {
		d.on("POST /webhooks", answer{status: status, header: map[string]string{"Location": other.URL}})
		if _, err := a.change(t.Context(), "create webhook", http.MethodPost, "/webhooks", 1); err == nil || !Uncertain(err) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if list := other.requests(); len(list) > 0 {
		t.Errorf("called %+v", list)
	}
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	const later = "acme list webhooks: HOST answers 429, too many calls: try again in "
	for name, c := range map[string]struct {
		answers []answer
		pauses  []time.Duration
		want    string // the error
	}{
		"once":          {[]answer{{status: 429}, {body: "[]"}}, []time.Duration{time.Second}, ""},
		"twice":         {[]answer{{status: 429}, {status: 429}, {body: "[]"}}, []time.Duration{time.Second, 2 * time.Second}, ""},
		"always":        {[]answer{{status: 429}}, []time.Duration{time.Second, 2 * time.Second}, later + "4 s"},
		"it says when":  {[]answer{{status: 429, header: map[string]string{"Retry-After": "12"}}, {body: "[]"}}, []time.Duration{12 * time.Second}, ""},
		"it says later": {[]answer{{status: 429, header: map[string]string{"Retry-After": "60"}}}, []time.Duration{}, later + "60 s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDouble(t)
			a, pauses := d.patient()
			d.on("GET /webhooks", c.answers...)
			_, err := a.webhooks(t.Context())
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), d.host(), "HOST")
			}
			if diff := cmp.Diff([]any{c.want, c.pauses}, []any{got, append([]time.Duration{}, *pauses...)}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if status, ok := errors.AsType[StatusError](err); c.want != "" && (!ok || status.Status != 429) {
				t.Errorf("%v is not a StatusError of 429", err)
			}
		})
	}
}

// TestUncertain: a change may have been made unless the answer says that it was not.
func TestUncertain(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	a, _ := d.patient()
	change := func() error {
		_, err := a.change(t.Context(), "create webhook", http.MethodPost, "/webhooks", struct{}{})
		return err
	}
	for status, want := range map[int]bool{400: false, 401: false, 404: false, 429: false, 500: true, 503: true, 200: true} {
		d.on("POST /webhooks", answer{status: status, body: "not JSON"})
		if err := change(); err == nil || Uncertain(err) != want {
			t.Errorf("%d: uncertain is not %t: %v", status, want, err)
		}
	}
	d.on("GET /webhooks", answer{status: 500})
	if _, err := a.webhooks(t.Context()); err == nil || Uncertain(err) {
		t.Errorf("a list changes nothing: %v", err)
	}
	d.Close()
	if err := change(); err == nil || Uncertain(err) || !strings.Contains(err.Error(), "cannot reach 127.0.0.1:") {
		t.Errorf("a call that was never made changes nothing: %v", err)
	}
	a.base = "https://no-such-host.invalid"
	if err := change(); err == nil || Uncertain(err) {
		t.Errorf("a host that does not exist does nothing: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": time.Second, "soon": time.Second, "-3": time.Second, "0": 0, "7": 7 * time.Second,
		"Fri, 02 Jan 2026 03:04:25 GMT": 20 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now, time.Second); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestDeliveryFailed(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"failed": true, "FAILURE": true, "error": true, "503": true, "401": true, "200": false, "delivered": false, "pending": false, "": false,
	} {
		if got := (Delivery{Status: status}).Failed(); got != want {
			t.Errorf("%q failed: %t", status, got)
		}
	}
}
