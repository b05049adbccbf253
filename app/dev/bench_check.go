package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/models"
)

const (
	adminPatience = 30 * time.Second // how long the admin API may not answer: under load, or while the server starts again
	statsInterval = 500 * time.Millisecond
	stallTimeout  = time.Minute // how long the backlog may stay as it is before bench gives up
)

// checker finds out from the admin API what became of a run's events.
type checker struct {
	admin             admin
	events, customers int64 // the newest IDs before the run
}

// newChecker notes what is there before a run.
func newChecker(ctx context.Context, a admin) (*checker, error) {
	c := &checker{admin: a}
	events, err := newest[models.Event](ctx, a, "events", nil, 1)
	if err != nil {
		return nil, err
	}
	customers, err := newest[models.Customer](ctx, a, "customers", nil, 1)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		c.events = e.ID
	}
	for _, customer := range customers {
		c.customers = customer.ID
	}
	return c, nil
}

// patiently calls f again while the server does not answer.
func patiently(ctx context.Context, f func() error) error {
	for deadline := time.Now().Add(adminPatience); ; {
		err := f()
		if err == nil || !isAway(err) || time.Now().After(deadline) || sleep(ctx, statsInterval) != nil {
			return err
		}
	}
}

// drain waits until nothing waits to be processed, the backlog stays as it is, or ctx is done.
func (c *checker) drain(ctx context.Context, report func(waiting int64)) error {
	least, since := int64(-1), time.Now()
	for {
		var waiting int64
		err := patiently(ctx, func() error {
			s, err := get[models.Stats](context.WithoutCancel(ctx), c.admin, "/api/stats")
			waiting = s.Events[models.Received] + s.Events[models.Queued]
			return err
		})
		if err != nil {
			return err
		}
		report(waiting)
		if least < 0 || waiting < least {
			least, since = waiting, time.Now()
		}
		if waiting == 0 || time.Since(since) > stallTimeout || sleep(ctx, statsInterval) != nil {
			return nil
		}
	}
}

