package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

// private keeps answers out of caches and out of other sites' pages.
func private(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
}

// sameOrigin refuses requests that a page of another site makes through a visitor's browser, whatever the method. Only a link to a page of
// the inspector is allowed.
func sameOrigin(c *gin.Context) {
	r := *c.Request
	r.Method = http.MethodPost // reads are refused, too
	if err := http.NewCrossOriginProtection().Check(&r); err != nil && !isLink(c.Request) {
		c.AbortWithStatusJSON(http.StatusForbidden, gin.H{"error": "requests from other sites are refused"})
	}
}

// isLink reports whether somebody follows a link to a page. That is harmless: it changes nothing, and the other site cannot read the page.
func isLink(r *http.Request) bool {
	isPage := !strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/debug/")
	return isPage && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// local refuses requests whose Host header is neither localhost nor a loopback address.
func local(c *gin.Context) {
	host := c.Request.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.AbortWithStatusJSON(http.StatusForbidden, gin.H{"error": "use localhost or 127.0.0.1 as the host, or set ADMIN_PASSWORD"})
	}
}

// authenticated requires the user admin and the password. It compares hashes, so that the time of the comparison does not depend on the
// password's length.
func authenticated(password string, log *slog.Logger) gin.HandlerFunc {
	want := sha256.Sum256([]byte(password))
	guesses := guesses{addresses: map[netip.Prefix]*rate.Limiter{}}
	return func(c *gin.Context) {
		address := c.RemoteIP()
		user, pass, given := c.Request.BasicAuth()
		if given && guesses.used(address) {
			c.Header("Retry-After", "60")
			c.AbortWithStatusJSON(http.StatusTooManyRequests, gin.H{"error": "too many wrong passwords; try again in a minute"})
			return
		}
		got := sha256.Sum256([]byte(pass))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 && user == "admin" {
			return
		}
		if given {
			guesses.add(address)
			log.Warn("wrong admin password", "remote_address", address)
		}
		c.Header("WWW-Authenticate", `Basic realm="admin", charset="UTF-8"`)
		c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "log in as admin with ADMIN_PASSWORD"})
	}
}

const (
	// guessesPerMinute is how many wrong passwords an address may send.
	guessesPerMinute = 10
	// maxGuessers is how many addresses are remembered. When there are more, all are forgotten.
	maxGuessers = 10_000
)

// guesses counts wrong passwords by address.
type guesses struct {
	mu        sync.Mutex
	addresses map[netip.Prefix]*rate.Limiter
}

// used reports whether an address has no guess left.
func (g *guesses) used(address string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	left, known := g.addresses[network(address)]
	return known && left.Tokens() < 1
}

// add counts a wrong password.
func (g *guesses) add(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.addresses) >= maxGuessers {
		clear(g.addresses)
	}
	from := network(address)
	if g.addresses[from] == nil {
		g.addresses[from] = rate.NewLimiter(rate.Every(time.Minute/guessesPerMinute), guessesPerMinute)
	}
	g.addresses[from].Allow()
}
