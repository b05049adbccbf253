package jobs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"example.com/identity-webhooks/models"
)

const callbackSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var changedAt = models.At(time.Date(2026, 2, 4, 15, 0, 1, 0, time.UTC))

// verified returns the change that most tests use.
func verified() models.Change {
	customer := models.Customer{
		ID: 12, Provider: "acme", SubjectID: "sub_1", ExternalID: "user-7", FirstName: "Ada", LastName: "Lovelace", Email: "ada@example.com",
		Status: models.StatusInReview, DecidedBy: models.ByAutomatic, Revision: 3,
	}
	c := models.Change{
		Before: customer, After: customer, Key: "fu_1f2e3d",
		Event: models.Event{ID: 34, Provider: "acme", ExternalID: "evt_9", Type: "applicant.reviewed", OccurredAt: models.At(changedAt.Add(-time.Second))},
	}
	c.After.Status, c.After.Revision, c.After.UpdatedAt = models.StatusVerified, 4, changedAt
	return c
}

func callbackTo(t *testing.T, target string) *Callback {
	t.Helper()
	clients, err := NewClients(ClientConfig{CallbackURL: target, CallbackSecret: callbackSecret})
	if err != nil {
		t.Fatal(err)
	}
	return clients.Callback
}

type delivered struct {
	header http.Header
	body   []byte
}

// receiver starts a server that answers every request with a status and passes the request on.
func receiver(t *testing.T, status int) (*httptest.Server, <-chan delivered) {
	t.Helper()
	got := make(chan delivered, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- delivered{r.Header, body}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server, got
}

// TestCallbackSigned shows that the library of Standard Webhooks accepts a callback, and refuses a changed one.
func TestCallbackSigned(t *testing.T) {
	t.Parallel()
	server, got := receiver(t, http.StatusNoContent)
	if err := callbackTo(t, server.URL).Post(t.Context(), verified()); err != nil {
		t.Fatal(err)
	}
	r := <-got
	library, err := standardwebhooks.NewWebhook(callbackSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Verify(r.body, r.header); err != nil {
		t.Error(err)
	}
	if err := library.Verify(append(r.body, ' '), r.header); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
		t.Errorf("a changed body: got %v", err)
	}
	if id, kind := r.header.Get("webhook-id"), r.header.Get("Content-Type"); id != "fu_1f2e3d" || kind != "application/json" {
		t.Errorf("got webhook-id %q, content type %q", id, kind)
	}
}

// TestCallbackVector checks the signature against the example of the specification:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func TestCallbackVector(t *testing.T) {
	t.Parallel()
	got := callbackTo(t, "http://localhost").sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if diff := cmp.Diff("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got); diff != "" {
		t.Error(diff)
	}
}

// TestCallbackBody shows the whole body, since receivers depend on it, and what differs for a hold and for a new customer.
func TestCallbackBody(t *testing.T) {
	t.Parallel()
	const before = `{"id":12,"provider":"acme","subject_id":"sub_1","external_id":"user-7","tenant_id":"","first_name":"Ada","last_name":"Lovelace",` +
		`"email":"ada@example.com","status":"in_review","status_reason":"","status_at":null,"decided_by":"automatic","risk_level":"","risk_score":null,` +
		`"flags":[],"screening_status":"","aml_hold":false,"sandbox":false,"revision":3,"created_at":null,"updated_at":null}`
	after := strings.NewReplacer(`"in_review"`, `"verified"`, `"revision":3`, `"revision":4`, `"updated_at":null`, `"updated_at":"2026-02-04T15:00:01Z"`).Replace(before)
	held := strings.NewReplacer(`"verified"`, `"in_review"`, `"aml_hold":false`, `"aml_hold":true`).Replace(after)
	const rest = `"event":{"id":34,"provider":"acme","external_id":"evt_9","type":"applicant.reviewed","occurred_at":"2026-02-04T15:00:00Z"},"revision":4}}`
	const status, hold = `{"type":"customer.status_changed","timestamp":"2026-02-04T15:00:01Z","data":{"customer":`, `{"type":"customer.hold_changed","timestamp":"2026-02-04T15:00:01Z","data":{"customer":`
	tests := map[string]struct {
		edit func(*models.Change)
		want string
	}{
		"status":       {func(*models.Change) {}, status + after + `,"previous":` + before + `,` + rest},
		"hold":         {func(c *models.Change) { c.After.Status, c.After.AMLHold = c.Before.Status, true }, hold + held + `,"previous":` + before + `,` + rest},
		"new customer": {func(c *models.Change) { c.Before = models.Customer{Status: models.StatusPending} }, status + after + `,"previous":null,` + rest},
	}
	server, got := receiver(t, http.StatusOK)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			change := verified()
			test.edit(&change)
			if err := callbackTo(t, server.URL).Post(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string((<-got).body)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCallbackAnswers shows which answers end a callback, and that no error quotes the URL or the answer.
func TestCallbackAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer    string
		done      bool
		permanent bool
	}{
		"200":              {"200 OK", true, false},
		"202 with a body":  {"202 Accepted\r\nContent-Length: 6\r\n\r\nCANARY", true, false},
		"200 that hangs":   {"200 OK\r\nContent-Length: 600\r\n\r\nCANARY", true, false},
		"302":              {"302 Found\r\nLocation: http://CANARY.example/", false, false},
		"308":              {"308 CANARY\r\nLocation: /CANARY", false, false},
		"400":              {"400 CANARY\r\n\r\nCANARY", false, false},
		"401":              {"401 Unauthorized", false, false},
		"404":              {"404 Not Found", false, false},
		"410":              {"410 CANARY", false, true},
		"429":              {"429 Too Many Requests", false, false},
		"500":              {"500 CANARY", false, false},
		"503":              {"503 Service Unavailable", false, false},
		"not HTTP":         {"CANARY", false, false},
		"malformed header": {"200 OK\r\nCANARY", false, false},
		"malformed length": {"200 OK\r\nContent-Length: CANARY", false, false},
		"endless header":   {"200 OK\r\nX: " + strings.Repeat("CANARY", 20000), false, false},
		"nothing":          {"", false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := rawServer(t, test.answer)
			callback := callbackTo(t, "http://user:CANARY@"+address+"/CANARY?token=CANARY")
			err := callback.Post(t.Context(), verified())
			if done, permanent := err == nil, errors.Is(err, ErrPermanent); done != test.done || permanent != test.permanent {
				t.Errorf("got %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "CANARY") || !strings.Contains(err.Error(), address)) {
				t.Errorf("want the host and nothing else of the URL or the answer: %v", err)
			}
		})
	}
}

