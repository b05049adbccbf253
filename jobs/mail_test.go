package jobs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// mailbox is an SMTP server that keeps the messages it gets.
type mailbox struct {
	rcpt, data error                        // what it answers to a recipient and to a message; nil: it takes them
	signIn     bool                         // it requires the user "ada" with the password "p@ss#1"
	drops      func(beforeAnswer bool) bool // whether it closes the connection once it has a message; nil: never
	got        chan letter
	address    string
	roots      *x509.CertPool // what a client has to trust
}

type letter struct {
	from   string
	to     []string
	secure bool // came over TLS
	raw    string
}

// start serves on a free port: with TLS from the first byte, or with STARTTLS, or neither.
func (m *mailbox) start(t *testing.T, implicit, starttls bool) *mailbox {
	t.Helper()
	m.got = make(chan letter, 10)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{mailbox: m, conn: c}, nil
	}))
	server.AllowInsecureAuth = true
	server.ErrorLog = discard{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	borrowed := httptest.NewUnstartedServer(nil) // for its certificate, which names 127.0.0.1
	borrowed.StartTLS()
	config := &tls.Config{Certificates: borrowed.TLS.Certificates}
	m.roots = x509.NewCertPool()
	m.roots.AddCert(borrowed.Certificate())
	borrowed.Close()
	if starttls {
		server.TLSConfig = config
	}
	if implicit {
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }() //nolint:errcheck // it ends with Close
	t.Cleanup(func() { _ = server.Close(); <-done })
	return m
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

type mailSession struct {
	*mailbox
	conn     *smtp.Conn
	letter   letter
	signedIn bool
}

func (s *mailSession) AuthMechanisms() []string {
	if s.signIn {
		return []string{sasl.Plain}
	}
	return nil
}

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "ada" || password != "p@ss#1" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no CANARY " + password}
		}
		s.signedIn = true
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.signIn && !s.signedIn {
		return smtp.ErrAuthRequired
	}
	_, secure := s.conn.TLSConnectionState()
	s.letter = letter{from: from, secure: secure}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.letter.to = append(s.letter.to, to)
	return s.rcpt
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.letter.raw = string(raw)
	s.got <- s.letter
	s.drop(true)
	return s.data
}

func (s *mailSession) drop(beforeAnswer bool) {
	if s.drops != nil && s.letter.raw != "" && s.drops(beforeAnswer) {
		s.conn.Conn().Close() //nolint:errcheck // it is to fail
	}
}

func (s *mailSession) Reset()      { s.drop(false) } // called after the answer to a message, too
func (*mailSession) Logout() error { return nil }

// client returns a Mail for a URL in which "host" stands for the address of the server.
func (m *mailbox) client(t *testing.T, url string) *Mail {
	t.Helper()
	clients, err := NewClients(ClientConfig{SMTPURL: strings.Replace(url, "host", m.address, 1), MailFrom: "Acme <no-reply@acme.example>"})
	if err != nil {
		t.Fatal(err)
	}
	if m.roots != nil {
		clients.Mail.tls.RootCAs = m.roots
	}
	return clients.Mail
}

// parts splits a message into its header, its text and its HTML.
func (l letter) parts(t *testing.T) (header netmail.Header, text, html string) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(l.raw))
	if err != nil {
		t.Fatal(err)
	}
	_, boundary, _ := strings.Cut(msg.Header.Get("Content-Type"), "boundary=")
	r := multipart.NewReader(msg.Body, strings.Trim(boundary, `"`))
	var bodies []string
	for part, err := r.NextRawPart(); err == nil; part, err = r.NextRawPart() {
		b, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, strings.ReplaceAll(string(b), "\r\n", "\n"))
	}
	if len(bodies) != 2 {
		t.Fatalf("got %d parts of:\n%s", len(bodies), l.raw)
	}
	return msg.Header, bodies[0], bodies[1]
}

