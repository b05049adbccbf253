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
	// tries is how often a call is made that is answered with 429. That answer means that nothing was done.
	tries = 3
	// longestWait is the longest Retry-After that is waited for.
	longestWait = 30 * time.Second
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
	hint       string // what else may be wrong if the host or a path is not found, for errors
	authorize  func(*http.Request)
	wait       func(context.Context, time.Duration) error
}

func newAPI(provider, base, permission, hint string, authorize func(*http.Request)) api {
	return api{provider, strings.ToUpper(provider) + "_API_URL", strings.TrimSuffix(base, "/"), permission, hint, authorize, wait}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// bearer authorizes with a token.
func bearer(token string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token) }
}

// call sends in as JSON, unless it is nil, and returns the answer, which must be JSON that fits. If fits is nil, the answer is
// not read. What names the call in errors.
func (a api) call(ctx context.Context, what, method, path string, in any, fits func(gjson.Result) bool) (answer gjson.Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s %s: %w", a.provider, what, err)
		}
	}()
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return answer, err
		}
	}
	for try := 1; ; try++ {
		resp, text, err := a.once(ctx, method, path, body) //nolint:bodyclose // once closes it
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			pause := retryAfter(resp.Header, time.Now(), time.Second<<(try-1))
			if try == tries || pause > longestWait {
				return answer, StatusError{resp.StatusCode, fmt.Sprintf("%s answers 429, too many calls: try again in %.0f s", a.host(), pause.Seconds())}
			}
			if err := a.wait(ctx, pause); err != nil {
				return answer, err
			}
			continue
		}
		if err == nil {
			answer, err = a.read(resp, text, fits)
		}
		_, isUnsent := errors.AsType[unsentError](err)
		if err != nil && method != http.MethodGet && !isUnsent && (resp == nil || resp.StatusCode/100 != 4) {
			err = uncertainError{err}
		}
		return answer, err
	}
}

// once makes the call a single time. The body of the answer is read already.
func (a api) once(ctx context.Context, method, path string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, unsentError{fmt.Errorf("%s is not a URL", a.variable)}
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	a.authorize(req)
	resp, err := httpClient.Do(req)
	if err != nil {
		return nil, nil, a.unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, a.unreachable(err)
	}
	return resp, text, nil
}

// read returns the JSON of a 2xx answer. No error quotes the answer: it may repeat what was sent.
func (a api) read(resp *http.Response, text []byte, fits func(gjson.Result) bool) (answer gjson.Result, err error) {
	switch {
	case resp.StatusCode/100 != 2:
		return answer, a.refused(resp)
	case fits == nil:
		return answer, nil
	case !gjson.ValidBytes(text):
		return answer, fmt.Errorf("%s answers %d without JSON: is %s right?", a.host(), resp.StatusCode, a.variable)
	}
	if answer = gjson.ParseBytes(text); !fits(answer) {
		return answer, fmt.Errorf("the answer of %s does not have the documented form", a.host())
	}
	return answer, nil
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Status int
	text   string
}

func (e StatusError) Error() string { return e.text }

func (a api) refused(resp *http.Response) error {
	text := fmt.Sprintf("%s answers %d", a.host(), resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += ": " + a.permission
		theirs, err := http.ParseTime(resp.Header.Get("Date"))
		if off := time.Since(theirs).Round(time.Second); err == nil && off.Abs() > time.Minute {
			text += fmt.Sprintf("; or the clock of this computer is wrong: it is %s off theirs", off)
		}
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		text += fmt.Sprintf(": there is no such webhook, or %s is wrong%s", a.variable, a.hint)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if to, err := resp.Location(); err == nil {
			text += " and redirects to " + to.Scheme + "://" + to.Host
		}
		text += ": is " + a.variable + " right?"
	}
	return StatusError{resp.StatusCode, text}
}

// uncertainError is an error of a call that may have done what it asked for.
type uncertainError struct{ error }

func (e uncertainError) Unwrap() error { return e.error }

// unsentError is an error of a call that did not leave this computer.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// Uncertain reports whether a change may have been made although there is an error: there was no answer, or an unclear one.
func Uncertain(err error) bool {
	_, uncertain := errors.AsType[uncertainError](err)
	return uncertain
}

// unreachable says why there is no answer.
func (a api) unreachable(err error) error {
	if u, isURL := errors.AsType[*url.Error](err); isURL {
		if u.Timeout() {
			return fmt.Errorf("%s does not answer within %s", a.host(), callTimeout)
		}
		err = u.Err
	}
	if _, unknown := errors.AsType[*net.DNSError](err); unknown {
		return unsentError{fmt.Errorf("there is no host %s: is %s right%s?", a.host(), a.variable, a.hint)}
	}
	if op, isOp := errors.AsType[*net.OpError](err); isOp && op.Op == "dial" {
		return unsentError{fmt.Errorf("cannot reach %s (%s): %w", a.host(), a.variable, op.Err)}
	}
	return fmt.Errorf("no answer from %s (%s): %w", a.host(), a.variable, err)
}

func (a api) host() string {
	u, err := url.Parse(a.base)
	if err != nil {
		return a.variable
	}
	return u.Host
}

// retryAfter is how long an answer asks us to wait; usual if it does not say.
func retryAfter(header http.Header, now time.Time, usual time.Duration) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return usual
}
