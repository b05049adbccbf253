package dev

import (
	"context"
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

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/models"
)

const (
	maxPage      = 500                   // rows that the admin API returns at once
	pollInterval = 20 * time.Millisecond // between two questions whether an event is processed
	maxAnswer    = 64 << 20              // bytes of an answer that are read
)

// client follows no redirects: they would take signatures, tokens and passwords to another host.
var client = &http.Client{
	Timeout:       15 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// admin calls the admin API of a running server.
type admin struct {
	base     string
	password string
}

// newAdmin returns a client for the server that the configuration names.
func newAdmin(c app.Config) admin {
	return admin{"http://" + reachable(c.AdminAddr), c.AdminPassword}
}

// reachable turns a listening address into one to call.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// call returns the body of a 2xx answer. Any other answer is an apiError.
func (a admin) call(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return nil, err
	}
	if a.password != "" {
		req.SetBasicAuth("admin", a.password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, noAnswer(withoutURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, noAnswer(err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, newAPIError(a.base+path, resp, body)
	}
	return body, nil
}

// get returns what the admin API answers at path.
func get[T any](ctx context.Context, a admin, path string) (T, error) {
	return decode[T](ctx, a, http.MethodGet, path)
}

// post does what path stands for, and returns the answer.
func post[T any](ctx context.Context, a admin, path string) (T, error) {
	return decode[T](ctx, a, http.MethodPost, path)
}

func decode[T any](ctx context.Context, a admin, method, path string) (answer T, err error) {
	body, err := a.call(ctx, method, path)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("read the answer of %s%s: %w", a.base, path, err)
	}
	return answer, nil
}

// rows goes through a list of the admin API, such as events, newest first. It asks for size rows at a time.
func rows[T any](ctx context.Context, a admin, list string, query url.Values, size int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := maps.Clone(query)
		if q == nil {
			q = url.Values{}
		}
		q.Set("limit", strconv.Itoa(min(size, maxPage)))
		for {
			page, err := get[map[string]json.RawMessage](ctx, a, "/api/"+list+"?"+q.Encode())
			var found []T
			var next string
			if err == nil {
				err = errors.Join(json.Unmarshal(page[list], &found), json.Unmarshal(page["next_cursor"], &next))
			}
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, row := range found {
				if !yield(row, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.Set("cursor", next)
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

// await returns an event once the server has processed it, or as it is when ctx ends, with the context's error.
func (a admin) await(ctx context.Context, id int64) (models.Event, error) {
	var last models.Event
	err := until(ctx, func() (bool, error) {
		e, err := get[models.Event](ctx, a, fmt.Sprintf("/api/events/%d", id))
		if err != nil {
			return false, err
		}
		last = e
		return !inWork(e), nil
	})
	return last, err
}

// inWork reports whether an event has no outcome yet.
func inWork(e models.Event) bool { return e.Status == models.Received || e.Status == models.Queued }

// until calls done again and again until it returns true, an error, or ctx ends.
func until(ctx context.Context, done func() (bool, error)) error {
	for {
		ok, err := done()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case ok || err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

// apiError is a call of the admin API that failed. Status is 0 if there was no answer.
type apiError struct {
	status  int
	message string // the error in the answer, if it is one of ours
	text    string
}

func (e apiError) Error() string { return e.text }

// noAnswer makes an apiError of a call that got no answer.
func noAnswer(err error) apiError {
	text := "call the admin API: " + err.Error()
	if op, isOp := errors.AsType[*net.OpError](err); isOp && op.Op == "dial" {
		text += " (is the server running? Start it with: go run .)"
	}
	return apiError{text: text}
}

func newAPIError(address string, resp *http.Response, body []byte) apiError {
	var answer struct{ Error string }
	if json.Unmarshal(body, &answer) != nil {
		answer.Error = "" // from a proxy, or another program
	}
	text := fmt.Sprintf("call the admin API: %s answers %s", address, resp.Status)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		text += ": set ADMIN_PASSWORD to the server's"
	case answer.Error != "":
		text += ": " + clean(answer.Error)
	default:
		text += "; is ADMIN_ADDR the address of the server's admin API?"
	}
	return apiError{resp.StatusCode, clean(answer.Error), text}
}

// isAway reports whether the server did not answer, or is starting or stopping.
func isAway(err error) bool {
	e, isAPI := errors.AsType[apiError](err)
	return isAPI && (e.status == 0 || e.status == http.StatusServiceUnavailable)
}

// isMissing reports whether the admin API has no such row.
func isMissing(err error) bool {
	e, isAPI := errors.AsType[apiError](err)
	return isAPI && e.status == http.StatusNotFound && e.message == "not found"
}

// asUsage makes a UsageError of a call that the admin API does not understand, and leaves other errors as they are.
func asUsage(err error) error {
	if e, isAPI := errors.AsType[apiError](err); isAPI && e.status == http.StatusBadRequest && e.message != "" {
		return UsageError{errors.New(e.message)}
	}
	return err
}

// withoutURL takes the URL out of an error of net/http: the URL may hold a secret.
func withoutURL(err error) error {
	if u, isURL := errors.AsType[*url.Error](err); isURL {
		return u.Err
	}
	return err
}
