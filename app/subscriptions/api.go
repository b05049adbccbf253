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
	// maxTries is how often a call is made while the answer is 429, which means that nothing was done.
	maxTries = 3
	// usualWait is the time between them if the answer has no Retry-After, and maxWait the longest that is waited for.
	usualWait = 2 * time.Second
	maxWait   = 30 * time.Second
)

// httpClient follows no redirects: they would take credentials to another host.
var httpClient = &http.Client{
	Timeout:       callTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// api calls one provider's API.
type api struct {
	provider   string
	variable   string // that holds base
	base       string
	permission string // what the credentials need, for errors
	hint       string // what else may be wrong if a path is not found, for errors
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
	Uncertain bool // the change may have been made nevertheless: there was no answer, or an unclear one
	text      string
}

func (e Error) Error() string { return e.text }

// call sends in as JSON, unless it is nil, and returns the answer, which must be JSON that fits. If fits is nil, the answer is
// not read.
func (a api) call(ctx context.Context, method, path string, in any, fits func(gjson.Result) bool) (answer gjson.Result, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return answer, err
		}
	}
	status := 0
	resp, text, err := a.send(ctx, method, path, body) //nolint:bodyclose // try closes it
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

// send makes a call, again and after a pause if the answer is 429. The body of the answer is read already.
func (a api) send(ctx context.Context, method, path string, body []byte) (*http.Response, []byte, error) {
	for tries := 1; ; tries++ {
		resp, text, err := a.try(ctx, method, path, body)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || tries == maxTries {
			return resp, text, err
		}
		wait := retryAfter(resp.Header, time.Now())
		if wait > maxWait {
			return resp, text, nil
		}
		select {
		case <-ctx.Done():
			return resp, text, nil
		case <-time.After(wait):
		}
	}
}

// try makes a call a single time.
func (a api) try(ctx context.Context, method, path string, body []byte) (*http.Response, []byte, error) {
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
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp, text, err
}

// read returns the JSON of a 2xx answer.
func (a api) read(resp *http.Response, text []byte, fits func(gjson.Result) bool) (answer gjson.Result, err error) {
	switch {
	case resp.StatusCode/100 != 2:
		return answer, fmt.Errorf("the answer is %d%s", resp.StatusCode, a.explain(resp))
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

// explain says what an answer that is not 2xx most likely means.
func (a api) explain(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		text := ": " + a.permission
		theirs, err := http.ParseTime(resp.Header.Get("Date"))
		if off := time.Since(theirs).Round(time.Second); err == nil && off.Abs() > time.Minute {
			text += fmt.Sprintf("; or the clock of this computer is wrong, which differs from theirs by %s", off)
		}
		return text
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Sprintf(": there is no such webhook, or %s is wrong%s", a.variable, a.hint)
	case http.StatusTooManyRequests:
		return fmt.Sprintf(", too many calls: try again in %.0f s", retryAfter(resp.Header, time.Now()).Seconds())
	}
	if resp.StatusCode/100 == 3 {
		return ": is " + a.variable + " right?"
	}
	return ""
}

// retryAfter is how long an answer asks us to wait.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return usualWait
}

// change creates or changes a webhook, which is the answer.
func (a api) change(ctx context.Context, method, path string, in any) (Subscription, error) {
	answer, err := a.call(ctx, method, path, in, func(v gjson.Result) bool { return v.Get("id").Exists() })
	return a.webhook(answer), err
}

// do makes a call whose answer says nothing.
func (a api) do(ctx context.Context, method, path string) error {
	_, err := a.call(ctx, method, path, nil, nil)
	return err
}

// list gets a list of objects, which is the whole answer or one of its members.
func list[T any](ctx context.Context, a api, path string, decode func(gjson.Result) T) (all []T, err error) {
	elements := func(v gjson.Result) gjson.Result {
		if v.IsObject() {
			return first(v, "webhooks", "deliveries", "attempts", "data")
		}
		return v
	}
	answer, err := a.call(ctx, http.MethodGet, path, nil, func(v gjson.Result) bool {
		e := elements(v)
		return e.IsArray() && (e.Get("#").Int() == 0 || e.Get("0").IsObject())
	})
	if err != nil {
		return nil, err
	}
	for _, v := range elements(answer).Array() {
		all = append(all, decode(v))
	}
	return all, nil
}

// webhook decodes a webhook, whichever provider's names its members have.
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

// first returns the first of the members that an object has.
func first(object gjson.Result, names ...string) gjson.Result {
	for _, name := range names {
		if v := object.Get(name); v.Exists() {
			return v
		}
	}
	return gjson.Result{}
}
