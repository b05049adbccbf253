package diagnosis

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/identity-webhooks/handlers"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Request{
		"POST /webhooks/unlisted HTTP/1.1\r\nX-A: b\r\n\r\n{}\r\n": request("/webhooks/unlisted", "{}\r\n", "X-A", "b"),
		"POST /webhooks/unlisted?x=1\nx-a:\tb \nX-A: c\n\n\n{}":    request("/webhooks/unlisted", "\n{}", "X-A", "b", "c"),
		"POST https://a.example/webhooks/unlisted HTTP/2\n\n":      request("/webhooks/unlisted", ""),
		"X-A: b: c\n\nbody":          request("", "body", "X-A", "b: c"),
		"\xef\xbb\xbfX-A: b\n\nbody": request("", "body", "X-A", "b"),
		"X-A: b":                     request("", "", "X-A", "b"),
		"\nbody":                     request("", "body"),
		"Content-Length: no\n\nbody": request("", "body", "Content-Length", "no"),
		"Content-Length: 4\n\nbody":  request("", "body", "Content-Length", "4"),
		"Transfer-Encoding: chunked\n\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n": request("", "body", "Transfer-Encoding", "chunked"),
		"Transfer-Encoding: chunked\n\n{}":                              request("", "{}", "Transfer-Encoding", "chunked"),
	} {
		got, err := ParseRequest([]byte(raw))
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", raw, err, diff)
		}
	}
	for raw, want := range map[string]Request{
		"Content-Length: 2\n\nbody": {Delivery: handlers.Delivery{Body: []byte("bo")}, Extra: []byte("dy")},
		"Content-Length: 9\n\nbody": {Delivery: handlers.Delivery{Body: []byte("body")}, Missing: 5},
	} {
		got, err := ParseRequest([]byte(raw))
		got.Delivery.Header = nil
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", raw, err, diff)
		}
	}
	known := handlers.ProviderNames()[0]
	if r, err := ParseRequest([]byte("POST /kyc/webhooks/" + known + "/a%2Fb HTTP/1.1\n\n")); err != nil || r.Provider != known || r.Delivery.Token != "a/b" {
		t.Errorf("the path leads to %q, token %q, %v", r.Provider, r.Delivery.Token, err)
	}
	for _, raw := range []string{"", `{"secret":"b"}`, "X-A: b\nsecret\n\n", " X-A: secret\n\n"} {
		if r, err := ParseRequest([]byte(raw)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %+v, %v", raw, r, err)
		}
	}
}

// request is a request with at most one header.
func request(path, body string, header ...string) Request {
	r := Request{Path: path, Delivery: handlers.Delivery{Header: http.Header{}, Body: []byte(body)}}
	if len(header) > 0 {
		r.Delivery.Header[header[0]] = header[1:]
	}
	return r
}
