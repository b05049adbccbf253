package models

import "github.com/prometheus/client_golang/prometheus"

// metrics are the store's. What is stored is not among them: see Store.Unfinished.
type metrics struct {
	deliveries prometheus.Histogram // in a commit
	duration   prometheus.Histogram // of a commit
}

func newMetrics() metrics {
	return metrics{
		deliveries: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "webhooks_commit_deliveries", Help: "How many deliveries shared a commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "webhooks_commit_duration_seconds", Help: "Time of a transaction from its begin to the end of its commit.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2},
		}),
	}
}

// Metrics returns the metrics of the store.
func (s *Store) Metrics() []prometheus.Collector {
	return []prometheus.Collector{s.metrics.deliveries, s.metrics.duration}
}