// TestMail shows the mail of both occasions as it arrives.
func TestMail(t *testing.T) {
	t.Parallel()
	box := new(mailbox).start(t, false, false)
	mail := box.client(t, "smtp://host")
	rejected := verified()
	rejected.After.Status, rejected.After.StatusReason, rejected.After.AMLHold = models.StatusRejected, "sanctions", true
	tests := map[string]struct {
		send    func(context.Context, models.Change) error
		change  models.Change
		subject string
		text    string
	}{
		"welcome": {mail.Welcome, verified(), "Your identity is verified", "Hello Ada,\n\nyour identity has been verified."},
		"failure": {mail.Failed, rejected, "We could not verify your identity", "Hello Ada,\n\nwe could not verify your identity."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := test.send(t.Context(), test.change); err != nil {
				t.Fatal(err)
			}
			got := <-box.got
			if want := (letter{from: "no-reply@acme.example", to: []string{"ada@example.com"}, raw: got.raw}); cmp.Diff(want, got, cmp.AllowUnexported(letter{})) != "" {
				t.Errorf("got %+v", got)
			}
			header, text, html := got.parts(t)
			for name, want := range map[string]string{
				"From": `"Acme" <no-reply@acme.example>`, "To": "<ada@example.com>", "Subject": test.subject,
				"Message-Id": "<fu_1f2e3d@acme.example>", "Auto-Submitted": "auto-generated",
			} {
				if diff := cmp.Diff([]string{want}, header[name]); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
			if !strings.HasPrefix(text, test.text) || !strings.Contains(html, "<p>Hello Ada,</p>") {
				t.Errorf("got %s\n%s", text, html)
			}
			if strings.Contains(got.raw, "sanctions") {
				t.Error("the mail says why")
			}
		})
	}
}

// TestMailHostileNames shows that neither a name nor an address from a provider adds a header, a recipient, markup or a link.
func TestMailHostileNames(t *testing.T) {
	t.Parallel()
	box := new(mailbox).start(t, false, false)
	mail := box.client(t, "smtp://host")
	for name, want := range map[string]string{
		"Zoë-Ana D’Arc": "Hello Zoë-Ana D’Arc,", "": "Hello,",
		"<script>alert(1)</script>": "Hello,", "Ada\r\nBcc: eve@evil.example": "Hello,", "visit evil.example": "Hello,", strings.Repeat("a", 5000): "Hello,",
	} {
		change := verified()
		change.After.FirstName = name
		if err := mail.Welcome(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		got := <-box.got
		header, text, html := got.parts(t)
		if first, _, _ := strings.Cut(text, "\n"); first != want || !strings.Contains(html, "<p>"+want+"</p>") {
			t.Errorf("%q: got %s\n%s", name, text, html)
		}
		if len(header["Bcc"]) > 0 || !slices.Equal(got.to, []string{"ada@example.com"}) {
			t.Errorf("%q: got %v", name, got.to)
		}
	}
	for address, want := range map[string]error{
		"":                                      ErrSkipped,
		"Eve CANARY <ada@example.com>":          nil,
		"CANARY":                                ErrPermanent,
		"ada@example.com, CANARY@evil.example":  ErrPermanent,
		"ada@example.com\r\nBcc: CANARY@evil.x": ErrPermanent,
		"<ada@example.com>\r\nRCPT TO:<CANARY>": ErrPermanent,
	} {
		change := verified()
		change.After.Email = address
		err := mail.Welcome(t.Context(), change)
		if !errors.Is(err, want) || err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q: got %v", address, err)
		}
		if err == nil {
			if got := <-box.got; !slices.Equal(got.to, []string{"ada@example.com"}) || strings.Contains(got.raw, "CANARY") {
				t.Errorf("%q: got %+v", address, got)
			}
		}
	}
	if len(box.got) > 0 {
		t.Errorf("mail that was not to be sent arrived: %+v", <-box.got)
	}
}

