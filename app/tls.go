package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// certificateInterval is how often the files of a certificate are checked, at most.
	certificateInterval = time.Second
	// renewalTime is how long before its end a certificate should have been renewed.
	renewalTime = 14 * 24 * time.Hour
)

// checkTLS checks the certificate of the public server. One that has expired is only a warning: without a restart the server takes a renewed
// one, and until then it can still process what it has stored.
func (c *Config) checkTLS(p *problems) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		p.addf("TLS_CERT_FILE and TLS_KEY_FILE: set both, or neither")
		return
	}
	pair, err := loadPair(c.TLSCert, c.TLSKey)
	if err != nil {
		p.addf("TLS_CERT_FILE and TLS_KEY_FILE: %w", err)
		return
	}
	now, day := time.Now(), func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	switch from, until := pair.Leaf.NotBefore, pair.Leaf.NotAfter; {
	case now.Before(from):
		c.Warnings = append(c.Warnings, fmt.Sprintf("TLS_CERT_FILE: the certificate is valid from %s on", day(from)))
	case now.After(until):
		c.Warnings = append(c.Warnings, fmt.Sprintf("TLS_CERT_FILE: the certificate expired on %s: renew it", day(until)))
	case until.Sub(now) < renewalTime:
		c.Warnings = append(c.Warnings, fmt.Sprintf("TLS_CERT_FILE: the certificate expires on %s: renew it", day(until)))
	}
}

// PublicScheme is the scheme of the public server's URL: https if it has a certificate.
func (c *Config) PublicScheme() string {
	if c.TLSCert != "" {
		return "https"
	}
	return "http"
}

// loadPair reads a certificate and its key, both as PEM. The error quotes neither.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	return &pair, err
}

// certificate is the certificate of a server. It is read again when one of its files changes or is replaced by another, as certbot and
// Kubernetes do.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	files   [2]os.FileInfo // as they were when they were last read
	looked  time.Time      // when they were last checked
}

// newCertificate reads the files for the first time.
func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.refresh(); err != nil {
		return nil, fmt.Errorf("TLS_CERT_FILE and TLS_KEY_FILE: %w", err)
	}
	return c, nil
}

// get returns the certificate for a handshake. If the files have changed but cannot be used, it keeps the old certificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificateInterval {
		if changed, err := c.refresh(); err != nil {
			c.log.Warn("certificate not reloaded, the old one stays in use", "err", err)
		} else if changed {
			c.log.Info("certificate reloaded", "valid_until", c.current.Leaf.NotAfter)
		}
		c.looked = time.Now()
	}
	return c.current, nil
}

// expires returns the Unix time at which the certificate expires; 0 if there is none.
func (c *certificate) expires() float64 {
	if c == nil {
		return 0
	}
	pair, err := c.get(nil)
	if err != nil {
		return 0
	}
	return float64(pair.Leaf.NotAfter.Unix())
}

// refresh reads the files if they have changed since it read them last, so an error is returned once for each change.
func (c *certificate) refresh() (changed bool, err error) {
	var now [2]os.FileInfo
	for i, file := range []string{c.certFile, c.keyFile} {
		now[i], _ = os.Stat(file) // nil if it is gone
		changed = changed || !sameFile(now[i], c.files[i])
	}
	if !changed {
		return false, nil
	}
	c.files = now
	pair, err := loadPair(c.certFile, c.keyFile)
	if err == nil {
		c.current = pair
	}
	return true, err
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// useTLS makes the server, which is prepared but not started, answer TLS only. There is no HTTP/2: one of its connections could carry
// hundreds of requests, and the limits of connections.go are made for one at a time.
func (l *listening) useTLS(c *certificate) {
	l.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	l.server.Protocols = &http.Protocols{}
	l.server.Protocols.SetHTTP1(true)
}

// serve runs the server until it is shut down. A TLS handshake may take as long as a header, and its connection counts as new meanwhile.
func (l *listening) serve() error {
	if l.server.TLSConfig != nil {
		return l.server.ServeTLS(l, "", "")
	}
	return l.server.Serve(l)
}

// accepted returns our connection below one that net/http uses.
func accepted(conn net.Conn) *connection {
	if secured, isTLS := conn.(*tls.Conn); isTLS {
		conn = secured.NetConn()
	}
	return conn.(*connection)
}
