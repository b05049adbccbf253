package diagnosis

import (
	"bufio"
	"bytes"
	"errors"
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

// Request is a delivery as it went over the wire, or as a tool shows it.
type Request struct {
	Path     string // as written in the request line, without the query; empty if there is no request line
	Provider string // the one in the path; empty if there is none
	Delivery handlers.Delivery
	Missing  int    // how many bytes of the body are missing, according to Content-Length
	Extra    []byte // what follows the body, according to Content-Length
}

var requestLine = regexp.MustCompile(`^[A-Z]+ (?:[a-zA-Z]+://[^/ ]*)?(/[^?\s]*)`)

// ParseRequest reads an optional request line, headers, an empty line and the body. Lines end in LF or CRLF. The body is as
// long as Content-Length says, if that header is there. A chunked body is decoded. The errors quote no part of the request.
func ParseRequest(raw []byte) (Request, error) {
	if len(raw) == 0 {
		return Request{}, errors.New("the request is empty")
	}
	var r Request
	raw = bytes.TrimPrefix(raw, []byte(bom))
	if line := requestLine.FindSubmatch(raw); line != nil {
		r.setPath(string(line[1]))
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	reader := bufio.NewReader(bytes.NewReader(raw))
	header, err := textproto.NewReader(reader).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return r, errors.New("a line of the request is not a header: want Name: value, and an empty line before the body")
	}
	r.Delivery.Header = http.Header(header)
	rest, err := io.ReadAll(reader)
	r.cutBody(rest)
	return r, err
}

// cutBody finds the body in what follows the headers.
func (r *Request) cutBody(raw []byte) {
	r.Delivery.Body = raw
	if strings.EqualFold(r.Delivery.Header.Get("Transfer-Encoding"), "chunked") {
		// If there are no chunks, a tool has already decoded them.
		if body, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw))); err == nil {
			r.Delivery.Body = body
		}
		return
	}
	n, err := strconv.Atoi(r.Delivery.Header.Get("Content-Length"))
	switch {
	case err != nil || n < 0: // it does not say where the body ends
	case n > len(raw):
		r.Missing = n - len(raw)
	default:
		r.Delivery.Body, r.Extra = raw[:n], raw[n:]
	}
}

// setPath sets the path, and the provider and the token in it.
func (r *Request) setPath(path string) {
	r.Path = path
	_, rest, _ := strings.Cut(path, "/webhooks/")
	provider, token, _ := strings.Cut(rest, "/")
	if slices.Contains(handlers.ProviderNames(), provider) {
		r.Provider = provider
		r.Delivery.Token, _ = url.PathUnescape(token)
	}
}
