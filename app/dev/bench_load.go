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
	answerTimeout      = 10 * time.Second      // how long to wait for the answer to a delivery
	retryPause         = 50 * time.Millisecond // how long a connection waits after a delivery that was not acknowledged
	samplesPerProvider = 4
	crowd              = 64 // how many customers of each provider get events at the same time
)

// benchSample is a sample, split into parts to make events from. Every second part is the name of a value that differs from
// event to event.
type benchSample struct {
	provider string
	parts    []string
	at       time.Time // when the original occurred
}

// prepare chooses the samples of each provider that the method event uses, in the order in which they occurred.
func (b *bench) prepare() error {
	names, err := sampleNames(b.Samples)
	if err != nil {
		return err
	}
	registry := jobs.NewRegistry()
	for _, provider := range slices.Clone(b.providers) {
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
		if len(found) == 0 && b.all { // its events only name what is to be read
			b.providers = slices.DeleteFunc(b.providers, func(name string) bool { return name == provider })
			continue
		}
		if len(found) == 0 {
			return usagef("bench cannot make events of %s: testdata has no suitable sample about a person", provider)
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

// newBenchSample splits a sample into parts. It reports false for a sample that cannot be used, that has a case, a company
// or hits, or that is a setback for the person: most people are verified.
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
	text := string(payload.ReplaceTimes(body, func(_ time.Time, form payload.Form) []byte { return []byte(value("time " + string(form))) }))
	id, customer := e.ExternalID, "customer"
	if e.Derived {
		id = keyID(p, body, f.SubjectID)
	}
	if id == f.SubjectID { // nothing else tells events apart
		id, customer = "", "new customer"
	}
	if id != "" {
		text = strings.ReplaceAll(text, quoted(id), quoted(value("id")))
	}
	text = strings.ReplaceAll(text, quoted(f.SubjectID), quoted(value(customer)))
	return benchSample{provider, strings.Split(text, "\x00"), e.OccurredAt}, true
}

// keyID returns the ID in a body that makes events with a derived ID differ; empty if their times do.
func keyID(p handlers.Provider, body []byte, subject string) string {
	e, _ := p.Envelope(body)
	if later, _ := p.Envelope(payload.MoveTimes(body, time.Microsecond)); later.ExternalID != e.ExternalID {
		return ""
	}
	return payload.KeyID(p, body, subject)
}

// window is how many events a crowd gets: one of each sample for each of its customers.
func (b *bench) window() int { return crowd * len(b.prepared) }

// take returns the number of the next event to send.
func (b *bench) take() int {
	i := int(b.next.Add(1)) - 1
	return i/b.window()*b.window() + b.order[i%b.window()]
}

// event returns the event with the number n. Events with higher numbers occur later.
func (b *bench) event(n int) (provider string, body []byte) {
	sample := b.prepared[n%b.window()/crowd]
	customer := (n/b.window()*crowd + n%crowd) % b.customers
	at := b.start.Add(time.Duration(n) * time.Microsecond)
	values := map[string]string{
		"id":           fmt.Sprintf("bench-%s-%d", b.runID, n),
		"customer":     fmt.Sprintf("bench-%s-customer-%d", b.runID, customer),
		"new customer": fmt.Sprintf("bench-%s-customer-of-%d", b.runID, n),
	}
	for i, part := range sample.parts {
		form, isTime := strings.CutPrefix(part, "time ")
		switch {
		case i%2 == 0:
			body = append(body, part...)
		case isTime:
			body = append(body, payload.Form(form).Format(at)...)
		default:
			body = append(body, values[part]...)
		}
	}
	return sample.provider, body
}

// load sends events to one server, and counts the answers.
type load struct {
	bench        *bench
	base         string // the URL of the server, without /webhooks
	sign         func(provider string, body []byte) handlers.Request
	duration     time.Duration
	rate, repeat float64
	client       http.Client

	mu sync.Mutex
	counts
	acknowledged []int           // the numbers of the events
	took         []time.Duration // the time until each was acknowledged; with --rate, from when it was due
	elapsed      time.Duration
}

// send sends events until the duration is over or ctx is done. It returns an error if it makes no sense to continue.
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

// connection sends events one by one.
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

// acknowledge records that an event was acknowledged, and reports whether to send it again.
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

// deliver sends a delivery and reports whether it was acknowledged. If it was not, it may still have arrived. It returns an
// error if it makes no sense to continue.
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

// post sends a delivery and returns the answer. It does less than the function deliver, because more work would distort the
// measurement. It continues when ctx is done, because an event that has arrived must be counted.
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

// speed computes how fast events were acknowledged. It sorts l.took.
func (l *load) speed() speed {
	slices.Sort(l.took)
	return speed{
		float64(len(l.acknowledged)) / l.elapsed.Seconds(),
		percentile(l.took, 0.5), percentile(l.took, 0.95), percentile(l.took, 0.99), percentile(l.took, 1),
	}
}

// percentile returns a percentile of the sorted times in milliseconds, such as the median for a share of 0.5. It returns 0
// if there are no times.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := max(0, int(math.Ceil(share*float64(len(sorted))))-1)
	return float64(sorted[at].Microseconds()) / 1000
}
