package handlers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

// Admin answers the JSON API for people and tools that look at the system.
type Admin struct {
	store      *models.Store
	rejections *Rejections
	uses       *SecretUses
	watched    func() []SubscriptionState
	wake       func()
	log        *slog.Logger
}

// NewAdmin returns the admin handler. With a password it asks for basic authentication as user "admin"; without one it
// answers only requests that name a loopback host, so that no web page can reach it by a name of its own. It asks watched
// what is known of the subscriptions.
func NewAdmin(store *models.Store, rejections *Rejections, uses *SecretUses, watched func() []SubscriptionState, wake func(), password string, log *slog.Logger) http.Handler {
	a := &Admin{store, rejections, uses, watched, wake, log}
	g := newEngine(log)
	if password != "" {
		g.Use(authenticated(password))
	} else {
		g.Use(local)
	}
	api := g.Group("/api")
	api.GET("/events", a.call(a.events))
	api.GET("/events/:id", a.call(a.event))
	api.GET("/events/:id/body", a.call(a.eventBody))
	api.POST("/events/:id/replay", a.call(a.replayEvent))
	api.POST("/replay", a.call(a.replay))
	api.GET("/customers", a.call(a.customers))
	api.GET("/customers/:id", a.call(a.customer))
	api.GET("/cases", a.call(a.cases))
	api.GET("/companies", a.call(a.companies))
	api.GET("/stats", a.call(a.stats))
	api.GET("/rejections", a.call(a.rejected))
	g.GET("/debug/pprof/*name", profile)
	return http.NewCrossOriginProtection().Handler(g) // no web page may replay events through a visitor's browser
}

// authenticated lets in who knows the password. The hashes make the comparison's time say nothing about its length.
func authenticated(password string) gin.HandlerFunc {
	want := sha256.Sum256([]byte(password))
	return func(c *gin.Context) {
		user, pass, _ := c.Request.BasicAuth()
		got := sha256.Sum256([]byte(pass))
		if user != "admin" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			c.Header("WWW-Authenticate", `Basic realm="admin", charset="UTF-8"`)
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "user admin and ADMIN_PASSWORD wanted"})
		}
	}
}

// local lets in requests whose Host header is a loopback address or localhost.
func local(c *gin.Context) {
	host := c.Request.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.AbortWithStatusJSON(http.StatusForbidden, gin.H{"error": "call it by localhost or 127.0.0.1, or set ADMIN_PASSWORD"})
	}
}

// badRequest is an error of the caller, to be told to them.
type badRequest string

func (b badRequest) Error() string { return string(b) }

// verbatim is an answer of bytes, as they are.
type verbatim []byte

// call answers with what f returns, and holds the only map from errors to statuses.
func (a *Admin) call(f func(c *gin.Context) (status int, answer any, err error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), 10*time.Second)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		status, answer, err := f(c)
		var bad badRequest
		switch {
		case err == nil:
			if body, isBody := answer.(verbatim); isBody {
				c.Header("X-Content-Type-Options", "nosniff")
				c.Data(status, "application/octet-stream", body)
				return
			}
			c.JSON(status, answer)
		case errors.As(err, &bad):
			c.JSON(http.StatusBadRequest, gin.H{"error": string(bad)})
		case errors.Is(err, models.ErrNotFound):
			c.JSON(http.StatusNotFound, gin.H{"error": "not found"})
		default:
			a.log.Error("admin call failed", "path", c.FullPath(), "err", err)
			c.JSON(http.StatusServiceUnavailable, gin.H{"error": "the database does not answer; see the log"})
		}
	}
}
