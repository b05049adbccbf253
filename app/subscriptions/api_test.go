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

// failing has the list of TRST's webhooks answered, and returns the error without what differs between runs.
func failing(t *testing.T, d *double, answers ...answer) string {
	t.Helper()
	d.on("GET "+trstBase, answers...)
	_, err := d.trst().List(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, secret := range []string{apiKey, keyID} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("it shows a key: %v", err)
		}
	}
	return strings.ReplaceAll(err.Error(), strings.TrimPrefix(d.URL, "http://"), "HOST")
}

func TestErrors(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	html := map[string]string{"Content-Type": "text/html; charset=utf-8"}
	for _, c := range []struct {
		answer answer
		want   string
	}{
		{answer{status: 401, body: `{"secret":1}`}, "trst list webhooks: HOST answers 401: TRST_API_KEY_ID and TRST_API_KEY must be those of a key of the project TRST_PROJECT_ID, or of its organization"},
		{answer{status: 403}, "trst list webhooks: HOST answers 403: TRST_API_KEY_ID and TRST_API_KEY must be those of a key of the project TRST_PROJECT_ID, or of its organization"},
		{answer{status: 404}, "trst list webhooks: HOST answers 404: there is no such subscription, or TRST_API_URL is not right, or TRST_PROJECT_ID is not"},
		{answer{status: 500}, "trst list webhooks: HOST answers 500"},
		{answer{status: 301, header: map[string]string{"Location": "https://elsewhere.example/x?token=1"}}, "trst list webhooks: HOST answers 301, and points to https://elsewhere.example: is TRST_API_URL right?"},
		{answer{body: "<html>", header: html}, `trst list webhooks: HOST answers 200 with "text/html", not JSON: is TRST_API_URL right?`},
		{answer{body: ""}, `trst list webhooks: HOST answers 200 with "application/json", not JSON: is TRST_API_URL right?`},
		{answer{body: `[{"id":7}]`}, "trst list webhooks: the answer holds no list of webhooks"},
		{answer{body: strings.Repeat(" ", 1<<20) + "[]"}, "trst list webhooks: the answer of HOST is longer than 1 MiB: is TRST_API_URL right?"},
	} {
		if got := failing(t, d, c.answer); got != c.want {
			t.Errorf("%d:\n got %s\nwant %s", c.answer.status, got, c.want)
		}
	}
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []answer
		waits   []time.Duration
		want    string // the error
	}{
		"once":          {[]answer{{status: 429}, {body: "[]"}}, []time.Duration{time.Second}, ""},
		"twice":         {[]answer{{status: 429}, {status: 429}, {body: "[]"}}, []time.Duration{time.Second, 2 * time.Second}, ""},
		"always":        {[]answer{{status: 429}}, []time.Duration{time.Second, 2 * time.Second}, "trst list webhooks: HOST answers 429: it is called too often; try again in 4 s"},
		"it says when":  {[]answer{{status: 429, header: map[string]string{"Retry-After": "12"}}, {body: "[]"}}, []time.Duration{12 * time.Second}, ""},
		"it says later": {[]answer{{status: 429, header: map[string]string{"Retry-After": "60"}}}, nil, "trst list webhooks: HOST answers 429: it is called too often; try again in 60 s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDouble(t)
			p := d.trst()
			d.on("GET "+trstBase, c.answers...)
			_, err := p.List(t.Context())
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), strings.TrimPrefix(d.URL, "http://"), "HOST")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.waits, d.waits); diff != "" {
				t.Error(diff)
			}
			if status, ok := errors.AsType[StatusError](err); c.want != "" && (!ok || status.Status != http.StatusTooManyRequests) {
				t.Errorf("%v is no StatusError of 429", err)
			}
		})
	}
}

// TestTooManyPosts: a POST that is answered with 429 did nothing, and is made again with a new nonce.
func TestTooManyPosts(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	p := newTrustist(d.config())
	p.api.wait = d.patient
	d.on("POST /v1/onboard/webhooks", answer{status: 429}, answer{body: trustistCreated})
	if _, err := p.Create(t.Context(), Wanted{URL: "https://a.example/webhooks/trustist/t"}); err != nil {
		t.Fatal(err)
	}
	list := d.requests()
	if len(list) != 2 || list[0].Body != list[1].Body || list[0].Authorization == list[1].Authorization {
		t.Errorf("%+v", list)
	}
	for _, r := range list {
		checkHawk(t, d, r)
	}
}

// TestUncertain: a change may have been made where the answer does not say that it was not.
func TestUncertain(t *testing.T) {
	t.Parallel()
	d := newDouble(t)
	p := newTrustist(d.config())
	p.api.wait = d.patient
	for status, want := range map[int]bool{400: false, 401: false, 404: false, 429: false, 500: true, 503: true, 301: true, 200: true} {
		d.on("POST /v1/onboard/webhooks", answer{status: status, body: "not JSON"})
		if _, err := p.Create(t.Context(), Wanted{}); err == nil || Uncertain(err) != want {
			t.Errorf("%d: uncertain is not %t: %v", status, want, err)
		}
	}
	d.on("GET /v1/onboard/webhooks", answer{status: 500})
	if _, err := p.List(t.Context()); err == nil || Uncertain(err) {
		t.Errorf("a list changes nothing: %v", err)
	}
	d.Close()
	if _, err := p.Create(t.Context(), Wanted{}); err == nil || Uncertain(err) {
		t.Errorf("a call that was never made changes nothing: %v", err)
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

func TestUnreachable(t *testing.T) {
	t.Parallel()
	c := newDouble(t).config()
	c.TRSTURL = "https://no-such-host.invalid/v1"
	_, err := newTRST(c).List(t.Context())
	want := "trst list webhooks: there is no host no-such-host.invalid: is TRST_API_URL right? TRST's pages name https://api.prod.trstinc.ca/v1 and https://api.trstinc.ca/v1"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	d := newDouble(t)
	d.Close()
	if got := d.trst(); true {
		_, err := got.List(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "trst list webhooks: cannot reach 127.0.0.1:") {
			t.Errorf("%v", err)
		}
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	d = newDouble(t)
	_, err = d.trst().List(ctx)
	if want := "trst list webhooks: " + strings.TrimPrefix(d.URL, "http://") + " does not answer within 10s"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestClockOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for date, want := range map[string]string{
		"": "", "Fri, 02 Jan 2026 03:03:35 GMT": "", "Fri, 02 Jan 2026 03:02:00 GMT": "the clock of this computer is 2m5s off theirs",
	} {
		if got := clockOff(http.Header{"Date": {date}}, now); got != want {
			t.Errorf("%s: %q, want %q", date, got, want)
		}
	}
}
