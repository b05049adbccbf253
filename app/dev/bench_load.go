package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

const (
	answerTimeout      = 10 * time.Second      // of a delivery
	retryPause         = 50 * time.Millisecond // of a connection whose delivery was not acknowledged
	samplesPerProvider = 4
	crowd              = 64 // customers of each provider whose events are sent at the same time
)

// benchSample is a sample to make events of. Every second part is the name of a value that differs from event to event.
type benchSample struct {
	provider string
	parts    []string
	at       time.Time // of the original
}

// prepare makes bench ready for event: it chooses samples of each provider, in the order in which they happen to a person.
func (b *bench) prepare() error {
	names, err := sampleNames(b.Samples)
	if err != nil {
		return err
	}
	registry := jobs.NewRegistry()
	for _, provider := range b.providers {
		var found []benchSample
		for _, name := range names {
			if !strings.HasPrefix(name, provider+"/") || len(found) == samplesPerProvider {
				continue
			}
			body, err := fs.ReadFile(b.Samples, name+".json")
			if err != nil {
				return err
			}
			if sample, ok := newBenchSample(registry, provider, b.signers[provider], body); ok {
				found = append(found, sample)
			}
		}
		if len(found) == 0 {
			return usagef("bench has no events of %s: it needs samples that are about a person", provider)
		}
		slices.SortFunc(found, func(a, b benchSample) int { return a.at.Compare(b.at) })
		b.prepared = append(b.prepared, found...)
	}
	b.order = mathrand.Perm(b.window()) //nolint:gosec // an order; nothing secret
	if !b.shuffle {
		slices.Sort(b.order)
	}
	return nil
}

// newBenchSample prepares a sample. It reports false for a sample that is not just about one person, and for one that is a
// setback for that person: most people are verified.
func newBenchSample(registry *jobs.Registry, provider string, p handlers.Provider, body []byte) (s benchSample, ok bool) {
	e, err := p.Envelope(body)
	f, untranslatable := registry.Translate(models.Event{Provider: provider, Generation: e.Generation, Type: e.Type, Body: body})
	body, invalid := payload.Compact(body)
	setback := func(d models.Decision) bool {
		return d.Authority != models.ByProgress && d.Status != models.StatusVerified
	}
	readable := errors.Join(err, untranslatable, invalid) == nil && !e.Sandbox && !f.Sandbox && f.Ignored == ""
	aboutMore := f.Case != nil || f.Company != nil || len(f.Hits)+len(f.Resolutions) > 0
	if !readable || aboutMore || f.SubjectID == "" || slices.ContainsFunc(f.Decisions, setback) {
		return s, false
	}
	quoted := func(name string) string { return `"` + name + `"` }
	value := func(name string) string { return "\x00" + name + "\x00" } // JSON does not contain this character
	text := payload.Times.ReplaceAllStringFunc(string(body), func(match string) string {
		if strings.HasPrefix(match, `"created":`) {
			return `"created":` + value("seconds")
		}
		return quoted(value("time"))
	})
	// If the ID is derived from the body, it differs because the times do.
	text = strings.ReplaceAll(text, quoted(e.ExternalID), quoted(value("id")))
	text = strings.ReplaceAll(text, quoted(f.SubjectID), quoted(value("customer")))
	return benchSample{provider, strings.Split(text, "\x00"), e.OccurredAt}, true
}

// window is how many events a crowd gets: one of each sample for each of its customers.
func (b *bench) window() int { return crowd * len(b.prepared) }

// take returns the number of the next event to send.
func (b *bench) take() int {
	i := int(b.next.Add(1)) - 1
	return i/b.window()*b.window() + b.order[i%b.window()]
}

// event returns the event with a number. Later numbers occur later.
func (b *bench) event(n int) (provider string, body []byte) {
	sample := b.prepared[n%b.window()/crowd]
	customer := (n/b.window()*crowd + n%crowd) % b.customers
	at := b.start.Add(time.Duration(n) * time.Microsecond)
	values := map[string]string{
		"id":       fmt.Sprintf("bench-%s-%d", b.runID, n),
		"customer": fmt.Sprintf("bench-%s-customer-%d", b.runID, customer),
		"time":     at.Format("2006-01-02T15:04:05.000000Z"),
		"seconds":  strconv.FormatInt(at.Unix(), 10),
	}
	for i, part := range sample.parts {
		if i%2 == 1 {
			part = values[part]
		}
		body = append(body, part...)
	}
	return sample.provider, body
}

