// Package handlers is everything that comes in by HTTP: the webhooks, with one file per provider, and the admin API. It is
// the only importer of gin, and shares nothing with the background work but the rows of the inbox.
package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// NewRouter returns the public handler: a route for each provider, /healthz and /readyz. The ready function reports why the
// program cannot take deliveries, or nil.
func NewRouter(r *Receiver, active map[string]Provider, ready func(context.Context) error, log *slog.Logger) http.Handler {
	g := newEngine(log)
	for name, p := range active {
		path := "/webhooks/" + name
		if providers[name].token {
			path += "/:token"
		}
		g.POST(path, r.receive(name, p))
	}
	healthz := func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) }
	readyz := func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			log.Warn("not ready", "err", err)
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

// newEngine returns gin without its defaults: JSON errors, no trusted proxies, panics to our log.
func newEngine(log *slog.Logger) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	g.UseRawPath, g.UnescapePathValues = true, false // a secret token may hold a slash, escaped, or a plus: see token
	if err := g.SetTrustedProxies(nil); err != nil {
		panic(err) // nil is always valid
	}
	g.Use(recovered(log))
	g.NoRoute(func(c *gin.Context) { answer(c, http.StatusNotFound, notFound) })
	g.NoMethod(func(c *gin.Context) { answer(c, http.StatusMethodNotAllowed, notAllowed) })
	return g
}

// recovered keeps a panic from ending the process. Gin's own would print the request's headers, and with them signatures.
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
