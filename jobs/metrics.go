package jobs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/identity-webhooks/models"
)

// The results of attempts in the metrics.
const (
	resultProcessed   = "processed"
	resultRetried     = "retried"
	resultFailed      = "failed"       // it will not be tried again
	resultClaimLost   = "claim_lost"   // a later attempt has the event or the follow-up
	resultNotRecorded = "not_recorded" // the database did not take the result, so it is tried again
)

// The results of reads.
const (
	readNew    = "new"
	readKnown  = "known" // the same answer was read before
	readGone   = "gone"
	readFailed = "failed"
)

// metrics are the worker's.
type metrics struct {
	attempts   *prometheus.CounterVec
	processed  *prometheus.CounterVec
	processing prometheus.Histogram
	endToEnd   prometheus.Histogram
	followUps  *prometheus.CounterVec
	followUp   *prometheus.HistogramVec
	reads      *prometheus.CounterVec
}

// newMetrics returns metrics in which the series of all results exist, so that an alert sees the first failure as an increase.
func newMetrics(list []FollowUp, apis map[string]API) metrics {
	short := []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
	m := metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhooks_attempts_total", Help: "Attempts at processing an event by result.",
		}, []string{"result"}),
		processed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhooks_processed_events_total", Help: "Processed events by provider and outcome.",
		}, []string{"provider", "outcome"}),
		processing: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "webhooks_processing_duration_seconds", Help: "Time of one attempt at processing an event.", Buckets: short,
		}),
		endToEnd: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "webhooks_end_to_end_duration_seconds", Help: "Time from the receipt of an event to the end of its processing.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 1800},
		}),
		followUps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhooks_follow_ups_total", Help: "Attempts at follow-ups, and follow-ups that were only logged, by name and result.",
		}, []string{"name", "result"}),
		followUp: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "webhooks_follow_up_duration_seconds", Help: "Time of one attempt at a follow-up.", Buckets: append(short, 10),
		}, []string{"name"}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhooks_reads_total", Help: "Reads of what events name from the providers' APIs, by provider and result.",
		}, []string{"provider", "result"}),
	}
	for provider := range apis {
		for _, result := range []string{readNew, readKnown, readGone, readFailed} {
			m.reads.WithLabelValues(provider, result)
		}
	}
	for _, result := range []string{resultProcessed, resultRetried, resultFailed, resultClaimLost, resultNotRecorded} {
		m.attempts.WithLabelValues(result)
	}
	for _, f := range list {
		m.followUp.WithLabelValues(f.Name)
		for _, result := range []string{
			string(models.FollowUpDone), string(models.FollowUpLogged), string(models.FollowUpOvertaken),
			resultRetried, resultFailed, resultClaimLost, resultNotRecorded,
		} {
			m.followUps.WithLabelValues(f.Name, result)
		}
	}
	return m
}

// attempt observes an attempt at an event that began at a time.
func (m *metrics) attempt(result string, began time.Time) {
	m.attempts.WithLabelValues(result).Inc()
	m.processing.Observe(time.Since(began).Seconds())
}

// done observes an event that was processed at a time.
func (m *metrics) done(e models.Event, o models.Outcome, at time.Time) {
	m.processed.WithLabelValues(e.Provider, string(o)).Inc()
	m.endToEnd.Observe(at.Sub(e.ReceivedAt.Time).Seconds())
}

// attemptFollowUp observes an attempt at a follow-up that began at a time.
func (m *metrics) attemptFollowUp(name, result string, began time.Time) {
	m.followUps.WithLabelValues(name, result).Inc()
	m.followUp.WithLabelValues(name).Observe(time.Since(began).Seconds())
}

// Metrics returns the metrics of the worker.
func (w *Worker) Metrics() []prometheus.Collector {
	m := &w.metrics
	return []prometheus.Collector{m.attempts, m.processed, m.processing, m.endToEnd, m.followUps, m.followUp, m.reads}
}
