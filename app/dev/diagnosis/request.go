package diagnosis

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"regexp"
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
	Missing int    // bytes that Content-Length promises and that are not there
	Extra   []byte // what follows those it promises
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ (?:[a-zA-Z]+://[^/ ]*)?(/[^? ]*)`)
	headerLine  = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$")
)

// ParseRequest reads an optional request line, headers, an empty line and the body. Lines end in LF or CRLF. The body is as long as
// Content-Length says, if it is there; a chunked body is put together. The errors quote nothing of the request.
func ParseRequest(raw []byte) (Request, error) {
	r := Request{Header: http.Header{}}
	if len(raw) == 0 {
		return r, errors.New("the request is empty")
	}
	raw = bytes.TrimPrefix(raw, bom)
	for number := 1; ; number++ {
		line, rest, ended := bytes.Cut(raw, []byte("\n"))
		text := strings.TrimSuffix(string(line), "\r")
		raw = rest
		if text == "" {
			break
		}
		if parts := requestLine.FindStringSubmatch(text); number == 1 && parts != nil {
			r.Path = parts[1]
		} else if parts := headerLine.FindStringSubmatch(text); parts != nil {
			r.Header.Add(parts[1], textproto.TrimString(parts[2]))
		} else {
			return r, fmt.Errorf("line %d of the request is not a header: want Name: value, and an empty line before the body", number)
		}
		if !ended {
			break
		}
	}
	return r, r.cutBody(raw)
}

// cutBody finds the body in what follows the headers.
func (r *Request) cutBody(raw []byte) error {
	r.Body = raw
	if strings.EqualFold(r.Header.Get("Transfer-Encoding"), "chunked") {
		// If there are no chunks, a tool has put them together already.
		if body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw))); err == nil {
			r.Body = body
		}
		return nil
	}
	lengths := slices.Compact(slices.Clone(r.Header.Values("Content-Length")))
	if len(lengths) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(lengths[0], 10, 31)
	if err != nil || len(lengths) > 1 {
		return errors.New("the Content-Length of the request is not one number")
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
	_, rest, _ := strings.Cut(path, "/webhooks/")
	provider, token, _ = strings.Cut(rest, "/")
	if !slices.Contains(handlers.ProviderNames(), provider) {
		return "", ""
	}
	token, err := url.PathUnescape(token)
	if err != nil {
		return provider, ""
	}
	return provider, token
}
