package dev

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/models"
)

const (
	maxPage      = 500                   // the most rows that the admin API returns at once
	pollInterval = 20 * time.Millisecond // between two calls that wait for the same thing
	maxAnswer    = 64 << 20              // how many bytes of an answer are read
)

// client follows no redirects: they would take signatures, tokens and passwords to another host.
var client = &http.Client{
	Timeout:       15 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// admin calls the admin API of a running server.
type admin struct{ base, password string }

// newAdmin returns a client for the server that the configuration names.
func newAdmin(c app.Config) admin { return admin{"http://" + reachable(c.AdminAddr), c.AdminPassword} }

// publicURL is the URL of the public server that the configuration names.
func publicURL(c app.Config) string { return c.PublicScheme() + "://" + reachable(c.Addr) }

// isWrongCertificate reports whether a server answered, but with a certificate for another name or from an unknown authority.
func isWrongCertificate(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}

// reachable turns the address that a server listens on into one that a client can call.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// apiError is a call of the admin API that failed.
type apiError struct {
	status int    // 0 if there was no answer
	reason string // the error that the answer names, if it comes from our server
	text   string
	err    error // why there was no answer
}

// Error implements error.
func (e apiError) Error() string { return "call the admin API: " + e.text }

// Unwrap returns why there was no answer.
func (e apiError) Unwrap() error { return e.err }

// isAway reports whether the server did not answer, or is starting or stopping.
func isAway(err error) bool {
	e, isAPI := errors.AsType[apiError](err)
	return isAPI && (e.status == 0 || e.status == http.StatusServiceUnavailable)
}

// isMissing reports whether the admin API has no such row.
func isMissing(err error) bool {
	e, isAPI := errors.AsType[apiError](err)
	return isAPI && e.status == http.StatusNotFound && e.reason == "not found"
}

// withoutURL takes the URL out of an error of net/http: the URL may hold a secret.
func withoutURL(err error) error {
	if u, isURL := errors.AsType[*url.Error](err); isURL {
		return u.Err
	}
	return err
}

// exchange sends a request and returns the answer with its body. Its errors do not contain the URL.
func exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp, body, err
}

// call returns the body of a 2xx answer. If the server refuses a parameter, the error is an app.UsageError, otherwise an
// apiError.
func (a admin) call(ctx context.Context, method, path string) ([]byte, error) {
	req, err := a.request(ctx, method, path)
	if err != nil {
		return nil, err
	}
	resp, body, err := exchange(req) //nolint:bodyclose // exchange closes it
	if err != nil {
		return nil, noAnswer(err)
	}
	return body, a.failure(path, resp, body)
}

// longCall is call for a call that may take minutes. It writes the body of the answer to w, whatever its size.
func (a admin) longCall(ctx context.Context, method, path string, w io.Writer) error {
	req, err := a.request(ctx, method, path)
	if err != nil {
		return err
	}
	patient := *client
	patient.Timeout = 6 * time.Minute // a little more than the server's limit
	resp, err := patient.Do(req)
	if err != nil {
		return noAnswer(withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		if _, err := io.Copy(w, resp.Body); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return errors.Join(a.failure(path, resp, body), err)
}

func (a admin) request(ctx context.Context, method, path string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err == nil && a.password != "" {
		req.SetBasicAuth("admin", a.password)
	}
	return req, err
}

// noAnswer returns the error of a call without an answer.
func noAnswer(err error) error {
	text := err.Error()
	if op, isOp := errors.AsType[*net.OpError](err); isOp && op.Op == "dial" {
		text += " (is the server running? Start it with: go run .)"
	}
	return apiError{text: text, err: err}
}

// failure returns the error of an answer that is not 2xx.
func (a admin) failure(path string, resp *http.Response, body []byte) error {
	reason := clean(gjson.GetBytes(body, "error").Str)
	hint := reason
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusUnauthorized:
		hint = "set ADMIN_PASSWORD to the password of the server"
	case reason == "": // from a proxy, or another program
		hint = "is ADMIN_ADDR the address of the server's admin API?"
	case resp.StatusCode == http.StatusBadRequest:
		return usagef("%s", reason)
	}
	return apiError{status: resp.StatusCode, reason: reason, text: fmt.Sprintf("%s%s answers %s: %s", a.base, path, resp.Status, hint)}
}

// get returns what the admin API answers at path.
func get[T any](ctx context.Context, a admin, path string) (T, error) {
	return decode[T](a.call(ctx, http.MethodGet, path))
}

func decode[T any](body []byte, err error) (answer T, _ error) {
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, apiError{status: http.StatusOK, text: fmt.Sprintf("the answer cannot be read: %v", err)}
	}
	return answer, nil
}

// rows iterates over a list of the admin API, such as events, newest first. It asks for size rows at a time.
func rows[T any](ctx context.Context, a admin, list string, query url.Values, size int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := url.Values{"limit": {strconv.Itoa(min(size, maxPage))}}
		maps.Copy(q, query)
		for {
			page, err := a.call(ctx, http.MethodGet, "/api/"+list+"?"+q.Encode())
			found, err := decode[[]T]([]byte(gjson.GetBytes(page, list).Raw), err)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, row := range found {
				if !yield(row, nil) {
					return
				}
			}
			q.Set("cursor", gjson.GetBytes(page, "next_cursor").Str)
			if q.Get("cursor") == "" {
				return
			}
		}
	}
}

// newest returns the newest rows of a list, at most n of them, the newest last.
func newest[T any](ctx context.Context, a admin, list string, query url.Values, n int) ([]T, error) {
	var found []T
	for row, err := range rows[T](ctx, a, list, query, n) {
		if err != nil {
			return nil, err
		}
		if found = append(found, row); len(found) == n {
			break
		}
	}
	slices.Reverse(found)
	return found, nil
}

// await waits until the server has processed an event, and returns it. If ctx ends before that, it returns the event as it
// was last read, and the context's error.
func (a admin) await(ctx context.Context, id int64) (e models.Event, err error) {
	err = until(ctx, func() (bool, error) {
		now, err := get[models.Event](ctx, a, fmt.Sprintf("/api/events/%d", id))
		if err == nil {
			e = now
		}
		return !inWork(now), err
	})
	return e, err
}

// inWork reports whether an event has no outcome yet.
func inWork(e models.Event) bool { return e.Status == models.Received || e.Status == models.Queued }

// until calls done repeatedly until it returns true or an error, or ctx ends.
func until(ctx context.Context, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ok || err != nil {
			return err
		}
		_ = sleep(ctx, pollInterval) // if ctx ends, the loop calls done once more and returns the error of ctx
	}
}