// TestMailSecurity shows over what connections a mail and a password are sent.
func TestMailSecurity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		implicit, starttls, signIn bool
		url                        string
		want                       bool // the mail arrives
	}{
		"TLS":                               {true, false, false, "smtps://host", true},
		"TLS, signed in":                    {true, false, true, "smtps://ada:p%40ss%231@host", true},
		"STARTTLS":                          {false, true, false, "smtp://host?tls=starttls", true},
		"STARTTLS, signed in":               {false, true, true, "smtp://ada:p%40ss%231@host?tls=starttls", true},
		"this machine, signed in":           {false, false, true, "smtp://ada:p%40ss%231@host", true},
		"STARTTLS is required, not offered": {false, false, false, "smtp://host?tls=starttls", false},
		"TLS is required, not offered":      {false, true, false, "smtps://host", false},
		"no password":                       {false, true, true, "smtp://host?tls=starttls", false},
		"wrong password":                    {false, true, true, "smtp://ada:hunter2@host?tls=starttls", false},
		"password unknown to the server":    {false, true, false, "smtp://ada:hunter2@host?tls=starttls", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := (&mailbox{signIn: test.signIn}).start(t, test.implicit, test.starttls)
			mail := box.client(t, test.url)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := mail.Welcome(ctx, verified())
			if !test.want {
				if err == nil || errors.Is(err, ErrPermanent) || strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "hunter2") || len(box.got) > 0 {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := <-box.got; got.secure != (test.implicit || test.starttls) {
				t.Errorf("secure: %v", got.secure)
			}
		})
	}
	t.Run("a certificate of somebody else", func(t *testing.T) {
		t.Parallel()
		box := new(mailbox).start(t, true, false)
		mail := box.client(t, "smtps://host")
		mail.tls.RootCAs = x509.NewCertPool()
		var unknown x509.UnknownAuthorityError
		if err := mail.Welcome(t.Context(), verified()); !errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
	})
}

// TestMailRefused shows which refusals are permanent, and that no error quotes the server, which often repeats the address.
func TestMailRefused(t *testing.T) {
	t.Parallel()
	answer := func(code int) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "<ada@example.com> CANARY"}
	}
	tests := map[string]struct {
		box       mailbox
		permanent bool
	}{
		"no such person":   {mailbox{rcpt: answer(550)}, true},
		"mailbox busy":     {mailbox{rcpt: answer(450)}, false},
		"message refused":  {mailbox{data: answer(554)}, true},
		"message deferred": {mailbox{data: answer(451)}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail := test.box.start(t, false, false).client(t, "smtp://host")
			err := mail.Welcome(t.Context(), verified())
			if err == nil || errors.Is(err, ErrPermanent) != test.permanent || strings.Contains(err.Error(), "ada@") || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestMailConnectionLost shows that a mail is sent again if nobody knows whether the server took it, with the same Message-ID, and is
// not sent again if the server took it.
func TestMailConnectionLost(t *testing.T) {
	t.Parallel()
	var lost atomic.Bool
	box := (&mailbox{drops: func(beforeAnswer bool) bool { return !beforeAnswer || lost.CompareAndSwap(false, true) }}).start(t, false, false)
	mail := box.client(t, "smtp://host")
	if err := mail.Welcome(t.Context(), verified()); err == nil || errors.Is(err, ErrPermanent) {
		t.Errorf("the connection was lost before the answer: got %v", err)
	}
	if err := mail.Welcome(t.Context(), verified()); err != nil {
		t.Errorf("the connection was lost after the answer: got %v", err)
	}
	first, _, _ := (<-box.got).parts(t)
	second, _, _ := (<-box.got).parts(t)
	if diff := cmp.Diff(first["Message-Id"], second["Message-Id"]); diff != "" {
		t.Error(diff)
	}
}

// TestMailHangs shows that a server that never answers holds a worker no longer than the deadline allows.
func TestMailHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	for _, url := range []string{"smtp://host", "smtps://host"} {
		started := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := (&mailbox{address: l.Addr().String()}).client(t, url).Welcome(ctx, verified())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrPermanent) || time.Since(started) > 10*time.Second {
			t.Errorf("%s: got %v after %s", url, err, time.Since(started))
		}
	}
}