// check looks for each of the acknowledged events, by their numbers, and for its effect: the revision of a customer counts the events
// that were processed for it.
func (c *checker) check(ctx context.Context, s *source, all sent, r *benchReport) error {
	r.add(all)
	numbers := map[string]int64{} // by external ID, those that were not acknowledged included
	var body []byte
	for n := range (s.next.Load()/s.window() + 1) * s.window() {
		var provider string
		provider, body = s.event(n, body)
		e, err := s.signers[provider].Envelope(body)
		if err != nil {
			return fmt.Errorf("read event %d: %w", n, err)
		}
		numbers[e.ExternalID] = n
	}
	var found []models.Event
	err := patiently(ctx, func() error {
		found = nil
		for e, err := range rows[models.Event](ctx, c.admin, "events", nil, maxPage) {
			if err != nil || e.ID <= c.events {
				return err
			}
			if _, ours := numbers[e.ExternalID]; ours {
				found = append(found, e)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(found) == 0 && len(all.events) > 0 {
		return fmt.Errorf("the admin API at %s has none of the %d acknowledged events: is it that of another server?", c.admin.base, len(all.events))
	}
	waiting, applied, effects := map[int64]bool{}, map[int64]int{}, map[int64]int{}
	for _, e := range found {
		n := numbers[e.ExternalID]
		switch {
		case inWork(e):
			waiting[n] = true
		case e.CustomerID != nil && (e.Outcome == models.Applied || e.Outcome == models.Stale):
			applied[n]++
			effects[*e.CustomerID]++
		}
	}
	for _, n := range all.events {
		switch {
		case waiting[n]:
			r.Waiting++
		case applied[n] == 0:
			r.Lost++
		}
	}
	for _, times := range applied {
		r.AppliedTwice += times - 1
	}
	r.time(found)
	return c.checkCustomers(ctx, effects, r)
}

// checkCustomers compares the revisions of customers with the effects of the events about them.
func (c *checker) checkCustomers(ctx context.Context, effects map[int64]int, r *benchReport) error {
	revisions := map[int64]int{}
	err := patiently(ctx, func() error {
		for customer, err := range rows[models.Customer](ctx, c.admin, "customers", nil, maxPage) {
			if err != nil || customer.ID <= c.customers {
				return err
			}
			revisions[customer.ID] = customer.Revision
		}
		return nil
	})
	for id, times := range effects {
		r.AppliedTwice += max(0, revisions[id]-times)
		r.Lost += max(0, times-revisions[id])
	}
	return err
}

// benchReport is what a run measured. What is not known, or was not measured, is nil.
type benchReport struct {
	Server      string   `json:"server"` // what was measured, in words
	Providers   []string `json:"providers"`
	Connections int      `json:"connections"`
	Rate        float64  `json:"wanted_rate_per_second,omitempty"` // 0: as fast as possible
	Seconds     float64  `json:"sending_seconds"`
	Interrupted bool     `json:"interrupted"`

	Acknowledged   int      `json:"acknowledged_events"`
	AcksPerSecond  float64  `json:"acks_per_second"`
	AckLatency     latency  `json:"ack_latency"`
	AckRatio       *float64 `json:"acks_to_baseline_ratio"`
	Refused        int      `json:"refused_deliveries"`
	Unanswered     int      `json:"unanswered_deliveries"`
	Repeated       int      `json:"repeated_deliveries"`
	Misjudged      int      `json:"misjudged_deliveries"` // a new event called a duplicate, or the reverse
	EndToEndP50    float64  `json:"received_to_processed_p50_ms"`
	EndToEndP99    float64  `json:"received_to_processed_p99_ms"`
	Backlog        int      `json:"backlog_events"`
	DrainPerSecond *float64 `json:"drain_per_second"`
	Lost           int      `json:"lost_events"`
	Waiting        int      `json:"waiting_events"`
	AppliedTwice   int      `json:"applied_twice"`
	BaselineBefore *speed   `json:"baseline_before"`
	BaselineAfter  *speed   `json:"baseline_after"`
}

// latency is how long answers took, in milliseconds.
type latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// speed is what a server acknowledged.
type speed struct {
	PerSecond float64 `json:"acks_per_second"`
	Latency   latency `json:"ack_latency"`
}

// minBacklog is how many events must wait for the drain to say something about speed.
const minBacklog = 500

// add adds what was sent.
func (r *benchReport) add(s sent) {
	v := s.speed()
	r.Seconds, r.Acknowledged, r.AcksPerSecond, r.AckLatency = s.elapsed.Seconds(), len(s.events), v.PerSecond, v.Latency
	r.Refused, r.Unanswered, r.Repeated, r.Misjudged = s.refused, s.unanswered, s.repeated, s.misjudged
}

// time works out how long the events took, by the server's clock. The backlog are those that were not processed when the last one came.
func (r *benchReport) time(found []models.Event) {
	var lastReceived, lastProcessed time.Time
	for _, e := range found {
		if e.ReceivedAt.After(lastReceived) {
			lastReceived = e.ReceivedAt.Time
		}
	}
	var took []time.Duration
	for _, e := range found {
		if e.ProcessedAt.IsZero() {
			continue
		}
		if took = append(took, e.ProcessedAt.Sub(e.ReceivedAt.Time)); e.ProcessedAt.After(lastReceived) {
			r.Backlog++
		}
		if e.ProcessedAt.After(lastProcessed) {
			lastProcessed = e.ProcessedAt.Time
		}
	}
	slices.Sort(took)
	r.EndToEndP50, r.EndToEndP99 = ms(percentile(took, 0.5)), ms(percentile(took, 0.99))
	if draining := lastProcessed.Sub(lastReceived); r.Backlog >= minBacklog && draining > 0 {
		r.DrainPerSecond = new(float64(r.Backlog) / draining.Seconds())
	}
}

// problem is an error if an acknowledged event was not processed exactly once, or an answer was wrong.
func (r *benchReport) problem() error {
	var problems []error
	add := func(n int, text string) {
		if n > 0 {
			problems = append(problems, fmt.Errorf("%d %s", n, text))
		}
	}
	add(r.Lost, "acknowledged events were lost")
	add(r.AppliedTwice, "events were applied twice")
	add(r.Misjudged, "answers called a new event a duplicate, or the reverse")
	if !r.Interrupted {
		add(r.Waiting, "acknowledged events are still not processed")
	}
	if r.Acknowledged == 0 && !r.Interrupted {
		problems = append(problems, errors.New("no event was acknowledged"))
	}
	return errors.Join(problems...)
}

// print prints the report for people.
func (r *benchReport) print(w io.Writer) {
	title := fmt.Sprintf("%s; %s; %d connections, %.1f s", r.Server, strings.Join(r.Providers, ", "), r.Connections, r.Seconds)
	if r.Rate > 0 {
		title += fmt.Sprintf(", %s events/s wanted", thousands(r.Rate))
	}
	if r.Interrupted {
		title += ", interrupted"
	}
	fmt.Fprintln(w, wrap("", title)+"\n")
	t := newTable(w, column{title: ""}, column{title: "PER SECOND"}, column{title: "P50 MS"}, column{title: "P95 MS"}, column{title: "P99 MS"}, column{title: "MAX MS"})
	row := func(name string, s *speed) []string {
		if s == nil {
			return []string{name, "-", "-", "-", "-", "-"}
		}
		l := s.Latency
		cells := []string{name, thousands(s.PerSecond)}
		for _, n := range []float64{l.P50, l.P95, l.P99, l.Max} {
			cells = append(cells, fmt.Sprintf("%.2f", n))
		}
		return cells
	}
	t.print(row("bare net/http + HMAC, before", r.BaselineBefore), row("acknowledged, on disk", &speed{r.AcksPerSecond, r.AckLatency}),
		row("bare net/http + HMAC, after", r.BaselineAfter))
	fmt.Fprintln(w)
	drain, share := "too little was waiting", ""
	if r.DrainPerSecond != nil {
		drain = thousands(*r.DrainPerSecond) + " events/s"
	}
	if r.AckRatio != nil {
		share = fmt.Sprintf("%.2f", *r.AckRatio)
	}
	fields(w, [][2]string{
		{"share of bare", share},
		{"acknowledged", thousands(float64(r.Acknowledged)) + " events"},
		{"refused, unanswered", fmt.Sprintf("%d, %d", r.Refused, r.Unanswered)},
		{"sent again", thousands(float64(r.Repeated))},
		{"misjudged", strconv.Itoa(r.Misjudged)},
		{"received to processed", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", r.EndToEndP50, r.EndToEndP99)},
		{"backlog after sending", thousands(float64(r.Backlog)) + " events"},
		{"drain", drain},
		{"lost", strconv.Itoa(r.Lost)},
		{"applied twice", strconv.Itoa(r.AppliedTwice)},
		{"not processed yet", strconv.Itoa(r.Waiting)},
	}...)
}

// thousands prints a number without a fraction, with commas.
func thousands(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
