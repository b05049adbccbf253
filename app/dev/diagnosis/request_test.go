package diagnosis

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/handlers"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Request{
		"POST /webhooks/acme HTTP/1.1\r\nX-A: b\r\n\r\n{}\r\n": {Path: "/webhooks/acme", Header: http.Header{"X-A": {"b"}}, Body: []byte("{}\r\n")},
		"POST /webhooks/acme?x=1\nx-a:\tb \nX-A: c\n\n\n{}":    {Path: "/webhooks/acme", Header: http.Header{"X-A": {"b", "c"}}, Body: []byte("\n{}")},
		"POST https://a.example/webhooks/acme HTTP/2\n\n":      {Path: "/webhooks/acme", Header: http.Header{}, Body: []byte{}},
		"X-A: b: c\n\nbody":          {Header: http.Header{"X-A": {"b: c"}}, Body: []byte("body")},
		"\xef\xbb\xbfX-A: b\n\nbody": {Header: http.Header{"X-A": {"b"}}, Body: []byte("body")},
		"X-A: b":                     {Header: http.Header{"X-A": {"b"}}},
		"\nbody":                     {Header: http.Header{}, Body: []byte("body")},
		"Content-Length: 2\n\nbody":  {Header: http.Header{"Content-Length": {"2"}}, Body: []byte("bo"), Extra: []byte("dy")},
		"Content-Length: 9\n\nbody":  {Header: http.Header{"Content-Length": {"9"}}, Body: []byte("body"), Missing: 5},
		"Content-Length: 4\n\nbody":  {Header: http.Header{"Content-Length": {"4"}}, Body: []byte("body"), Extra: []byte{}},
		"Transfer-Encoding: chunked\n\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n": {Header: http.Header{"Transfer-Encoding": {"chunked"}}, Body: []byte("body")},
		"Transfer-Encoding: chunked\n\n{\"a\":1}":                       {Header: http.Header{"Transfer-Encoding": {"chunked"}}, Body: []byte(`{"a":1}`)},
	} {
		got, err := ParseRequest([]byte(raw))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", raw, err, diff)
		}
	}
	for raw, want := range map[string]string{
		"":                       "the request is empty",
		`{"a":"b"}`:              "line 1 of the request is not a header: want Name: value, and an empty line before the body",
		"X-A: b\n secret\n\n":    "line 2 of the request is not a header: want Name: value, and an empty line before the body",
		"X A: b\n\n":             "line 1 of the request is not a header: want Name: value, and an empty line before the body",
		"Content-Length: -1\n\n": "the Content-Length of the request is not one number",
		"Content-Length: 1\nContent-Length: 2\n\n": "the Content-Length of the request is not one number",
	} {
		if _, err := ParseRequest([]byte(raw)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", raw, err, want)
		}
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	known := handlers.ProviderNames()[0]
	for path, want := range map[string][2]string{
		"/webhooks/" + known:                      {known, ""},
		"/kyc/webhooks/" + known + "/a%2Fb%2541+": {known, "a/b%41+"},
		"/webhooks/" + known + "/a/b":             {known, "a/b"},
		"/webhooks/" + known + "/%zz":             {known, ""},
		"/webhooks/unknown":                       {"", ""},
		"/hooks":                                  {"", ""},
		"":                                        {"", ""},
	} {
		if provider, token := Route(path); [2]string{provider, token} != want {
			t.Errorf("%s: got %q and %q, want %q", path, provider, token, want)
		}
	}
}