// load sends events to one server, and counts the answers.
type load struct {
	bench        *bench
	base         string // of the server, without /webhooks
	sign         func(provider string, body []byte) handlers.Request
	duration     time.Duration
	rate, repeat float64
	client       http.Client

	mu sync.Mutex
	counts
	acknowledged []int           // the numbers of the events
	took         []time.Duration // until each was acknowledged; at a rate, from when it was due
	elapsed      time.Duration
}

// send sends until the duration is over or ctx is done. Its error says why it makes no sense to continue.
func (l *load) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	l.client = http.Client{CheckRedirect: client.CheckRedirect, Transport: &http.Transport{
		MaxIdleConnsPerHost: l.bench.connections, DisableCompression: true, ResponseHeaderTimeout: answerTimeout,
	}}
	defer l.client.CloseIdleConnections()
	started, due := time.Now(), &atomic.Int64{}
	g, ctx := errgroup.WithContext(ctx)
	for range l.bench.connections {
		g.Go(func() error { return l.connection(ctx, started, due) })
	}
	err := g.Wait()
	l.elapsed = time.Since(started)
	return err
}

// connection sends one event after the other.
func (l *load) connection(ctx context.Context, started time.Time, due *atomic.Int64) error {
	for {
		begun := time.Now()
		if l.rate > 0 {
			begun = started.Add(time.Duration(float64(due.Add(1)-1) / l.rate * float64(time.Second)))
			_ = sleep(ctx, time.Until(begun))
		}
		if ctx.Err() != nil {
			return nil
		}
		n := l.bench.take()
		request := l.sign(l.bench.event(n))
		ok, err := l.deliver(ctx, request)
		if ok && l.acknowledge(n, time.Since(begun)) {
			ok, err = l.deliver(ctx, request)
		}
		if err != nil {
			return err
		}
		if !ok {
			_ = sleep(ctx, retryPause) // the server may be starting again
		}
	}
}

// acknowledge notes an event that was acknowledged, and reports whether it is to be sent again.
func (l *load) acknowledge(n int, took time.Duration) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged, l.took = append(l.acknowledged, n), append(l.took, took)
	again = math.Floor(float64(len(l.acknowledged))*l.repeat) > float64(l.Repeated)
	if again {
		l.Repeated++
	}
	return again
}

// deliver sends a delivery and reports whether it was acknowledged. If not, it may still have arrived. The error says why it
// makes no sense to continue.
func (l *load) deliver(ctx context.Context, r handlers.Request) (ok bool, err error) {
	status, answer, err := l.post(ctx, r)
	if err == nil && status == http.StatusOK {
		return true, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && len(l.acknowledged) == 0:
		return false, fmt.Errorf("send to %s: %w", l.base, withoutURL(err))
	case err != nil:
		l.Unanswered++
	case status < 500 && status != http.StatusTooManyRequests:
		provider, _, _ := strings.Cut(r.Path, "/") // what follows may be a secret
		return false, fmt.Errorf("%s answers %d %s to an event of %s", l.base, status, clean(string(answer)), provider)
	default:
		l.Refused++
	}
	return false, nil
}

// post sends a delivery and returns the answer. It does less than the function deliver, which would slow down what is measured. It
// continues when ctx is done: what has arrived must be counted.
func (l *load) post(ctx context.Context, r handlers.Request) (status int, answer []byte, err error) {
	ctx = context.WithoutCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+"/webhooks/"+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = r.Header
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}

// speed sorts the times.
func (l *load) speed() speed {
	slices.Sort(l.took)
	return speed{
		float64(len(l.acknowledged)) / l.elapsed.Seconds(),
		percentile(l.took, 0.5), percentile(l.took, 0.95), percentile(l.took, 0.99), percentile(l.took, 1),
	}
}

// percentile returns, in milliseconds, the smallest of the sorted times that the given share of them does not exceed. It
// returns 0 if there are none.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := max(0, int(math.Ceil(share*float64(len(sorted))))-1)
	return float64(sorted[at].Microseconds()) / 1000
}
