package bench

import (
	"errors"
	"fmt"
)

// Report is what a run measured. What is not known, or was not measured, is nil.
type Report struct {
	Server      string   `json:"server"` // what was measured, in words
	Providers   []string `json:"providers"`
	Connections int      `json:"connections"`
	Rate        float64  `json:"wanted_rate_per_second,omitempty"` // 0: as fast as it goes
	Seconds     float64  `json:"sending_seconds"`
	Interrupted bool     `json:"interrupted"`

	Acknowledged   int      `json:"acknowledged_events"`
	AcksPerSecond  float64  `json:"acks_per_second"`
	AckLatency     Latency  `json:"ack_latency"`
	AckRatio       *float64 `json:"acks_to_baseline_ratio"`
	Refused        int      `json:"refused_deliveries"`
	Unanswered     int      `json:"unanswered_deliveries"`
	Repeated       int      `json:"repeated_deliveries"`
	Misjudged      int      `json:"misjudged_deliveries"` // a new event called a duplicate, or the reverse
	EndToEndP50    float64  `json:"received_to_processed_p50_ms"`
	EndToEndP99    float64  `json:"received_to_processed_p99_ms"`
	Backlog        int      `json:"backlog_events"`
	DrainPerSecond *float64 `json:"drain_per_second"`
	DrainRatio     *float64 `json:"drain_to_asynq_ratio"`
	Lost           int      `json:"lost_events"`
	Waiting        int      `json:"waiting_events"`
	AppliedTwice   int      `json:"applied_twice"`
	PeakMemory     *int64   `json:"peak_memory_bytes"`
	ServerCPU      *float64 `json:"server_cpu_us_per_event"`    // the work in the background included
	GeneratorCPU   *float64 `json:"generator_cpu_us_per_event"` // of sending
	AsynqPerSecond *float64 `json:"asynq_empty_handler_per_second"`
	BaselineBefore *Speed   `json:"baseline_before"`
	BaselineAfter  *Speed   `json:"baseline_after"`
	ServerLog      string   `json:"-"` // the end of the warnings of a server that was started
}

// Latency is how long answers took, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Speed is what a server acknowledged.
type Speed struct {
	PerSecond float64 `json:"acks_per_second"`
	Latency   Latency `json:"ack_latency"`
}

// minBacklog is how many events must wait for the drain to say something about speed.
const minBacklog = 500

// Problem is an error if the run showed one: an acknowledged event that was not processed exactly once, or an answer that was
// wrong.
func (r Report) Problem() error {
	var problems []error
	add := func(n int, text string) {
		if n > 0 {
			problems = append(problems, fmt.Errorf("%d %s", n, text))
		}
	}
	add(r.Lost, "acknowledged events are lost")
	add(r.AppliedTwice, "times an event was applied twice")
	add(r.Misjudged, "answers took a new event for a duplicate, or the reverse")
	if r.Waiting > 0 && !r.Interrupted {
		add(r.Waiting, "acknowledged events are still not processed")
	}
	if r.Acknowledged == 0 && !r.Interrupted {
		problems = append(problems, errors.New("no event was acknowledged"))
	}
	return errors.Join(problems...)
}

// sending puts in what was sent.
func (r *Report) sending(s sent) {
	speed := s.speed()
	r.Seconds, r.Acknowledged = s.elapsed.Seconds(), len(s.events)
	r.AcksPerSecond, r.AckLatency = speed.PerSecond, speed.Latency
	r.Refused, r.Unanswered, r.Repeated, r.Misjudged = s.refused, s.unanswered, s.repeated, s.misjudged
}

// checked puts in what became of it.
func (r *Report) checked(v verdict) {
	r.Lost, r.Waiting, r.AppliedTwice, r.Backlog = v.Lost, v.Waiting, v.Twice, v.backlog
	r.EndToEndP50, r.EndToEndP99 = ms(percentile(v.endToEnd, 0.5)), ms(percentile(v.endToEnd, 0.99))
	if v.backlog >= minBacklog && v.draining > 0 {
		r.DrainPerSecond = new(float64(v.backlog) / v.draining.Seconds())
	}
}

// compare works out the shares of the baselines.
func (r *Report) compare() {
	bare := 0.0
	if r.BaselineBefore != nil && r.BaselineAfter != nil {
		bare = (r.BaselineBefore.PerSecond + r.BaselineAfter.PerSecond) / 2
	}
	if bare > 0 && r.Rate == 0 { // at a rate it would compare with what was asked for
		r.AckRatio = new(r.AcksPerSecond / bare)
	}
	if r.DrainPerSecond != nil && r.AsynqPerSecond != nil {
		r.DrainRatio = new(*r.DrainPerSecond / *r.AsynqPerSecond)
	}
}
