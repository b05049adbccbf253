// Package inspector serves web pages that show every event and what it did. They are rendered on the server with html/template, and htmx
// updates parts of them. Like the admin API, they read the database through package models, and package handlers checks who may open them.
package inspector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// Config is what the inspector needs. Only Send may be nil.
type Config struct {
	Store         *models.Store
	Providers     map[string]handlers.Provider // those that have a secret
	Rejections    *handlers.Rejections
	Subscriptions func() []handlers.SubscriptionState
	Catalogue     []Sample // sorted by provider
	// Translate returns the facts that an event establishes. It must be pure.
	Translate func(models.Event) (models.Facts, error)
	// Queues returns the queue's own figures.
	Queues func(context.Context) ([]Queue, error)
	// Send makes a new event from a sample and delivers it to the public receiver, signed as the provider would. It returns the event's ID.
	// If it is nil, the inspector offers no samples to send.
	Send      func(ctx context.Context, provider string, sample []byte) (externalID string, err error)
	PublicURL string // of the receiver, for commands to copy
	Wake      func() // wakes the relay after a replay
	Mask      bool   // hide names, e-mail addresses, reasons and payloads until somebody clicks, and log the click
	Log       *slog.Logger
}

// Sample is an entry of the catalogue: an event type, and a body as an example.
type Sample struct {
	Provider, Generation, Type, Meaning string
	Body                                []byte
}

// Queue has the figures of one queue, as asynq counts them.
type Queue struct {
	Name                                         string
	Pending, Active, Archived, Processed, Failed int
	Latency                                      time.Duration
	Paused                                       bool
}

//go:embed templates static
var files embed.FS

// pageTimeout is how long a page may take.
const pageTimeout = 5 * time.Second

// securityPolicy allows only files of this server: no inline script or style, and nothing from other servers. No site may show a page in a
// frame.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'"

type inspector struct {
	Config
	pages map[string]*template.Template

	mu       sync.Mutex
	last     overview // kept for cacheTime, so that many open pages cost no more than one
	loadedAt time.Time
}

// New returns a function that adds the inspector's pages to a router.
func New(c Config) func(gin.IRouter) {
	i := &inspector{Config: c}
	i.pages = i.parse()
	return i.register
}

// register adds the routes of all pages and actions. Whatever changes or reveals something is a POST.
func (i *inspector) register(r gin.IRouter) {
	g := r.Group("/", prepare)
	g.GET("/static/:file", static)
	g.GET("/", i.show("overview", i.overview))
	g.GET("/events", i.show("events", list("Events", i.events, func(e eventRow) int64 { return e.ID })))
	g.GET("/events/replay", i.show("replay", i.replayPreview))
	g.POST("/events/replay", i.show("replay", i.replayFiltered))
	g.GET("/events/:id", i.show("event", i.event))
	g.POST("/events/:id/reveal", i.show("event", i.revealed("event", i.event)))
	g.POST("/events/:id/replay", i.act(i.replayOne("/events/:id", i.Store.ReplayEvent)))
	g.POST("/events/:id/copy", i.copyEvent)
	g.GET("/customers", i.show("customers", list("Customers", i.customers, func(x models.Customer) int64 { return x.ID })))
	g.GET("/customers/:id", i.show("customer", i.customer))
	g.POST("/customers/:id/reveal", i.show("customer", i.revealed("customer", i.customer)))
	g.GET("/cases", i.show("cases", list("Cases", i.cases, func(k models.Case) int64 { return k.ID })))
	companies := list("Companies", i.companies, func(x models.Company) int64 { return x.ID })
	g.GET("/companies", i.show("companies", companies))
	g.POST("/companies/reveal", i.show("companies", i.revealed("company owners", companies)))
	g.GET("/follow-ups", i.show("follow-ups", list("Follow-ups", i.followUps, func(f models.FollowUp) int64 { return f.ID })))
	g.POST("/follow-ups/:id/replay", i.act(i.replayOne("/follow-ups", i.Store.ReplayFollowUp)))
	g.GET("/queues", i.show("queues", i.queues))
	g.GET("/catalogue", i.show("catalogue", i.catalogue))
	if i.Send != nil {
		g.POST("/catalogue/send", i.act(i.sendSample))
	}
}

