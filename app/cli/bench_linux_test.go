package cli

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// TestBenchThroughProxy sends to where others reach the server: by HTTPS, through a proxy. Only on Linux does SSL_CERT_FILE
// say whom Go trusts.
func TestBenchThroughProxy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, addr, admin := serving(t, dir)
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: addr})
	}})
	t.Cleanup(proxy.Close)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	benched(t, run(t, dir, []string{"SSL_CERT_FILE=" + ca}, append(short, "--url", proxy.URL, "--admin", admin, "--providers", "trustist,trst")...))
}
