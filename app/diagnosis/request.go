package diagnosis

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// Request is an HTTP request as it went over the wire, or as a tool shows it.
type Request struct {
	Path    string // as it is written, without the query; empty if there is no request line
	Header  http.Header
	Body    []byte
	Missing int    // bytes that Content-Length promises and are not there
	Extra   []byte // what follows those it promises
}

// ParseRequest reads a request line, headers, an empty line and the body; lines end in LF or CRLF. The request line may be
// missing. The body is as long as Content-Length says, if it is there, and is taken out of chunks if it is in chunks. The errors
// quote nothing.
func ParseRequest(raw []byte) (Request, error) {
	r := Request{Header: http.Header{}}
	raw = bytes.TrimPrefix(raw, bom) // of an editor
	for number := 1; ; number++ {
		line, rest, ended := bytes.Cut(raw, []byte("\n"))
		text := strings.TrimSuffix(string(line), "\r")
		raw = rest
		if text == "" {
			if number == 1 && !ended {
				return r, fmt.Errorf("parse request: it is empty")
			}
			break
		}
		if path, isFirst := requestLine(text); number == 1 && isFirst {
			r.Path = path
			continue
		}
		name, value, found := strings.Cut(text, ":")
		if !found || !isToken(name) {
			return r, fmt.Errorf("parse request: line %d is no header: want Name: value, and an empty line before the body", number)
		}
		r.Header.Add(name, textproto.TrimString(value))
		if !ended {
			break
		}
	}
	return r, r.takeBody(raw)
}

// takeBody finds the body in what follows the headers.
func (r *Request) takeBody(raw []byte) error {
	r.Body = raw
	if strings.EqualFold(r.Header.Get("Transfer-Encoding"), "chunked") {
		body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw)))
		if err == nil { // else a tool has shown it without its chunks
			r.Body = body
		}
		return nil
	}
	lengths := r.Header.Values("Content-Length")
	if len(lengths) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(lengths[0], 10, 31)
	if err != nil || len(slices.Compact(slices.Clone(lengths))) > 1 {
		return fmt.Errorf("parse request: Content-Length is no single number")
	}
	if int(n) > len(raw) {
		r.Missing = int(n) - len(raw)
		return nil
	}
	r.Body, r.Extra = raw[:n], raw[n:]
	return nil
}

// Route returns the provider that a path leads to, and the token after it. Both are empty if it leads to none.
func Route(path string) (provider, token string) {
	_, rest, found := strings.Cut(path, "/webhooks/")
	if !found {
		return "", ""
	}
	provider, token, _ = strings.Cut(rest, "/")
	if !slices.Contains(handlers.ProviderNames(), provider) {
		return "", ""
	}
	token, err := url.PathUnescape(token)
	if err != nil {
		token = ""
	}
	return provider, token
}

// requestLine reads the target's path out of a line such as POST /webhooks/trst HTTP/1.1.
func requestLine(line string) (path string, found bool) {
	method, rest, found := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	if !found || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", false
	}
	if _, after, absolute := strings.Cut(target, "://"); absolute {
		_, after, _ = strings.Cut(after, "/")
		target = "/" + after
	}
	path, _, _ = strings.Cut(target, "?")
	return path, strings.HasPrefix(path, "/")
}

// isToken reports whether a text can be a header's name.
func isToken(text string) bool {
	const special = "!#$%&'*+-.^_`|~"
	for _, r := range text {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(special, r) {
			return false
		}
	}
	return text != ""
}
