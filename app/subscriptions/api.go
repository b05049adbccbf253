package subscriptions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

const (
	callTimeout = 10 * time.Second
	maxAnswer   = 1 << 20
	maxTries    = 3                // how often a call is sent if the answer is 429, which means that nothing was done
	usualWait   = 2 * time.Second  // between tries if the answer has no Retry-After in seconds
	maxWait     = 30 * time.Second // if we are to wait longer, the call fails
)

// httpClient follows no redirects: they would take credentials to another host.
var httpClient = &http.Client{
	Timeout:       callTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// api calls one provider's API.
type api struct {
	provider   string
	variable   string // the environment variable that sets base
	base       string
	permission string // what the credentials need, for errors
	hint       string // what else may be wrong if the answer is 404; ends the text of the error
	authorize  func(*http.Request)
}

func newAPI(provider, base, permission, hint string, authorize func(*http.Request)) api {
	return api{provider, strings.ToUpper(provider) + "_API_URL", strings.TrimSuffix(base, "/"), permission, hint, authorize}
}

// bearer authorizes with a token.
func bearer(token string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token) }
}

// Error is a call that failed. It never quotes the answer, which may repeat what was sent.
type Error struct {
	Status    int  // of the answer; 0 if there was none
	Uncertain bool // the change may have been made: there was no answer, or an unclear one
	text      string
}

func (e Error) Error() string { return e.text }

// call sends in as JSON, unless it is nil, and returns the answer. The answer must be JSON for which fits
// returns true. If fits is nil, the answer is not read.
func (a api) call(ctx context.Context, method, path string, in any, fits func(gjson.Result) bool) (answer gjson.Result, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return answer, err
		}
	}
	status := 0
	resp, text, err := a.send(ctx, method, path, body) //nolint:bodyclose // send closes it
	if err == nil {
		status = resp.StatusCode
		answer, err = a.read(resp, text, fits)
	}
	if err == nil {
		return answer, nil
	}
	network, isNetwork := errors.AsType[*net.OpError](err)
	isUnsent := isNetwork && network.Op == "dial"
	uncertain := method != http.MethodGet && status/100 != 4 && !isUnsent
	return answer, Error{status, uncertain, fmt.Sprintf("%s %s%s: %v", method, a.base, path, err)}
}

// send makes a call. If the answer is 429, it tries again after a pause. It reads and closes the body of the answer.
func (a api) send(ctx context.Context, method, path string, body []byte) (*http.Response, []byte, error) {
	for tries := 1; ; tries++ {
		req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
		if err != nil {
			return nil, nil, fmt.Errorf("%s is not a URL", a.variable)
		}
		req.Header.Set("Accept", "application/json")
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		a.authorize(req)
		resp, err := httpClient.Do(req)
		if u, isURL := errors.AsType[*url.Error](err); isURL {
			return nil, nil, fmt.Errorf("no answer: %w (is %s right?)", u.Err, a.variable)
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close() // the body has been read
		wait := retryAfter(resp.Header)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || tries == maxTries || wait > maxWait {
			return resp, text, err
		}
		select {
		case <-ctx.Done():
			return resp, text, nil
		case <-time.After(wait):
		}
	}
}

// read returns the JSON of a 2xx answer. The error says what another answer most likely means.
func (a api) read(resp *http.Response, text []byte, fits func(gjson.Result) bool) (answer gjson.Result, err error) {
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return answer, fmt.Errorf("the answer is %d: %s", status, a.permission)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return answer, fmt.Errorf("the answer is %d: there is no such webhook, or %s is wrong%s", status, a.variable, a.hint)
	case status == http.StatusTooManyRequests:
		return answer, fmt.Errorf("the answer is 429, too many calls: try again in %s", retryAfter(resp.Header))
	case status/100 == 3:
		return answer, fmt.Errorf("the answer is %d: is %s right?", status, a.variable)
	case status/100 != 2:
		return answer, fmt.Errorf("the answer is %d", status)
	case fits == nil:
		return answer, nil
	case !gjson.ValidBytes(text):
		return answer, fmt.Errorf("the answer is not JSON: is %s right?", a.variable)
	}
	if answer = gjson.ParseBytes(text); !fits(answer) {
		return answer, errors.New("the answer does not have the documented form")
	}
	return answer, nil
}

// retryAfter returns how long an answer asks us to wait; usualWait if it does not say.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	if err != nil {
		return usualWait
	}
	return time.Duration(seconds) * time.Second
}

// change creates or changes a webhook. It returns the webhook in the answer.
func (a api) change(ctx context.Context, method, path string, in any) (Subscription, error) {
	answer, err := a.call(ctx, method, path, in, func(v gjson.Result) bool { return v.Get("id").Exists() })
	return a.webhook(answer), err
}

// do makes a call and ignores the text of the answer.
func (a api) do(ctx context.Context, method, path string) error {
	_, err := a.call(ctx, method, path, nil, nil)
	return err
}

// list gets a list of objects, which is the whole answer or one of its members.
func list[T any](ctx context.Context, a api, path string, decode func(gjson.Result) T) (all []T, err error) {
	elements := func(v gjson.Result) gjson.Result {
		if v.IsArray() {
			return v
		}
		return first(v, "webhooks", "deliveries", "data")
	}
	answer, err := a.call(ctx, http.MethodGet, path, nil, func(v gjson.Result) bool { return elements(v).IsArray() })
	if err != nil {
		return nil, err
	}
	for _, v := range elements(answer).Array() {
		all = append(all, decode(v))
	}
	return all, nil
}

// webhook decodes a webhook of any provider. The providers use different names for the same members.
func (a api) webhook(v gjson.Result) Subscription {
	s := Subscription{
		Provider: a.provider, ID: v.Get("id").String(), Name: v.Get("name").String(),
		Created: first(v, "created", "created_at").String(), Secret: v.Get("secret").String(),
	}
	s.setURL(v.Get("url").String())
	for _, e := range first(v, "events", "event_types").Array() {
		s.Events = append(s.Events, e.String())
	}
	for _, name := range []string{"active", "isActive", "enabled"} { // if there are two, both must be true
		if active := v.Get(name); active.IsBool() {
			s.Active = new(active.Bool() && !s.Inactive())
		}
	}
	if n := v.Get("consecutiveFailures"); n.Type == gjson.Number {
		s.ConsecutiveFailures = new(int(n.Int()))
	}
	return s
}

// first returns the first of the named members that an object has.
func first(object gjson.Result, names ...string) gjson.Result {
	for _, name := range names {
		if v := object.Get(name); v.Exists() {
			return v
		}
	}
	return gjson.Result{}
}
