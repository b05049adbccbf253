package handlers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

func TestBodySize(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		r := newReception(t, s, allProviders(t))
		largest := trstBody + strings.Repeat(" ", maxBody-len(trstBody))
		r.deliver("trst", largest).want(t, 200, isAccepted)
		before := len(r.rows())

		tooLarge := largest + " "
		q := r.providers["trst"].Sign([]byte(tooLarge), noon)
		for name, body := range map[string]io.Reader{
			"with a length": strings.NewReader(tooLarge),
			"chunked":       io.MultiReader(strings.NewReader(tooLarge)), // http.NewRequest knows no length of it
			"endless":       io.LimitReader(zeros{}, 1<<26),
		} {
			t.Run(name, func(t *testing.T) {
				got, err := overTCP(r.url, q, body)
				if err != nil {
					t.Fatal(err)
				}
				got.want(t, 413, `{"error":"body_too_large"}`)
			})
		}
		if n := len(r.rows()); n != before {
			t.Errorf("%d rows, want %d", n, before)
		}
	})
}

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// overTCP sends a request and reads the answer even where the server closes before it has read all of it.
func overTCP(url string, q Request, body io.Reader) (reply, error) {
	address := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = conn.Close() }() // the server may have closed it before us
	req, err := http.NewRequest(http.MethodPost, url+"/webhooks/"+q.Path, body)
	if err != nil {
		return reply{}, err
	}
	req.Header = q.Header
	go func() { _ = req.Write(conn) }() // ends with an error where the server has heard enough
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return reply{}, err
	}
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(text), resp.Header}, errors.Join(err, resp.Body.Close())
}

func TestBodyCutShort(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), allProviders(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	q := r.providers["trst"].Sign([]byte(trstBody[:100]), noon)
	fmt.Fprintf(conn, "POST /webhooks/trst HTTP/1.1\r\nHost: x\r\nX-Webhook-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		q.Header.Get("X-Webhook-Signature"), len(trstBody), trstBody[:100])
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	reply{resp.StatusCode, string(body), nil}.want(t, 400, `{"error":"body_unreadable"}`)
	if n := len(r.rows()); n != 0 || !resp.Close {
		t.Errorf("%d rows, want none; connection closed: %t", n, resp.Close)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on: %d bytes, %v", n, err)
	}
	if log := r.log.String(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "delivery refused") {
		t.Errorf("logged %s", log)
	}
}

func TestStoreClosed(t *testing.T) {
	t.Parallel()
	store, err := models.Open(t.Context(), sqliteURL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := newReception(t, store, allProviders(t))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	r.wantUnavailable("trst", trstBody)
	send(t, "GET", r.url+"/readyz", nil, nil).want(t, 503, `{"error":"unavailable"}`)
	send(t, "GET", r.url+"/healthz", nil, nil).want(t, 200, `{"status":"ok"}`)
}

// wantUnavailable delivers and wants a 503 that asks for another try, within 2 s.
func (r *reception) wantUnavailable(provider, body string) {
	r.t.Helper()
	start := time.Now()
	got := r.deliver(provider, body)
	got.want(r.t, 503, `{"error":"unavailable"}`)
	if after := got.header.Get("Retry-After"); after != "5" {
		r.t.Errorf("Retry-After %q", after)
	}
	if took := time.Since(start); took > 2*time.Second {
		r.t.Errorf("took %v", took)
	}
	if n := r.wakes.Load(); n != 0 {
		r.t.Errorf("woke the relay %d times", n)
	}
}

func TestPostgresGone(t *testing.T) {
	t.Parallel()
	pg := testservers.NewPostgres(t)
	r := newReception(t, openStore(t, pg.URL()), allProviders(t))
	r.deliver("trst", trstBody, forged).want(t, 401, isUnverified)

	pg.Kill()
	r.wantUnavailable("trst", trstBody)
	send(t, "GET", r.url+"/readyz", nil, nil).want(t, 503, `{"error":"unavailable"}`)
	r.deliver("trst", trstBody, forged).want(t, 401, isUnverified) // still no oracle for strangers

	pg.Start()
	r.deliver("trst", trstBody).want(t, 200, isAccepted)

	pg.Pause()
	other := strings.Replace(trstBody, "0f6d2b84", "11111111", 1)
	start := time.Now()
	got := r.deliver("trst", other)
	if took := time.Since(start); got.status != 503 || took > 2*time.Second {
		t.Errorf("a frozen database: answered %d after %v", got.status, took)
	}
	pg.Resume()
	if got := r.deliver("trst", other); got.status != 200 {
		t.Errorf("after that: answered %d %s", got.status, got.body)
	}
}

// panicking is a provider with a programmer's error.
type panicking struct{ Provider }

func (panicking) Verify(Delivery) (Envelope, error) { panic("a nil map") }

func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	r := newReception(t, openStore(t, sqliteURL(t)), map[string]Provider{"trst": panicking{allProviders(t)["trst"]}})
	r.deliver("trst", trstBody).want(t, 500, `{"error":"unavailable"}`)
	mac := hexMAC(trstSecret, trstBody)
	if log := r.log.String(); !strings.Contains(log, "panic in handler") || strings.Contains(log, mac) {
		t.Errorf("logged %s", log)
	}
	send(t, "GET", r.url+"/healthz", nil, nil).want(t, 200, `{"status":"ok"}`)
}

// TestReady: the check has a deadline, and what it finds stays with us.
func TestReady(t *testing.T) {
	t.Parallel()
	var trouble error
	h := NewRouter(nil, nil, func(ctx context.Context) error {
		if until, limited := ctx.Deadline(); !limited || time.Until(until) > time.Second {
			t.Errorf("deadline %v, %v", until, limited)
		}
		return trouble
	}, slog.New(slog.DiscardHandler))
	get := func() reply {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return reply{w.Code, w.Body.String(), w.Header()}
	}
	get().want(t, 200, `{"status":"ready"}`)
	trouble = errors.New("password authentication failed for user kyc")
	get().want(t, 503, `{"error":"unavailable"}`)
}
