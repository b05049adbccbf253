package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"example.com/identity-webhooks/models"
)

const (
	adminPatience = 30 * time.Second // how long to wait for the admin API if it does not answer, because of load or a restart
	statsInterval = 500 * time.Millisecond
	stallTimeout  = time.Minute // bench stops waiting if the backlog has not shrunk for this long
	minBacklog    = 500         // the smallest backlog for which a drain rate is reported
)

// patiently calls f. While the server does not answer, it repeats the call, for adminPatience at most.
func patiently(ctx context.Context, f func() error) error {
	for deadline := time.Now().Add(adminPatience); ; {
		err := f()
		if err == nil || !isAway(err) || time.Now().After(deadline) || sleep(ctx, statsInterval) != nil {
			return err
		}
	}
}

// drain waits until all events are processed. It stops early if their number has not fallen for stallTimeout, or if ctx is
// done.
func (b *bench) drain(ctx context.Context, a admin) error {
	for least, since := int64(math.MaxInt64), time.Now(); ; {
		var s models.Stats
		err := patiently(ctx, func() (err error) {
			s, err = get[models.Stats](context.WithoutCancel(ctx), a, "/api/stats")
			return err
		})
		if err != nil {
			return err
		}
		waiting := s.Events[models.Received] + s.Events[models.Queued]
		b.show("%d events wait to be processed", waiting)
		if waiting < least {
			least, since = waiting, time.Now()
		}
		if waiting == 0 || time.Since(since) > stallTimeout || sleep(ctx, statsInterval) != nil {
			return nil
		}
	}
}

// newer returns the rows of a list whose IDs are greater than last, the newest first.
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

// times returns a map from the external ID of each acknowledged event to a count of 0.
func (l *load) times() (map[string]int, error) {
	times := map[string]int{}
	for _, n := range l.acknowledged {
		provider, body := l.bench.event(n)
		e, err := l.bench.signers[provider].Envelope(body)
		if err != nil {
			return nil, fmt.Errorf("read event %d: %w", n, err)
		}
		times[e.ExternalID] = 0
	}
	return times, nil
}

// check looks for each acknowledged event, and for its effect on a customer. last is the ID of the newest event
// from before the run.
//
// A customer's revision is the number of events processed for that customer, including those that arrived without being
// acknowledged.
func (l *load) check(ctx context.Context, a admin, last int64, r *benchReport) error {
	r.Seconds, r.Acknowledged, r.speed, r.counts = l.elapsed.Seconds(), len(l.acknowledged), l.speed(), l.counts
	times, err := l.times() // how often each was applied or still waits
	if err != nil {
		return err
	}
	events, err := newer(ctx, a, "events", last, func(e models.Event) int64 { return e.ID })
	if err != nil {
		return err
	}
	effects := map[int64]int{} // of the new events, by customer
	oldest := int64(math.MaxInt64)
	var found []models.Event
	for _, e := range events {
		isApplied := e.CustomerID != nil && (e.Outcome == models.Applied || e.Outcome == models.Stale)
		if isApplied {
			effects[*e.CustomerID]++
		}
		if _, isOurs := times[e.ExternalID]; !isOurs {
			continue
		}
		found = append(found, e)
		if inWork(e) {
			r.Waiting++
		}
		if isApplied {
			oldest = min(oldest, *e.CustomerID)
		}
		if isApplied || inWork(e) {
			times[e.ExternalID]++
		}
	}
	if len(found) == 0 && len(times) > 0 {
		return fmt.Errorf("the admin API at %s has none of the %d acknowledged events: does it belong to another server?",
			a.base, len(times))
	}
	for _, n := range times {
		if n == 0 {
			r.Lost++
		}
		r.AppliedTwice += max(0, n-1)
	}
	r.drained(found)
	if r.Waiting > 0 {
		return nil // the customers may have changed since the events were read
	}
	customers, err := newer(ctx, a, "customers", oldest-1, func(c models.Customer) int64 { return c.ID })
	for _, c := range customers {
		if strings.Contains(c.SubjectID, l.bench.runID) {
			r.AppliedTwice += max(0, c.Revision-effects[c.ID])
			r.Lost += max(0, effects[c.ID]-c.Revision)
		}
	}
	return err
}

// drained computes how fast the backlog was processed. The backlog is the events that were still waiting when the last event
// arrived. found has the newest event first.
func (r *benchReport) drained(found []models.Event) {
	if len(found) == 0 {
		return
	}
	arrived, processed := found[0].ReceivedAt, found[0].ReceivedAt
	for _, e := range found {
		if e.ProcessedAt.After(arrived.Time) {
			r.Backlog++
		}
		if e.ProcessedAt.After(processed.Time) {
			processed = e.ProcessedAt
		}
	}
	if r.Backlog >= minBacklog {
		r.DrainPerSecond = float64(r.Backlog) / processed.Sub(arrived.Time).Seconds()
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

// counts are numbers of deliveries.
type counts struct {
	Refused    int `json:"refused_deliveries"`    // answers other than 200
	Unanswered int `json:"unanswered_deliveries"` // the connection broke
	Repeated   int `json:"repeated_deliveries"`   // of events that were acknowledged before
}

// problem returns an error if an acknowledged event was not processed exactly once, or if none was acknowledged.
func (r *benchReport) problem() error {
	switch {
	case r.Lost+r.AppliedTwice > 0 || r.Waiting > 0 && !r.Interrupted:
		return fmt.Errorf("not every event was processed exactly once: %d lost, %d applied twice, %d not processed yet",
			r.Lost, r.AppliedTwice, r.Waiting)
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
		return append([]string{name}, strings.Fields(fmt.Sprintf("%.0f %.2f %.2f %.2f %.2f", s.PerSecond, s.P50, s.P95, s.P99, s.Max))...)
	}
	lines := [][]string{row("bare net/http + HMAC, before", r.BaselineBefore), row("acknowledged, on disk", &r.speed)}
	if r.BaselineAfter != nil {
		lines = append(lines, row("bare net/http + HMAC, after", r.BaselineAfter))
	}
	t.print(lines...)
	fmt.Fprintln(w)
	fields(w, [][2]string{
		{"share of bare", unlessZero("%.2f", r.AckRatio)},
		{"acknowledged", strconv.Itoa(r.Acknowledged)},
		{"refused, unanswered", fmt.Sprintf("%d, %d", r.Refused, r.Unanswered)},
		{"sent again", strconv.Itoa(r.Repeated)},
		{"backlog after sending", strconv.Itoa(r.Backlog)},
		{"drain per second", unlessZero("%.0f", r.DrainPerSecond)},
		{"lost", strconv.Itoa(r.Lost)},
		{"applied twice", strconv.Itoa(r.AppliedTwice)},
		{"not processed yet", strconv.Itoa(r.Waiting)},
	}...)
}

// unlessZero formats a number. For 0, which means not measured, it returns an empty string.
func unlessZero(format string, value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf(format, value)
}
