package dev

import (
	"bytes"
	"context"
	"crypto/rand"
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

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

const (
	answerTimeout = 10 * time.Second      // of a delivery
	redialPause   = 50 * time.Millisecond // before a lost connection is opened again
	crowd         = 64                    // customers who have their events at the same time
)

// maxTemplates is how many samples of a provider are sent, by who decides in them. Of decisions only those that verify the person: in
// life, too, most of them do.
var maxTemplates = map[models.Authority]int{models.ByProgress: 3, models.ByAutomatic: 1, models.ByManual: 1}

// template is a sample that is cut where each event has something of its own.
type template struct {
	provider string
	parts    []part
}

// part appends a piece of the body of an event: of its number, about this customer, and at this time.
type part func(buf []byte, n, customer int64, at time.Time) []byte

// source makes the events of a run. They are numbered from 0, and each follows from its number.
type source struct {
	run       string // in all IDs of the run
	start     time.Time
	customers int64
	templates []template
	signers   map[string]handlers.Provider
	order     []int // of the events in a window; nil if they come in turn
	next      atomic.Int64
}

// newSource makes templates of the samples that say something about one person, and about no case, which would have many persons.
func (b *bench) newSource() (*source, error) {
	s := &source{run: strings.ToLower(rand.Text()[:10]), start: time.Now().UTC(), customers: int64(b.customers), signers: b.signers}
	names, err := sampleNames(b.Samples)
	if err != nil {
		return nil, err
	}
	registry := jobs.NewRegistry()
	for _, provider := range b.providers {
		n, chosen := len(s.templates), map[models.Authority]int{}
		for _, authority := range []models.Authority{models.ByProgress, models.ByAutomatic, models.ByManual} {
			for _, name := range names {
				if !strings.HasPrefix(name, provider+"/") || chosen[authority] == maxTemplates[authority] {
					continue
				}
				sample, err := fs.ReadFile(b.Samples, name+".json")
				if err != nil {
					return nil, err
				}
				if t, ok := s.newTemplate(registry, provider, sample, authority); ok {
					s.templates = append(s.templates, t)
					chosen[authority]++
				}
			}
		}
		if len(s.templates) == n {
			return nil, UsageError{fmt.Errorf("bench has no events of %s: it needs samples that are about a person", provider)}
		}
	}
	if b.shuffle {
		s.order = mathrand.Perm(int(s.window())) //nolint:gosec // an order; nothing secret
	}
	return s, nil
}

// newTemplate makes a template of a sample, if it is one that this authority decides.
func (s *source) newTemplate(registry *jobs.Registry, provider string, sample []byte, authority models.Authority) (t template, ok bool) {
	p := s.signers[provider]
	newest := s.start.Truncate(time.Second)
	plain, err := compact(sample)
	if err != nil {
		return t, false
	}
	plain = moveTimes(plain, newest.Sub(newestTime(plain)))
	body, err := renew(p, sample, newest)
	e, unreadable := p.Envelope(body)
	if err != nil || unreadable != nil {
		return t, false
	}
	f, err := registry.Translate(models.Event{Provider: provider, Generation: e.Generation, Type: e.Type, ExternalID: e.ExternalID, Body: body})
	decidedBy := models.ByProgress
	for _, d := range f.Decisions {
		if d.Authority != models.ByProgress && d.Status != models.StatusVerified {
			return t, false
		}
		decidedBy = d.Authority
	}
	if err != nil || decidedBy != authority || f.SubjectID == "" || f.Ignored != "" || f.Sandbox || e.Sandbox || f.Case != nil || f.Company != nil || len(f.Hits)+len(f.Resolutions) > 0 {
		return t, false
	}
	id, before := "", paths(plain)
	for field, value := range paths(body) {
		if value.Str != "" && value.Str != before[field].Str {
			id = value.Str // the event's ID, or what it is derived from; empty if other times make another event
		}
	}
	t = template{provider, s.cut(string(body), id, f.SubjectID, newest)}
	a, _ := p.Envelope(s.fill(t, nil, 1, 1))
	b, err := p.Envelope(s.fill(t, nil, 2, 1))
	return t, err == nil && a.ExternalID != b.ExternalID
}

// cut finds the ID of the event and of the customer in a body, and the times.
func (s *source) cut(body, id, customer string, newest time.Time) (parts []part) {
	event := func(buf []byte, n, _ int64, _ time.Time) []byte { return fmt.Appendf(buf, "bench-%s-%d", s.run, n) }
	subject := func(buf []byte, _, c int64, _ time.Time) []byte {
		return fmt.Appendf(buf, "bench-%s-customer-%d", s.run, c)
	}
	for body != "" {
		start, end, own := len(body), len(body), part(nil)
		for text, p := range map[string]part{id: event, customer: subject} {
			if i := strings.Index(body, text); text != "" && i >= 0 && i < start {
				start, end, own = i, i+len(text), p
			}
		}
		if m := times.FindStringIndex(body); m != nil && m[0] < start {
			when, isText, err := readTime([]byte(body[m[0]:m[1]]))
			later := when.Sub(newest)
			switch {
			case err != nil: // digits that only look like a time
				start, end, own = m[1], m[1], nil
			case isText:
				start, end = m[0]+1, m[1]-1
				own = func(buf []byte, _, _ int64, at time.Time) []byte {
					return at.Add(later).AppendFormat(buf, "2006-01-02T15:04:05.000000Z")
				}
			default:
				start, end = m[1]-10, m[1]
				own = func(buf []byte, _, _ int64, at time.Time) []byte {
					return strconv.AppendInt(buf, at.Add(later).Unix(), 10)
				}
			}
		}
		text := body[:start]
		parts = append(parts, func(buf []byte, _, _ int64, _ time.Time) []byte { return append(buf, text...) })
		if own != nil {
			parts = append(parts, own)
		}
		body = body[end:]
	}
	return parts
}

// fill writes the body of an event to buf. Later numbers occur later.
func (s *source) fill(t template, buf []byte, n, customer int64) []byte {
	buf = buf[:0]
	for _, p := range t.parts {
		buf = p(buf, n, customer, s.start.Add(time.Duration(n)*time.Microsecond))
	}
	return buf
}

// window is how many events a crowd gets: each of its customers goes through all templates, at least five events long.
func (s *source) window() int64 {
	n := int64(len(s.templates))
	return crowd * ((4 + n) / n * n)
}

// take returns the number of the next event to send.
func (s *source) take() int64 {
	i := s.next.Add(1) - 1
	if s.order == nil {
		return i
	}
	return i/s.window()*s.window() + int64(s.order[i%s.window()])
}

// event returns the event of a number, and whose it is. The body is in buf if that is large enough.
func (s *source) event(n int64, buf []byte) (provider string, body []byte) {
	t := s.templates[n%s.window()/crowd%int64(len(s.templates))]
	return t.provider, s.fill(t, buf, n, (n/s.window()*crowd+n%crowd)%s.customers)
}

// load is what is sent to one server.
type load struct {
	base        string // without /webhooks
	source      *source
	sign        func(provider string, body []byte, at time.Time) handlers.Request
	connections int
	rate        float64 // per second; 0: each connection sends as soon as it has its answer
	duration    time.Duration
	repeat      float64 // the share of the acknowledged events that is sent again

	acknowledged atomic.Int64
}

// sent is the result of a load.
type sent struct {
	events     []int64         // the numbers of the acknowledged ones
	took       []time.Duration // until each was acknowledged; at a rate, from when it was due
	elapsed    time.Duration
	refused    int // answers other than 200
	unanswered int // deliveries whose connection broke
	repeated   int // deliveries of events that were acknowledged before
	misjudged  int // new events that were called duplicates, and duplicates that were not
}

// send sends until the duration is over or ctx is done, and reports the rate now and then. Its error says that it makes no sense to
// continue.
func (l *load) send(ctx context.Context, report func(perSecond float64)) (all sent, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	transport := &http.Transport{MaxIdleConnsPerHost: l.connections, DisableCompression: true, ResponseHeaderTimeout: answerTimeout}
	defer transport.CloseIdleConnections()
	started, due := time.Now(), &atomic.Int64{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for range l.connections {
		g.Go(func() error {
			s := &sender{load: l, transport: transport}
			err := s.run(ctx, started, due)
			mu.Lock()
			defer mu.Unlock()
			all.events, all.took = append(all.events, s.events...), append(all.took, s.took...)
			all.refused += s.refused
			all.unanswered += s.unanswered
			all.repeated += s.repeated
			all.misjudged += s.misjudged
			return err
		})
	}
	g.Go(func() error {
		const interval = 200 * time.Millisecond
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for last := int64(0); ; {
			select {
			case <-tick.C:
				n := l.acknowledged.Load()
				report(float64(n-last) / interval.Seconds())
				last = n
			case <-ctx.Done():
				return nil
			}
		}
	})
	err = g.Wait()
	all.elapsed = time.Since(started)
	return all, err
}

// sender sends one delivery after the other.
type sender struct {
	*load
	sent
	transport *http.Transport
}

func (s *sender) run(ctx context.Context, started time.Time, due *atomic.Int64) error {
	var body []byte
	for {
		begun := time.Now()
		if s.rate > 0 {
			begun = started.Add(time.Duration(float64(due.Add(1)-1) / s.rate * float64(time.Second)))
			_ = sleep(ctx, time.Until(begun))
		}
		if ctx.Err() != nil {
			return nil
		}
		n, provider := s.source.take(), ""
		provider, body = s.source.event(n, body)
		request := s.sign(provider, body, time.Now())
		status, answer, err := s.post(request)
		took := time.Since(begun)
		switch {
		case err != nil && s.acknowledged.Load() == 0:
			return fmt.Errorf("send to %s: %w", s.base, err)
		case err != nil: // it was there: it may be starting again
			s.unanswered++
			_ = sleep(ctx, redialPause)
		case status != http.StatusOK:
			if s.refused++; status < 500 && status != http.StatusTooManyRequests {
				return fmt.Errorf("%s answers %d %s to an event of %s", s.base, status, clean(string(answer)), provider)
			}
		default:
			s.events, s.took = append(s.events, n), append(s.took, took)
			s.acknowledged.Add(1)
			s.judge(answer, "accepted")
			if done := float64(len(s.events)); math.Floor(done*s.repeat) > math.Floor((done-1)*s.repeat) {
				s.sendAgain(request)
			}
		}
	}
}

// sendAgain repeats a delivery that was acknowledged.
func (s *sender) sendAgain(request handlers.Request) {
	switch status, answer, err := s.post(request); {
	case err != nil:
		s.unanswered++
	case status != http.StatusOK:
		s.refused++
	default:
		s.repeated++
		s.judge(answer, "duplicate")
	}
}

// judge counts an answer that does not say what it should.
func (s *sender) judge(answer []byte, want string) {
	if !bytes.Contains(answer, []byte(want)) {
		s.misjudged++
	}
}

// post sends a delivery and returns the answer. After an error it is not known whether the delivery arrived. http.Client would take
// more of the processor from the server, and follow redirects.
func (s *sender) post(r handlers.Request) (status int, answer []byte, err error) {
	req, err := http.NewRequest(http.MethodPost, s.base+"/webhooks/"+r.Path, bytes.NewReader(r.Body)) //nolint:noctx // the transport has a timeout
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	req.Header = r.Header
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, answer, err
}

// speed sorts the times.
func (s sent) speed() speed {
	slices.Sort(s.took)
	return speed{float64(len(s.events)) / s.elapsed.Seconds(), latency{
		ms(percentile(s.took, 0.5)), ms(percentile(s.took, 0.95)), ms(percentile(s.took, 0.99)), ms(percentile(s.took, 1)),
	}}
}

// percentile returns the smallest of the sorted times that the given share of them does not exceed; 0 if there are none.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
