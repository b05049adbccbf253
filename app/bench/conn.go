package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answerTimeout is how long a delivery may take. The app's own limit for a commit is 1.5 s.
const answerTimeout = 10 * time.Second

// conn sends deliveries over one connection. It writes and reads HTTP/1.1 by hand: net/http's client costs more than its
// server, and the generator shares the cores with what it measures.
type conn struct {
	base *url.URL
	conn net.Conn // nil where none is open
	in   *bufio.Reader
	out  []byte
	body []byte
}

// dial connects, where it has not.
func (c *conn) dial(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	host, port := c.base.Hostname(), c.base.Port()
	var d interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = &net.Dialer{Timeout: answerTimeout}
	if c.base.Scheme == "https" {
		d = &tls.Dialer{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
		port = orDefault(port, "443")
	}
	opened, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, orDefault(port, "80")))
	if err != nil {
		return err
	}
	c.conn, c.in = opened, bufio.NewReader(opened)
	return nil
}

func orDefault(text, byDefault string) string {
	if text == "" {
		return byDefault
	}
	return text
}

func (c *conn) close() {
	if c.conn != nil {
		_ = c.conn.Close() // it has said all it had to say
		c.conn = nil
	}
}

// post sends a body and returns the answer. After an error the connection is closed, and whether the delivery arrived is not
// known.
func (c *conn) post(path string, header http.Header, body []byte) (status int, answer []byte, err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	c.out = append(c.out[:0], "POST "...)
	c.out = append(append(append(c.out, c.base.EscapedPath()...), "/webhooks/"...), path...)
	c.out = append(append(c.out, " HTTP/1.1\r\nHost: "...), c.base.Host...)
	c.out = append(c.out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n"...)
	for name, values := range header {
		for _, v := range values {
			c.out = append(append(append(append(c.out, name...), ": "...), v...), "\r\n"...)
		}
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, nil, err
	}
	return c.answer()
}
