package diagnosis

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Request{
		"POST /webhooks/trst HTTP/1.1\r\nX-A: b\r\n\r\n{}\r\n": {Path: "/webhooks/trst", Header: http.Header{"X-A": {"b"}}, Body: []byte("{}\r\n")},
		"POST /webhooks/trst?x=1\nx-a:\tb \nX-A: c\n\n\n{}":    {Path: "/webhooks/trst", Header: http.Header{"X-A": {"b", "c"}}, Body: []byte("\n{}")},
		"POST https://a.example/webhooks/trst HTTP/2\n\n":      {Path: "/webhooks/trst", Header: http.Header{}, Body: []byte{}},
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
		"":                       "parse request: it is empty",
		`{"a":"b"}`:              "parse request: line 1 is no header: want Name: value, and an empty line before the body",
		"X-A: b\n secret\n\n":    "parse request: line 2 is no header: want Name: value, and an empty line before the body",
		"X A: b\n\n":             "parse request: line 1 is no header: want Name: value, and an empty line before the body",
		"Content-Length: x\n\n":  "parse request: Content-Length is no single number",
		"Content-Length: -1\n\n": "parse request: Content-Length is no single number",
		"Content-Length: 1\nContent-Length: 2\n\n": "parse request: Content-Length is no single number",
	} {
		if _, err := ParseRequest([]byte(raw)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", raw, err, want)
		}
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][2]string{
		"/webhooks/trst":                     {"trst", ""},
		"/kyc/webhooks/trustist/a%2Fb%2541+": {"trustist", "a/b%41+"},
		"/webhooks/trustist/a/b":             {"trustist", "a/b"},
		"/webhooks/trustist/%zz":             {"trustist", ""},
		"/webhooks/acme":                     {"", ""},
		"/hooks":                             {"", ""},
		"":                                   {"", ""},
	} {
		if provider, token := Route(path); [2]string{provider, token} != want {
			t.Errorf("%s: got %q and %q, want %q", path, provider, token, want)
		}
	}
}

// FuzzRawRequest: whatever is pasted, the body is a part of it, byte for byte, headers are in their canonical form, and what is
// read is read again from the same parts.
func FuzzRawRequest(f *testing.F) {
	for _, l := range corpus(f)[:40] {
		f.Add(l.raw())
	}
	for _, raw := range []string{"", "\n", "\r\n\r\n", "A:b", "POST / HTTP/1.1", "Content-Length: 99999999999\n\n", "Transfer-Encoding: chunked\n\nffffffffffffffff\r\n"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRequest(raw)
		if err != nil {
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("%q has more than one line", err)
			}
			return
		}
		chunked := strings.EqualFold(r.Header.Get("Transfer-Encoding"), "chunked")
		if !chunked && !bytes.HasSuffix(raw, append(bytes.Clone(r.Body), r.Extra...)) {
			t.Errorf("body and rest are not the end of %q: %+v", raw, r)
		}
		var again bytes.Buffer
		if r.Path != "" {
			again.WriteString("POST " + r.Path + " HTTP/1.1\r\n")
		}
		for name, values := range r.Header {
			if http.CanonicalHeaderKey(name) != name {
				t.Errorf("%q is not in its canonical form", name)
			}
			for _, v := range values {
				again.WriteString(name + ": " + v + "\r\n")
			}
		}
		if chunked {
			return
		}
		again.WriteString("\r\n")
		again.Write(append(bytes.Clone(r.Body), r.Extra...))
		second, err := ParseRequest(again.Bytes())
		if diff := cmp.Diff(r.Header, second.Header); err != nil || diff != "" || !bytes.Equal(r.Body, second.Body) || r.Missing != second.Missing {
			t.Errorf("%q, read again: %v, %s", again.String(), err, diff)
		}
	})
}
