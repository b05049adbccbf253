package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/app/testservers"
)

// makePair makes a certificate that is valid now.
func makePair(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	return testservers.Certificate(t, dir, serial, time.Now().Add(-day), time.Now().Add(90*day))
}

// secure opens the files of a certificate, and returns the certificate and its log, which is guarded by its lock.
func secure(t *testing.T, certFile, keyFile string) (*certificate, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	c, err := newCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c, log
}

// handshake speaks TLS on a new connection, whatever the certificate, and sends something.
func (l *listening) handshake(t *testing.T, said string) *tls.Conn {
	t.Helper()
	conn := tls.Client(l.dial(t, ""), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err := errors.Join(conn.Handshake(), write(conn, said)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func serial(conn *tls.Conn) int64 {
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestCertificateIsReloaded: a certificate that is renewed by a rename, as Kubernetes and certbot do, serves new connections, and those
// that are open stay open. A pair that cannot be used changes nothing, and is logged once.
func TestCertificateIsReloaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makePair(t, filepath.Join(dir, "1"), 1)
	current := filepath.Join(dir, "current")
	use := func(version string) {
		t.Helper()
		link := filepath.Join(dir, "next")
		if err := errors.Join(os.Symlink(version, link), os.Rename(link, current)); err != nil {
			t.Fatal(err)
		}
	}
	use("1")
	pair, log := secure(t, filepath.Join(current, "cert.pem"), filepath.Join(current, "key.pem"))
	l := serving(t, 10, pair)
	first := l.handshake(t, request("/verified"))
	if err := answered(first); err != nil || serial(first) != 1 {
		t.Fatalf("certificate %d, %v", serial(first), err)
	}
	want := func(what string, want int64, warnings int) {
		t.Helper()
		for range 3 {
			pair.mu.Lock()
			pair.looked = time.Time{} // as if the interval were over
			pair.mu.Unlock()
			conn := l.handshake(t, request("/"))
			if err := answered(conn); err != nil || serial(conn) != want {
				t.Errorf("%s: certificate %d, want %d, %v", what, serial(conn), want, err)
			}
		}
		pair.mu.Lock()
		defer pair.mu.Unlock()
		if n := strings.Count(log.String(), "level=WARN"); n != warnings || strings.Contains(log.String(), "BEGIN") {
			t.Errorf("%s: %d warnings, want %d:\n%s", what, n, warnings, log)
		}
	}
	makePair(t, filepath.Join(dir, "2"), 2)
	use("2")
	want("renewed", 2, 0)
	if got, want := pair.expires(), float64(pair.current.Leaf.NotAfter.Unix()); got != want || want == 0 {
		t.Errorf("expires at %f, want %f", got, want)
	}
	_, key3 := makePair(t, filepath.Join(dir, "3"), 3)
	key, err := os.ReadFile(key3)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, key3, "-----BEGIN PRIVATE KEY-----\nCANARY")
	use("3")
	want("broken", 2, 1)
	writeFile(t, key3, string(key))
	want("repaired", 3, 1)
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	want("gone", 3, 2)
	if err := errors.Join(write(first, request("/")), answered(first)); err != nil {
		t.Errorf("the first connection: %v", err)
	}
}

// TestTLSConnections: over TLS the limits of connections hold as well. Who begins no handshake gives way, who has delivered stays.
func TestTLSConnections(t *testing.T) {
	t.Parallel()
	certFile, keyFile := makePair(t, t.TempDir(), 1)
	pair, _ := secure(t, certFile, keyFile)
	l := serving(t, 3, pair)
	provider := l.handshake(t, request("/verified"))
	if err := answered(provider); err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{"", "\x16\x03\x01\x02\x00"} { // nothing, and the beginning of a handshake
		l.dial(t, said)
	}
	l.awaitState(t, http.StateNew, 2)
	for i := range 5 { // the first waits until those have been silent for too long
		if err := answered(l.handshake(t, request("/"))); err != nil {
			t.Errorf("sender %d: %v", i, err)
		}
	}
	if err := errors.Join(write(provider, request("/")), answered(provider)); err != nil {
		t.Errorf("the connection of a provider: %v", err)
	}
	if state := provider.ConnectionState(); state.NegotiatedProtocol == "h2" || state.Version < tls.VersionTLS12 {
		t.Errorf("protocol %q, version %x", state.NegotiatedProtocol, state.Version)
	}
	old := tls.Client(l.dial(t, ""), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err := old.Handshake(); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

// TestTLSForTheProgram: the whole program answers on a TLS port whoever trusts its certificate. Plain HTTP is refused without a line in the
// log, and the admin API stays as it is.
func TestTLSForTheProgram(t *testing.T) {
	t.Parallel()
	certFile, keyFile := makePair(t, t.TempDir(), 1)
	c, err := ReadConfig([]string{
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "db"), secret + "=" + strong,
		"TLS_CERT_FILE=" + certFile, "TLS_KEY_FILE=" + keyFile,
	})
	if err != nil || len(c.Warnings) > 0 {
		t.Fatal(err, c.Warnings)
	}
	var log bytes.Buffer
	a, err := New(t.Context(), c, os.DirFS(filepath.Join("..", "testdata")), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	pem, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for url, want := range map[string]int{
		"https://" + a.Addr() + "/readyz": 200, "http://" + a.Addr() + "/readyz": 400, "http://" + a.AdminAddr() + "/api/stats": 200,
	} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != want || resp.ProtoMajor != 1 {
			t.Errorf("%s: %s %s, %v; want %d", url, resp.Proto, resp.Status, err, want)
		}
	}
	conn, err := net.Dial("tcp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server has closed it
	if err := write(conn, request("/")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "HTTP request to an HTTPS server") {
		t.Errorf("plain HTTP is answered %q, %v", body, err)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil || strings.Contains(log.String(), "TLS") {
		t.Errorf("%v, log:\n%s", err, log.String())
	}
}

// TestTLSConfig: what is wrong with a certificate is found at the start. One that ends soon, or has ended, is a warning.
func TestTLSConfig(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	pair := func(name string, from, until time.Time) []string {
		certFile, keyFile := testservers.Certificate(t, filepath.Join(dir, name), 1, from, until)
		return []string{"TLS_CERT_FILE=" + certFile, "TLS_KEY_FILE=" + keyFile}
	}
	good, other := pair("good", now.Add(-day), now.Add(90*day)), pair("other", now.Add(-day), now.Add(90*day))
	broken := filepath.Join(dir, "broken")
	writeFile(t, broken, "CANARY")
	both := "TLS_CERT_FILE and TLS_KEY_FILE: "
	for _, c := range []struct {
		environ              []string
		problem, warning, is string
	}{
		{good, "", "", "https"},
		{nil, "", "", "http"},
		{good[:1], both + "set both, or neither", "", ""},
		{good[1:], both + "set both, or neither", "", ""},
		{[]string{good[0], other[1]}, both + "tls: private key does not match public key", "", ""},
		{[]string{good[0], "TLS_KEY_FILE=" + broken}, both + "tls: failed to find any PEM data in key input", "", ""},
		{[]string{good[0], "TLS_KEY_FILE=/no/such/file"}, both + "open /no/such/file: no such file or directory", "", ""},
		{pair("soon", now.Add(-day), now.Add(13*day)), "", "TLS_CERT_FILE: the certificate expires on " + now.Add(13*day).UTC().Format(time.DateOnly) + ": renew it", "https"},
		{pair("over", now.Add(-2*day), now.Add(-day)), "", "TLS_CERT_FILE: the certificate expired on " + now.Add(-day).UTC().Format(time.DateOnly) + ": renew it", "https"},
		{pair("early", now.Add(day), now.Add(90*day)), "", "TLS_CERT_FILE: the certificate is valid from " + now.Add(day).UTC().Format(time.DateOnly) + " on", "https"},
	} {
		config, err := ReadConfig(c.environ)
		if diff := cmp.Diff([]string{c.problem, c.warning}, []string{strings.Join(lines(err), "\n"), strings.Join(config.Warnings, "\n")}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.environ, diff)
		}
		if err == nil && config.PublicScheme() != c.is {
			t.Errorf("%q: %s, want %s", c.environ, config.PublicScheme(), c.is)
		}
	}
}
