// Package handlers serves HTTP: the webhooks, with one file per provider, and the admin API. It is the only package that imports gin. It
// shares only the rows of the inbox with the background work.
package handlers

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
)

// NewRouter returns the public handler: a route for each active provider, /healthz and /readyz. ready returns why deliveries cannot be
// stored, or nil; it must be quick.
func NewRouter(r *Receiver, active map[string]Provider, ready func(context.Context) error, log *slog.Logger) http.Handler {
	g := newEngine(log)
	g.NoRoute(r.noRoute(active))
	g.NoMethod(r.noMethod)
	for name, p := range active {
		path := "/webhooks/" + name
		if providers[name].token {
			path += "/:token"
		}
		g.POST(path, r.receive(name, p))
	}
	healthz := func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) }
	readyz := func(c *gin.Context) {
		if ready(c.Request.Context()) != nil { // it logs why
			answer(c, http.StatusServiceUnavailable, unavailable)
			return
		}
		c.JSON(http.StatusOK, gin.H{"status": "ready"})
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} { // load balancers ask with either
		g.Handle(method, "/healthz", healthz)
		g.Handle(method, "/readyz", readyz)
	}
	return g
}

// newEngine returns a gin engine that trusts no proxies and logs panics to our log.
func newEngine(log *slog.Logger) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	g.UseRawPath, g.UnescapePathValues = true, false // a token may contain an escaped slash or a plus: see token
	if err := g.SetTrustedProxies(nil); err != nil {
		panic(err) // nil is always valid
	}
	g.Use(recovered(log))
	return g
}

// recovered logs a panic and answers 500. gin's own recovery prints the request's headers, which contain signatures.
func recovered(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it, too
					panic(p)
				}
				log.Error("panic in handler", "path", c.FullPath(), "err", p)
				answer(c, http.StatusInternalServerError, unavailable)
			}
		}()
		c.Next()
	}
}
