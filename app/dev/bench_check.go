package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/models"
)

const (
	adminPatience = 30 * time.Second // how long the admin API may not answer: under load, or while the server starts again
	statsInterval = 500 * time.Millisecond
	stallTimeout  = time.Minute // how long the backlog may not fall before bench stops waiting
	minBacklog    = 500         // events that must wait for the drain to say something about speed
)

// checker finds out from the admin API what became of the events of a run.
type checker struct {
	admin                   admin
	lastEvent, lastCustomer int64 // the newest IDs before the run
}

// newChecker notes what is there before a run.
func newChecker(ctx context.Context, a admin) (*checker, error) {
	events, err := newest[models.Event](ctx, a, "events", nil, 1)
	customers, customersErr := newest[models.Customer](ctx, a, "customers", nil, 1)
	c := &checker{admin: a}
	for _, e := range events {
		c.lastEvent = e.ID
	}
	for _, customer := range customers {
		c.lastCustomer = customer.ID
	}
	return c, cmp.Or(err, customersErr)
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

// drain waits until no event waits to be processed, that number does not fall for too long, or ctx is done.
func (c *checker) drain(ctx context.Context, show func(format string, args ...any)) error {
	for least, since := int64(math.MaxInt64), time.Now(); ; {
		var waiting int64
		err := patiently(ctx, func() error {
			s, err := get[models.Stats](context.WithoutCancel(ctx), c.admin, "/api/stats")
			waiting = s.Events[models.Received] + s.Events[models.Queued]
			return err
		})
		if err != nil {
			return err
		}
		show("%d events wait to be processed", waiting)
		if waiting < least {
			least, since = waiting, time.Now()
		}
		if waiting == 0 || time.Since(since) > stallTimeout || sleep(ctx, statsInterval) != nil {
			return nil
		}
	}
}

// newer returns the rows of a list that are newer than the one with an ID, newest first.
func newer[T any](ctx context.Context, a admin, list string, last int64, id func(T) int64) (found []T, err error) {
	err = patiently(ctx, func() error {
		found = nil
		for row, err := range rows[T](ctx, a, list, nil, maxPage) {
			if err != nil || id(row) <= last {
				return err
			}
			found = append(found, row)
		}
		return nil
	})
	return found, err
}

// check looks for each of the acknowledged events and for its effect on a customer.
func (c *checker) check(ctx context.Context, l *load, r *benchReport) error {
	r.Seconds, r.Acknowledged, r.speed, r.counts = l.elapsed.Seconds(), len(l.acknowledged), l.speed(), l.counts
	ours := map[string]bool{} // the external IDs of the acknowledged events
	for _, n := range l.acknowledged {
		provider, body := l.bench.event(n)
		e, err := l.bench.signers[provider].Envelope(body)
		if err != nil {
			return fmt.Errorf("read event %d: %w", n, err)
		}
		ours[e.ExternalID] = true
	}
	events, err := newer(ctx, c.admin, "events", c.lastEvent, func(e models.Event) int64 { return e.ID })
	if err != nil {
		return err
	}
	customers, err := newer(ctx, c.admin, "customers", c.lastCustomer, func(c models.Customer) int64 { return c.ID })
	if err != nil {
		return err
	}
	found := slices.DeleteFunc(slices.Clone(events), func(e models.Event) bool { return !ours[e.ExternalID] })
	if len(found) == 0 && len(ours) > 0 {
		return fmt.Errorf("the admin API at %s has none of the %d acknowledged events: is it that of another server?",
			c.admin.base, len(ours))
	}
	r.time(found)
	others := func(c models.Customer) bool { return !strings.Contains(c.SubjectID, l.bench.runID) }
	r.judge(ours, events, slices.DeleteFunc(customers, others))
	return nil
}

// judge counts what was lost or applied twice. A customer's revision is the number of events processed for that customer,
// including those that arrived without being acknowledged.
func (r *benchReport) judge(ours map[string]bool, events []models.Event, customers []models.Customer) {
	waiting, processed, effects := map[string]bool{}, map[string]int{}, map[int64]int{}
	for _, e := range events {
		switch {
		case inWork(e):
			waiting[e.ExternalID] = true
		case e.CustomerID != nil && (e.Outcome == models.Applied || e.Outcome == models.Stale):
			processed[e.ExternalID]++
			effects[*e.CustomerID]++
		}
	}
	for id := range ours {
		r.AppliedTwice += max(0, processed[id]-1)
		if waiting[id] {
			r.Waiting++
		} else if processed[id] == 0 {
			r.Lost++
		}
	}
	if r.Waiting > 0 {
		return // the customers may be newer than the events
	}
	for _, c := range customers {
		r.AppliedTwice += max(0, c.Revision-effects[c.ID])
		r.Lost += max(0, effects[c.ID]-c.Revision)
	}
}

// time works out how long the events took, by the server's clock. The backlog is what waited when the last event arrived.
func (r *benchReport) time(found []models.Event) {
	var took []time.Duration
	var lastProcessed time.Time
	for _, e := range found { // the newest is the first
		if e.ProcessedAt.IsZero() {
			continue
		}
		took = append(took, e.ProcessedAt.Sub(e.ReceivedAt.Time))
		if e.ProcessedAt.After(found[0].ReceivedAt.Time) {
			r.Backlog++
		}
		if e.ProcessedAt.After(lastProcessed) {
			lastProcessed = e.ProcessedAt.Time
		}
	}
	slices.Sort(took)
	r.EndToEndP50, r.EndToEndP99 = percentile(took, 0.5), percentile(took, 0.99)
	if r.Backlog >= minBacklog {
		r.DrainPerSecond = float64(r.Backlog) / lastProcessed.Sub(found[0].ReceivedAt.Time).Seconds()
	}
}

// benchReport is what a run measured.
type benchReport struct {
	Interrupted  bool    `json:"interrupted"`
	Seconds      float64 `json:"sending_seconds"`
	Acknowledged int     `json:"acknowledged_events"`
	speed
	counts
	AckRatio       float64 `json:"acks_to_baseline_ratio,omitempty"` // 0: not measured
	EndToEndP50    float64 `json:"received_to_processed_p50_ms"`
	EndToEndP99    float64 `json:"received_to_processed_p99_ms"`
	Backlog        int     `json:"backlog_events"`
	DrainPerSecond float64 `json:"drain_per_second,omitempty"` // 0: the backlog was too small
	Lost           int     `json:"lost_events"`
	Waiting        int     `json:"waiting_events"`
	AppliedTwice   int     `json:"applied_twice"`
	BaselineBefore *speed  `json:"baseline_before"`
	BaselineAfter  *speed  `json:"baseline_after"` // nil: not measured
}

// speed is how fast a server acknowledged events.
type speed struct {
	PerSecond float64 `json:"acks_per_second"`
	P50       float64 `json:"ack_p50_ms"`
	P95       float64 `json:"ack_p95_ms"`
	P99       float64 `json:"ack_p99_ms"`
	Max       float64 `json:"ack_max_ms"`
}

// counts are deliveries.
type counts struct {
	Refused    int `json:"refused_deliveries"`    // answers other than 200
	Unanswered int `json:"unanswered_deliveries"` // the connection broke
	Repeated   int `json:"repeated_deliveries"`   // of events that were acknowledged before
	Misjudged  int `json:"misjudged_deliveries"`  // of a new event that was called a duplicate, or the reverse
}

// problem is an error if an acknowledged event was not processed exactly once, or an answer was wrong.
func (r *benchReport) problem() error {
	switch {
	case r.Lost+r.AppliedTwice+r.Misjudged > 0 || r.Waiting > 0 && !r.Interrupted:
		return fmt.Errorf("not every event was processed exactly once: "+
			"%d lost, %d applied twice, %d misjudged, %d not processed yet", r.Lost, r.AppliedTwice, r.Misjudged, r.Waiting)
	case r.Acknowledged == 0 && !r.Interrupted:
		return errors.New("no event was acknowledged")
	}
	return nil
}

// print prints the report for people.
func (b *bench) print(w io.Writer, r *benchReport) {
	title := fmt.Sprintf("%s; %d connections, %.1f s", strings.Join(b.providers, ", "), b.connections, r.Seconds)
	if b.rate > 0 {
		title += fmt.Sprintf(", %g events/s wanted", b.rate)
	}
	if r.Interrupted {
		title += ", interrupted"
	}
	fmt.Fprintln(w, wrap("", title)+"\n")
	t := newTable(w, column{}, column{title: "PER SECOND"},
		column{title: "P50 MS"}, column{title: "P95 MS"}, column{title: "P99 MS"}, column{title: "MAX MS"})
	row := func(name string, s *speed) []string {
		if s == nil {
			return []string{name, "-", "-", "-", "-", "-"}
		}
		numbers := fmt.Sprintf("%.0f %.2f %.2f %.2f %.2f", s.PerSecond, s.P50, s.P95, s.P99, s.Max)
		return append([]string{name}, strings.Fields(numbers)...)
	}
	t.print(row("bare net/http + HMAC, before", r.BaselineBefore), row("acknowledged, on disk", &r.speed),
		row("bare net/http + HMAC, after", r.BaselineAfter))
	fmt.Fprintln(w)
	known := func(format string, value float64) string {
		if value == 0 {
			return "" // is not shown
		}
		return fmt.Sprintf(format, value)
	}
	fields(w, [][2]string{
		{"share of bare", known("%.2f", r.AckRatio)},
		{"acknowledged", strconv.Itoa(r.Acknowledged)},
		{"refused, unanswered", fmt.Sprintf("%d, %d", r.Refused, r.Unanswered)},
		{"sent again", strconv.Itoa(r.Repeated)},
		{"misjudged", strconv.Itoa(r.Misjudged)},
		{"received to processed", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", r.EndToEndP50, r.EndToEndP99)},
		{"backlog after sending", strconv.Itoa(r.Backlog)},
		{"drain per second", known("%.0f", r.DrainPerSecond)},
		{"lost", strconv.Itoa(r.Lost)},
		{"applied twice", strconv.Itoa(r.AppliedTwice)},
		{"not processed yet", strconv.Itoa(r.Waiting)},
	}...)
}
