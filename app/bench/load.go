package bench

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/handlers"
)

// redialPause is how long a connection waits that could not be opened again.
const redialPause = 50 * time.Millisecond

// load is what is sent to one server.
type load struct {
	base        *url.URL
	source      *source
	signer      handlers.Provider // of all events, whoever's they are; nil: each is signed as its provider does
	connections int
	rate        float64 // per second; 0: each connection sends as soon as it has its answer
	duration    time.Duration
	repeat      float64 // the share of the acknowledged events that is sent again

	acknowledged atomic.Int64 // for the progress
	refused      atomic.Int64
}

// send sends until the duration is over or ctx is done. Its error says that it makes no sense to go on.
func (l *load) send(ctx context.Context) (all sent, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	started, due := time.Now(), &atomic.Int64{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for range l.connections {
		g.Go(func() error {
			s, err := l.sendOver(ctx, &conn{base: l.base}, started, due)
			mu.Lock()
			defer mu.Unlock()
			all.add(s)
			return err
		})
	}
	err = g.Wait()
	all.elapsed = time.Since(started)
	return all, err
}

// sendOver sends over one connection, which it opens again where it breaks.
func (l *load) sendOver(ctx context.Context, c *conn, started time.Time, due *atomic.Int64) (s sent, err error) {
	defer c.close()
	var body []byte
	for {
		begun := time.Now()
		if l.rate > 0 {
			begun = started.Add(time.Duration(float64(due.Add(1)-1) / l.rate * float64(time.Second)))
			waitUntil(ctx, begun)
		}
		if ctx.Err() != nil {
			return s, nil
		}
		if err := c.dial(context.WithoutCancel(ctx)); err != nil {
			if l.acknowledged.Load() == 0 {
				return s, fmt.Errorf("send to %s: %w", l.base.Redacted(), err)
			}
			waitUntil(ctx, time.Now().Add(redialPause)) // it was there: it may be starting again
			continue
		}
		var t *template
		n := l.source.take()
		t, body = l.source.event(n, body)
		signer := t.provider
		if l.signer != nil {
			signer = l.signer
		}
		request := signer.Sign(body, time.Now())
		status, answer, err := c.post(request.Path, request.Header, body)
		took := time.Since(begun)
		switch {
		case err != nil:
			s.unanswered++
			l.refused.Add(1)
			continue
		case status != http.StatusOK:
			s.refused++
			l.refused.Add(1)
			if status < 500 && status != http.StatusTooManyRequests {
				return s, fmt.Errorf("%s answers %d %s to %s", l.base.Redacted(), status, answer, t.name)
			}
			continue
		}
		s.events, s.took = append(s.events, n), append(s.took, took)
		l.acknowledged.Add(1)
		if !bytes.Contains(answer, []byte("accepted")) {
			s.misjudged++
		}
		if done := float64(len(s.events)); math.Floor(done*l.repeat) > math.Floor((done-1)*l.repeat) {
			l.sendAgain(ctx, c, request, body, &s)
		}
	}
}

// sendAgain repeats a delivery that was acknowledged.
func (l *load) sendAgain(ctx context.Context, c *conn, request handlers.Request, body []byte, s *sent) {
	if c.dial(context.WithoutCancel(ctx)) != nil {
		return // the next event meets the same
	}
	status, answer, err := c.post(request.Path, request.Header, body)
	switch {
	case err != nil:
		s.unanswered++
	case status != http.StatusOK:
		s.refused++
	default:
		s.repeated++
		if !bytes.Contains(answer, []byte("duplicate")) {
			s.misjudged++
		}
	}
}

// waitUntil waits for a time or the end of ctx.
func waitUntil(ctx context.Context, at time.Time) {
	left := time.Until(at)
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
