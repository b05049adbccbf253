package jobs

import (
	"cmp"
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	text "text/template"
	"unicode"

	"github.com/wneessen/go-mail"

	"example.com/identity-webhooks/models"
)

//go:embed mail
var mailTemplates embed.FS

// Mail sends mail to customers by SMTP. Its texts are the templates in the folder mail.
type Mail struct {
	addr     string
	tls      *tls.Config // its ServerName is the host
	implicit bool        // TLS from the first byte
	options  []mail.Option
	from     *netmail.Address
	texts    *text.Template
	htmls    *html.Template
}

var errSMTPURL = errors.New("SMTP_URL: want smtp://user:password@host:587 or smtps://user:password@host:465, " +
	"with special characters of the password escaped (%23 for #)")

// newMail reads SMTP_URL and MAIL_FROM. With smtp:// the server must offer STARTTLS, unless it runs on this machine; ?tls=none and
// ?tls=starttls override that. A password is never sent unencrypted, except to this machine.
func newMail(server, from string) (*Mail, error) {
	if server == "" && from == "" {
		return nil, nil
	}
	m := &Mail{
		texts: text.Must(text.ParseFS(mailTemplates, "mail/*.txt")),
		htmls: html.Must(html.ParseFS(mailTemplates, "mail/*.html")),
	}
	var err error
	if m.from, err = netmail.ParseAddress(from); err != nil {
		err = errors.New("MAIL_FROM: want an address, such as Acme <no-reply@acme.example>")
	}
	if err := errors.Join(m.setServer(server), err); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Mail) setServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/")+u.Fragment != "" {
		return errSMTPURL
	}
	m.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	ip, _ := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || ip.IsLoopback()
	policy, port := mail.TLSMandatory, "587"
	switch security := u.Scheme + "?" + u.RawQuery; {
	case security == "smtps?":
		m.implicit, port = true, "465"
		m.options = append(m.options, mail.WithSSL())
	case security == "smtp?" && local, security == "smtp?tls=none":
		policy = mail.NoTLS
	case security != "smtp?" && security != "smtp?tls=starttls":
		return errSMTPURL
	}
	if u.User != nil {
		if policy == mail.NoTLS && !local {
			return errors.New("SMTP_URL: tls=none would send the password unencrypted")
		}
		password, _ := u.User.Password()
		m.options = append(m.options, mail.WithUsername(u.User.Username()), mail.WithPassword(password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	m.addr = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	m.options = append(m.options, mail.WithTLSConfig(m.tls), mail.WithTLSPolicy(policy), mail.WithoutNoop())
	return nil
}

func (m *Mail) off() string { return unset(m == nil, "SMTP_URL") }

// Welcome tells a customer that they are verified.
func (m *Mail) Welcome(ctx context.Context, c models.Change) error {
	return m.send(ctx, c, "welcome", "Your identity is verified")
}

// Failed tells a customer that they could not be verified. It does not say why: telling people that a screening found them can be
// against the law.
func (m *Mail) Failed(ctx context.Context, c models.Change) error {
	return m.send(ctx, c, "failed", "We could not verify your identity")
}

// send renders the text and HTML templates of a name and sends them. The Message-ID contains the change's key, so mail servers can
// recognize a repetition.
func (m *Mail) send(ctx context.Context, c models.Change, template, subject string) error {
	if c.After.Email == "" {
		return fmt.Errorf("%w: no e-mail address is known", ErrSkipped)
	}
	to, err := netmail.ParseAddress(c.After.Email)
	if err != nil {
		return fmt.Errorf("send mail: %w: the customer's e-mail address is not valid", ErrPermanent)
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(&netmail.Address{Address: to.Address})
	msg.Subject(subject)
	msg.SetMessageIDWithValue(c.Key + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	data := struct {
		Name     string
		Customer models.Customer
	}{greeting(c.After.FirstName), c.After}
	err = errors.Join(
		msg.SetBodyTextTemplate(m.texts.Lookup(template+".txt"), data),
		msg.AddAlternativeHTMLTemplate(m.htmls.Lookup(template+".html"), data),
	)
	if err != nil {
		return fmt.Errorf("write mail: %w: %w", ErrPermanent, err)
	}
	if err := m.deliver(ctx, msg); err != nil && !msg.IsDelivered() { // an error after the server accepted the mail does not matter
		return mailError(ctx, err)
	}
	return nil
}

// deliver opens a connection for one message. It closes the connection when ctx ends, since go-mail observes ctx only while it connects.
func (m *Mail) deliver(ctx context.Context, msg *mail.Msg) error {
	conn, err := newDialer().DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing is left to be sent
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	connected := func(context.Context, string, string) (net.Conn, error) {
		if m.implicit {
			return tls.Client(conn, m.tls), nil
		}
		return conn, nil
	}
	client, err := mail.NewClient(m.tls.ServerName, append(slices.Clip(m.options), mail.WithDialContextFunc(connected))...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, msg)
}

// mailError describes err without the server's text, which often quotes the address. A refusal is permanent if it is about the
// recipient or the message; others have to do with settings, which the operator can correct.
func mailError(ctx context.Context, err error) error {
	var failed *mail.SendError
	var reply *textproto.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("send mail: %w", ctx.Err())
	case errors.As(err, &failed) && failed.ErrorCode() == 0:
		return fmt.Errorf("send mail: %s: the connection was lost", failed.Reason)
	case errors.As(err, &failed):
		err = fmt.Errorf("send mail: %s: the server answered %d %s", failed.Reason, failed.ErrorCode(), failed.EnhancedStatusCode())
		if failed.ErrorCode() >= 500 && slices.Contains([]mail.SendErrReason{mail.ErrSMTPRcptTo, mail.ErrSMTPDataClose}, failed.Reason) {
			return fmt.Errorf("%w: %w", ErrPermanent, err)
		}
		return err
	case errors.As(err, &reply):
		return fmt.Errorf("send mail: connecting or signing in: the server answered %d", reply.Code)
	}
	return fmt.Errorf("send mail: %w", err)
}

// greeting returns the first name, or nothing if it contains characters that names do not have. Names come from documents and forms,
// and could carry links or markup.
func greeting(name string) string {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune(" -'’", r)
	}
	if len(name) > 100 || strings.ContainsFunc(name, odd) {
		return ""
	}
	return name
}