// prepare sets the headers and the deadline that all answers share.
func prepare(c *gin.Context) {
	c.Header("Content-Security-Policy", securityPolicy)
	c.Header("X-Frame-Options", "DENY")
	c.Header("Referrer-Policy", "same-origin")
	c.Header("Cross-Origin-Opener-Policy", "same-origin")
	ctx, cancel := context.WithTimeout(c.Request.Context(), pageTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// static serves the pages' script, style sheet and icon. Browsers may cache them, but must ask each time whether they have changed.
func static(c *gin.Context) {
	body, err := files.ReadFile("static/" + c.Param("file"))
	if err != nil {
		c.Status(http.StatusNotFound)
		return
	}
	c.Header("Cache-Control", "no-cache")
	c.Header("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	http.ServeContent(c.Writer, c.Request, c.Param("file"), time.Time{}, bytes.NewReader(body))
}

// page is what a template gets. A view sets the first three fields, and render sets the others.
type page struct {
	Title   string
	Updates bool // the template "live" is rendered again every few seconds
	Data    any

	Nav     string // the current entry of the navigation
	URL     string // of this page, with its query
	Theme   string // light, dark, or empty for the system's theme
	Flash   string // what the last action did
	Masked  bool   // personal data is hidden
	CanSend bool
}

// view returns what a page shows.
type view func(*gin.Context) (page, error)

// show returns the handler of a page.
func (i *inspector) show(name string, v view) gin.HandlerFunc {
	return func(c *gin.Context) {
		p, err := v(c)
		if err != nil {
			i.fail(c, err)
			return
		}
		i.render(c, http.StatusOK, name, p)
	}
}

// render answers with a page, or with its live part if htmx asks for that.
func (i *inspector) render(c *gin.Context, status int, name string, p page) {
	section, _, _ := strings.Cut(strings.TrimPrefix(c.FullPath(), "/"), "/")
	p.Nav, p.URL = "/"+section, c.Request.URL.RequestURI()
	if theme, _ := c.Cookie("theme"); theme == "light" || theme == "dark" {
		p.Theme = theme
	}
	p.Masked, p.CanSend = i.masked(c), i.Send != nil
	t, part := i.pages[name], "live"
	if t.Lookup(part) == nil || c.GetHeader("HX-Target") != part {
		part, p.Flash = "layout", takeFlash(c)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, p); err != nil {
		i.Log.Error("page not rendered", "path", c.FullPath(), "err", err)
		c.String(http.StatusInternalServerError, "This page could not be shown. The log says why.")
		return
	}
	c.Data(status, "text/html; charset=utf-8", b.Bytes())
}

// fail shows an error.
func (i *inspector) fail(c *gin.Context, err error) {
	status, text := handlers.Failure(err)
	if status == http.StatusServiceUnavailable && !errors.Is(err, context.Canceled) {
		i.Log.Error("page failed", "path", c.FullPath(), "err", err)
	}
	i.render(c, status, "error", page{Title: http.StatusText(status), Data: text})
}

// act returns the handler of an action. It redirects the browser to the page next, which shows the message.
func (i *inspector) act(f func(*gin.Context) (next, message string, err error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		next, message, err := f(c)
		if err != nil {
			i.fail(c, err)
			return
		}
		setFlash(c, message)
		c.Redirect(http.StatusSeeOther, next)
	}
}

// revealedKey marks a request that may see personal data.
const revealedKey = "revealed"

// revealed returns a view that shows the personal data that is hidden otherwise, and logs the address that asked for it.
func (i *inspector) revealed(what string, v view) view {
	return func(c *gin.Context) (page, error) {
		i.record(c, "personal data shown", "what", what)
		c.Set(revealedKey, true)
		p, err := v(c)
		p.Updates = false // an update would hide it again
		return p, err
	}
}

// masked reports whether the answer to a request must hide personal data.
func (i *inspector) masked(c *gin.Context) bool { return i.Mask && !c.GetBool(revealedKey) }

// record logs an action, with its path and the remote address.
func (i *inspector) record(c *gin.Context, message string, facts ...any) {
	i.Log.Info(message, append(facts, "path", c.Request.URL.Path, "remote_address", c.ClientIP())...)
}

// Personal formats a value that may name somebody. It returns a mask if personal data is hidden.
func (p page) Personal(text any) string {
	if shown := plain(text); shown == "" || !p.Masked {
		return shown
	}
	return mask
}

const mask = "•••"

// Person returns the name of a customer, or only the initials if personal data is hidden.
func (p page) Person(c models.Customer) string {
	if !p.Masked {
		return strings.TrimSpace(c.FirstName + " " + c.LastName)
	}
	initials := ""
	for _, part := range []string{c.FirstName, c.LastName} {
		for _, r := range part {
			initials += strings.ToUpper(string(r))
			break
		}
	}
	if initials == "" {
		return ""
	}
	return initials + "\u00a0" + mask
}

// setFlash leaves a message for the next page. It names no person.
func setFlash(c *gin.Context, message string) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // the page may be plain HTTP on loopback
		Name: "flash", Value: url.QueryEscape(message), Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// takeFlash returns the message and removes it.
func takeFlash(c *gin.Context) string {
	message, err := c.Cookie("flash")
	if err != nil {
		return ""
	}
	http.SetCookie(c.Writer, &http.Cookie{Name: "flash", Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // as above
	return message
}
