package handlers

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

const (
	// lingerBytes and lingerTime bound how much of a refused request is read after its answer.
	lingerBytes = 50 << 20
	lingerTime  = 5 * time.Second
)

// reject answers a delivery that is not verified. The reason goes to the log and the list of rejections.
func (r *Receiver) reject(c *gin.Context, provider string, err error) {
	reason := NoReason
	known := errors.As(err, &reason)
	switch {
	case errors.Is(err, ErrKeyUnknown):
		c.Header("Retry-After", "5")
		r.record(c, provider, UnknownKey, http.StatusServiceUnavailable, unavailable)
	case reason == WrongToken: // as for any unknown path
		r.record(c, provider, reason, http.StatusNotFound, notFound)
	case known:
		r.record(c, provider, reason, http.StatusUnauthorized, notVerified)
	default: // an unexpected error
		r.record(c, provider, reason, http.StatusUnauthorized, notVerified, slog.Any("err", err))
	}
}

// noRoute returns the handler for requests that match no route. If a request looks like a delivery, the reason is recorded, so that an
// operator can see a mistake in the URL or a missing secret. The path is not recorded, since it may contain a token.
func (r *Receiver) noRoute(active map[string]Provider) gin.HandlerFunc {
	return func(c *gin.Context) {
		provider, reason := misdirected(c.Request.URL.Path, active)
		if c.Request.Method != http.MethodPost || reason == "" {
			refuse(c, http.StatusNotFound, notFound)
			return
		}
		r.record(c, provider, reason, http.StatusNotFound, notFound)
	}
}

// noMethod answers a request with another method than POST. One to a provider's path is recorded: the URL may be set up with the wrong
// method at the provider.
func (r *Receiver) noMethod(c *gin.Context) {
	path, isWebhook := strings.CutPrefix(c.Request.URL.Path, "/webhooks/")
	if !isWebhook {
		refuse(c, http.StatusMethodNotAllowed, notAllowed)
		return
	}
	provider, _, _ := strings.Cut(path, "/")
	r.record(c, provider, wrongMethod+": want POST", http.StatusMethodNotAllowed, notAllowed)
}

// misdirected returns what is wrong with a path that looks like a webhook's, and the provider that it names.
func misdirected(path string, active map[string]Provider) (provider string, reason Reason) {
	segments := strings.Split(strings.Trim(strings.ToLower(path), "/"), "/")
	if segments[0] != "webhooks" && segments[0] != "webhook" {
		return "", ""
	}
	if len(segments) == 1 {
		segments = append(segments, "")
	}
	provider = segments[1]
	known, isKnown := providers[provider]
	_, isActive := active[provider]
	switch {
	case !isKnown && !isActive && len(active) == 0:
		return "", noPath + ": no provider has a secret"
	case !isKnown && !isActive:
		var paths []string
		for name := range active {
			paths = append(paths, "/webhooks/"+name)
		}
		slices.Sort(paths)
		return "", noPath + Reason(": want one of "+strings.Join(paths, ", "))
	case !isActive:
		return provider, noSecret + Reason(": set "+Needs(provider))
	case known.token && len(segments) < 3:
		return provider, noToken + Reason(fmt.Sprintf(": want /webhooks/%s/<token>", provider))
	case known.token:
		return provider, noPath + Reason(fmt.Sprintf(": did you mean /webhooks/%s/<token>", provider))
	}
	return provider, noPath + Reason(": did you mean /webhooks/"+provider)
}

// record counts, logs and answers a refused delivery. An address that sends too many gets 429 instead, and its delivery is only counted.
func (r *Receiver) record(c *gin.Context, provider string, reason Reason, status int, text []byte, attrs ...any) {
	limited, line := r.charge(c)
	r.metrics.reject(provider, reason, limited)
	if limited {
		r.rejections.count()
		c.Header("Retry-After", "1")
		refuse(c, http.StatusTooManyRequests, tooMany)
		return
	}
	if line {
		r.log.With(attrs...).Warn("delivery rejected", "provider", provider, "reason", string(reason), "remote", c.ClientIP())
	}
	r.rejections.add(Rejection{Time: models.At(r.now()), Provider: provider, RemoteAddress: c.ClientIP(), Reason: reason})
	refuse(c, status, text)
}

// refuseBody answers a delivery whose body could not be read completely.
func (r *Receiver) refuseBody(c *gin.Context, provider string, err error) {
	status, text, reason := http.StatusBadRequest, bodyUnread, bodyCut
	switch {
	case errors.Is(err, errTooLarge):
		status, text, reason = http.StatusRequestEntityTooLarge, bodyTooLarge, Reason(err.Error())
	case errors.Is(err, errBusy):
		status, text, reason = http.StatusServiceUnavailable, unavailable, Reason(err.Error())
		c.Header("Retry-After", "5")
	}
	limited, line := r.charge(c)
	r.metrics.reject(provider, reason, limited)
	if line {
		r.log.Warn("delivery refused", "provider", provider, "err", err, "remote", c.ClientIP())
	}
	if limited {
		r.rejections.count()
	} else {
		r.rejections.add(Rejection{Time: models.At(r.now()), Provider: provider, RemoteAddress: c.ClientIP(), Reason: reason})
	}
	refuse(c, status, text)
}

// charge counts a refused delivery against its address, and sometimes logs how many were not logged.
func (r *Receiver) charge(c *gin.Context) (tooMany, line bool) {
	tooMany, line, unlogged := r.limits.charge(c.ClientIP(), r.now())
	if unlogged > 0 {
		r.log.LogAttrs(c, slog.LevelWarn, "refused deliveries were not logged", slog.Int("deliveries", unlogged), slog.String("remote", c.ClientIP()))
	}
	return tooMany, line
}

// refuse answers and closes the connection, so that strangers do not keep it. Before it closes, it continues to read for a while: many
// clients send the whole body before they read the answer, and would otherwise only see a broken connection.
func refuse(c *gin.Context, status int, body []byte) {
	c.Header("Connection", "close")
	c.Header("Content-Length", strconv.Itoa(len(body)))
	answer(c, status, body)
	control := http.NewResponseController(c.Writer)
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return // the client is gone
	}
	_, _ = io.CopyN(io.Discard, c.Request.Body, lingerBytes) // the connection is closed in any case
}