// rawServer answers each request with this text and keeps the connection open, unless the text is empty.
func rawServer(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() //nolint:errcheck // the test is over
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil || answer == "" {
					return
				}
				io.WriteString(conn, "HTTP/1.1 "+answer+"\r\n\r\n") //nolint:errcheck // the test fails on the other side
				<-done
			}()
		}
	}()
	return l.Addr().String()
}

// TestCallbackRedirect shows that nothing is sent to where a redirect points.
func TestCallbackRedirect(t *testing.T) {
	t.Parallel()
	elsewhere, got := receiver(t, http.StatusOK)
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirect := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		defer redirect.Close()
		if err := callbackTo(t, redirect.URL).Post(t.Context(), verified()); err == nil || errors.Is(err, ErrPermanent) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	if len(got) > 0 {
		t.Error("a redirect was followed")
	}
}

// TestCallbackHangs shows that a receiver that never answers holds a worker no longer than the deadline allows.
func TestCallbackHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = callbackTo(t, "http://"+l.Addr().String()).Post(ctx, verified())
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrPermanent) {
		t.Errorf("got %v", err)
	}
}

// TestLinkLocalRefused shows that no URL and no name leads to the addresses where clouds serve credentials, while the operator's own
// network can be reached (the other tests post to this machine).
func TestLinkLocalRefused(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"http://169.254.169.254/latest", "http://metadata.example"} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		dialer := newDialer()
		dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", nameServer(t, "169.254.169.254"))
		}}
		client := newHTTPClient(dialer)
		client.Transport.(*http.Transport).Proxy = nil
		if err := postJSON(t.Context(), client, u, http.Header{}, nil); !errors.Is(err, errLinkLocal) {
			t.Errorf("%s: got %v", target, err)
		}
	}
	for address, want := range map[string]error{ // not dialed, since a machine may have no IPv6
		"[fe80::1%eth0]:80": errLinkLocal, "[::ffff:169.254.169.254]:80": errLinkLocal, "[::1]:80": nil, "10.0.0.1:80": nil, "[fd00::1]:80": nil,
	} {
		if err := newDialer().Control("tcp", address, nil); !errors.Is(err, want) {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// nameServer is a DNS server that knows every name under one IPv4 address, and under no IPv6 address.
func nameServer(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			end := 12 // of the header; then comes the name, a list of labels with their lengths, and four bytes of type and class
			for end < n && query[end] != 0 {
				end += int(query[end]) + 1
			}
			question, wantsIPv4 := query[12:end+5], query[end+2] == 1
			answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if wantsIPv4 {
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4) // the name at byte 12, type A, class IN, a minute
				answer = append(answer, net.ParseIP(address).To4()...)
			}
			conn.WriteTo(answer, from) //nolint:errcheck // the test fails on the other side
		}
	}()
	return conn.LocalAddr().String()
}
