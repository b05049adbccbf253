package jobs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Clients are what follow-ups use to reach the outside world. A client without configuration is nil.
type Clients struct {
	Mail     *Mail
	Callback *Callback
	Slack    *Slack
}

// ClientConfig holds the settings of the clients. A client whose settings are empty is off.
type ClientConfig struct {
	CallbackURL, CallbackSecret string // the secret is whsec_ and 24 to 64 bytes in base64
	SMTPURL, MailFrom           string // see newMail
	SlackURL                    string // an incoming webhook
}

// NewClients returns the configured clients. The error lists all problems, each with the name of its variable, and contains no secret.
func NewClients(c ClientConfig) (Clients, error) {
	client := newHTTPClient(newDialer())
	callback, err1 := newCallback(c.CallbackURL, c.CallbackSecret, client)
	mail, err2 := newMail(c.SMTPURL, c.MailFrom)
	slack, err3 := newSlack(c.SlackURL, client)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Clients{}, err
	}
	return Clients{mail, callback, slack}, nil
}

// parseURL reads the value of a variable. It may contain credentials, so the error does not quote it.
func parseURL(variable, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("%s: want an http:// or https:// URL", variable)
	}
	return u, nil
}

var errLinkLocal = errors.New("link-local addresses are refused")

// newDialer returns a dialer that refuses link-local addresses, because clouds serve credentials to their machines there. Private
// addresses are allowed, since the operator chose the URL. The check runs after DNS, so a host name cannot get around it.
func newDialer() *net.Dialer {
	return &net.Dialer{
		Timeout: 5 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); err != nil || a.Addr().Unmap().IsLinkLocalUnicast() {
				return errLinkLocal
			}
			return nil
		},
	}
}

// newHTTPClient returns a client that neither follows redirects nor keeps cookies.
func newHTTPClient(dialer *net.Dialer) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = dialer.DialContext
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
}

// postJSON posts the body and returns nil if the answer is a 2xx. A 410 is permanent: the receiver wants no more. Errors contain the
// host and the status code, and nothing else of the URL or the answer.
func postJSON(ctx context.Context, client *http.Client, u *url.URL, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to %s: %w", u.Host, hideURL(err))
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "identity-webhooks")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("post to %s: %w", u.Host, hideURL(err))
	}
	_ = resp.Body.Close() // only the status counts
	answered := fmt.Sprintf("post to %s: answered %d %s", u.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%s, and redirects are not followed", answered)
	case code == http.StatusGone:
		return fmt.Errorf("%s: %w", answered, ErrPermanent)
	}
	return errors.New(answered)
}

var errNoAnswer = errors.New("no valid HTTP answer")

// hideURL returns the cause of an error from net/http, or errNoAnswer if the cause could quote the answer.
func hideURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var network net.Error
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &network) || errors.As(err, &certificate) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return err
	}
	return errNoAnswer
}

// unset returns why a follow-up is off: the variable that its client needs is not set. It is empty if it is set.
func unset(isUnset bool, variable string) string {
	if isUnset {
		return variable + " is not set"
	}
	return ""
}
