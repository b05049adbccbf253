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
)

const (
	callTimeout = 10 * time.Second
	maxAnswer   = 1 << 20
	// tries is how often a call is made that is answered with 429. That answer means that nothing was done.
	tries = 3
	// longestWait is how long a Retry-After may have us wait. Beyond it, the person who waits is told.
	longestWait = 30 * time.Second
)

// api calls one provider's API.
type api struct {
	provider   string
	variable   string // that holds base, for errors
	base       string
	permission string // what the credentials need, for errors
	sign       func(*http.Request)
	client     *http.Client
	wait       func(context.Context, time.Duration) error
}

func newAPI(provider, base, permission string, sign func(*http.Request)) api {
	client := &http.Client{
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // credentials stay with the host
	}
	return api{provider, strings.ToUpper(provider) + "_API_URL", strings.TrimSuffix(base, "/"), permission, sign, client, wait}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// call sends in as JSON, unless it is nil, and reads the answer into out, unless that is nil. What names it in errors.
func (a api) call(ctx context.Context, what, method, path string, in, out any) error {
	err := a.tried(ctx, method, path, in, out)
	if err != nil {
		return fmt.Errorf("%s %s: %w", a.provider, what, err)
	}
	return nil
}

func (a api) tried(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		status, header, answer, err := a.once(ctx, method, path, body)
		if err == nil && status != http.StatusTooManyRequests {
			err = a.read(status, header, answer, out)
			if status/100 == 4 || err == nil {
				return err
			}
		}
		if err != nil {
			_, unsent := errors.AsType[unsentError](err)
			if method != http.MethodGet && !unsent {
				err = uncertainError{err}
			}
			return err
		}
		pause := retryAfter(header, time.Now(), time.Second<<(try-1))
		if try == tries || pause > longestWait {
			return StatusError{status, fmt.Sprintf("%s answers 429: it is called too often; try again in %d s", a.host(), int(pause.Seconds()+0.5))}
		}
		if err := a.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// once makes the call a single time.
func (a api) once(ctx context.Context, method, path string, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%s is not a URL", a.variable)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	a.sign(req)
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, nil, a.unreachable(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, nil, a.unreachable(err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, nil, fmt.Errorf("the answer of %s is longer than 1 MiB: is %s right?", a.host(), a.variable)
	}
	return resp.StatusCode, resp.Header, answer, nil
}

// uncertainError says that a call may have done what it asked for.
type uncertainError struct{ error }

func (e uncertainError) Unwrap() error { return e.error }

// unsentError says that a call did not leave this computer.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// Uncertain reports whether a change may have been made although there is an error: there was no answer, or none that says.
func Uncertain(err error) bool {
	_, uncertain := errors.AsType[uncertainError](err)
	return uncertain
}

// unreachable says why there is no answer. The error of net/http names the URL, which says less than the variable.
func (a api) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return fmt.Errorf("%s does not answer within %s", a.host(), callTimeout)
		}
		err = u.Err
	}
	if _, unknown := errors.AsType[*net.DNSError](err); unknown {
		return unsentError{fmt.Errorf("there is no host %s: is %s right?%s", a.host(), a.variable, otherHosts[a.provider])}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return unsentError{fmt.Errorf("cannot reach %s (%s): %w", a.host(), a.variable, op.Err)}
	}
	return fmt.Errorf("cannot reach %s (%s): %w", a.host(), a.variable, err)
}

// otherHosts are the further hosts that a provider's own pages name.
var otherHosts = map[string]string{
	"trst":        " TRST's pages name https://api.prod.trstinc.ca/v1 and https://api.trstinc.ca/v1",
	"legaltalent": " Legal Talent has https://kyc.legaltalent.ai, stg.kyc.legaltalent.ai and dev.kyc.legaltalent.ai",
}

func (a api) host() string {
	u, err := url.Parse(a.base)
	if err != nil {
		return a.variable
	}
	return u.Host
}

// read takes an answer apart. Its body is in no error: it may hold what was sent.
func (a api) read(status int, header http.Header, answer []byte, out any) error {
	if status/100 != 2 {
		return a.refused(status, header)
	}
	if out == nil {
		return nil
	}
	if !json.Valid(answer) {
		kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
		return fmt.Errorf("%s answers %d with %q, not JSON: is %s right?", a.host(), status, kind, a.variable)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the answer of %s does not have the documented form: %w", a.host(), withoutValue(err))
	}
	return nil
}

// withoutValue says which field does not fit, and not what it holds.
func withoutValue(err error) error {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%q is no %s", kind.Field, kind.Type)
	}
	return err
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Status int
	text   string
}

func (e StatusError) Error() string { return e.text }

func (a api) refused(status int, header http.Header) error {
	text := fmt.Sprintf("%s answers %d", a.host(), status)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += ": " + a.permission
		if off := clockOff(header, time.Now()); off != "" && status == http.StatusUnauthorized {
			text += "; " + off
		}
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		text += ": there is no such subscription, or " + a.variable + " is not right" + notFound[a.provider]
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if to, err := url.Parse(header.Get("Location")); err == nil && to.Host != "" {
			text += ", and points to " + to.Scheme + "://" + to.Host
		}
		text += ": is " + a.variable + " right?"
	}
	return StatusError{status, text}
}

// notFound says what else may be wrong where a path is unknown.
var notFound = map[string]string{
	"trst":     ", or TRST_PROJECT_ID is not",
	"trustist": "; Trustist's pages name two paths: see TRUSTIST_API_PATH",
}

// clockOff says that our clock differs from the host's by more than the minute that Hawk allows.
func clockOff(header http.Header, now time.Time) string {
	theirs, err := http.ParseTime(header.Get("Date"))
	if off := now.Sub(theirs).Round(time.Second); err == nil && off.Abs() > time.Minute {
		return fmt.Sprintf("the clock of this computer is %s off theirs", off)
	}
	return ""
}

// retryAfter is how long the answer asks us to wait; usual if it does not say.
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
