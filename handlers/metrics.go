package handlers

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// The results of deliveries in the metrics.
const (
	resultAccepted    = "accepted"
	resultRepeated    = "repeated"
	resultQuarantined = "quarantined"
	resultUnreadable  = "unreadable" // verified and stored, but it does not say which event it is
	resultRejected    = "rejected"
	resultLimited     = "limited" // rejected, and its address has sent too many
	resultNotStored   = "not_stored"
)

var results = []string{resultAccepted, resultRepeated, resultQuarantined, resultUnreadable, resultRejected, resultLimited, resultNotStored}

// reasons lists the reasons in the metrics. Of a longer Reason, the text before the colon counts.
var reasons = []Reason{
	MissingSignature, WeakSignature, RepeatedHeader, MalformedSignature, MissingTimestamp, MalformedTimestamp, TooOld, FromTheFuture, WrongSecret, WrongToken,
	MissingID, MalformedID, WrongID, UnknownKey, ExpiredKey, RefusedHash, NoReason, noPath, noSecret, noToken, wrongMethod, bodyCut, Reason(errTooLarge.Error()), Reason(errBusy.Error()),
}

// metrics are the receiver's. Strangers cannot create labels: those of the provider and the reason are taken from our own lists.
type metrics struct {
	deliveries      *prometheus.CounterVec
	rejections      *prometheus.CounterVec
	acknowledgement prometheus.Histogram
}

// newMetrics returns metrics in which every series exists, so that an alert sees the first rejection as an increase.
func newMetrics() metrics {
	m := metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhooks_deliveries_total", Help: "Deliveries by provider and result.",
		}, []string{"provider", "result"}),
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "webhooks_rejections_total", Help: "Deliveries that were rejected or limited, by provider and reason.",
		}, []string{"provider", "reason"}),
		acknowledgement: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "webhooks_acknowledgement_duration_seconds", Help: "Time from the receipt of a verified delivery to its answer.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
	}
	for _, provider := range append(ProviderNames(), "unknown") {
		for _, result := range results {
			m.deliveries.WithLabelValues(provider, result)
		}
		for _, reason := range reasons {
			m.rejections.WithLabelValues(provider, reason.code())
		}
	}
	return m
}

// count counts a delivery.
func (m *metrics) count(provider, result string) {
	m.deliveries.WithLabelValues(providerLabel(provider), result).Inc()
}

// reject counts a rejected delivery with its reason.
func (m *metrics) reject(provider string, reason Reason, limited bool) {
	result := resultRejected
	if limited {
		result = resultLimited
	}
	m.count(provider, result)
	m.rejections.WithLabelValues(providerLabel(provider), reason.code()).Inc()
}

func providerLabel(name string) string {
	if _, known := providers[name]; known {
		return name
	}
	return "unknown"
}

// code returns the reason as a label, such as no_such_path. A reason that is not in the list is not_verified.
func (r Reason) code() string {
	text, _, _ := strings.Cut(string(r), ":")
	for _, known := range reasons {
		if string(known) == text {
			return strings.ToLower(strings.ReplaceAll(text, " ", "_"))
		}
	}
	return NoReason.code()
}

// Metrics returns the metrics of the receiver.
func (r *Receiver) Metrics() []prometheus.Collector {
	return []prometheus.Collector{r.metrics.deliveries, r.metrics.rejections, r.metrics.acknowledgement}
}
