package app

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/time/rate"
)

// scrapeTimeout is how long a scrape waits for the database or for Redis. The metrics of one that does not answer are left out.
const scrapeTimeout = 2 * time.Second

// metrics returns the handler of /metrics. The parts have counted what has happened; what is waiting is read at each scrape.
func (a *App) metrics(parts ...[]prometheus.Collector) http.Handler {
	errors := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "webhooks_scrape_errors_total", Help: "Scrapes without the metrics of a source, because it did not answer.",
	}, []string{"source"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(errors, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, part := range parts {
		registry.MustRegister(part...)
	}
	for name, read := range map[string]func(context.Context, func(gauge)) error{
		"program": a.readProgram, "database": a.readDatabase, "queue": a.readQueues,
	} {
		registry.MustRegister(&source{read, errors.WithLabelValues(name), a.log.With("source", name), rate.Sometimes{First: 1, Interval: time.Minute}})
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// gauge is one value that was read.
type gauge struct {
	name, help   string
	value        float64
	label, which string // empty: none
}

// source is a collector that reads its metrics at each scrape.
type source struct {
	read   func(context.Context, func(gauge)) error
	errors prometheus.Counter
	log    *slog.Logger
	seldom rate.Sometimes
}

// Describe implements prometheus.Collector. It describes nothing, because each metric may be missing.
func (s *source) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. The registry calls it for all sources at once.
func (s *source) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	err := s.read(ctx, func(g gauge) {
		labels := prometheus.Labels{}
		if g.label != "" {
			labels[g.label] = g.which
		}
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, g.help, nil, labels), prometheus.GaugeValue, g.value)
	})
	if err != nil {
		s.errors.Inc()
		s.seldom.Do(func() { s.log.Warn("metrics are incomplete", "err", err) })
	}
}

// readProgram reads what the process itself knows.
func (a *App) readProgram(_ context.Context, add func(gauge)) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version // with the commit, if it is known
	}
	add(gauge{"webhooks_build_info", "1, with the version of the program.", 1, "version", version})
	add(gauge{name: "webhooks_certificate_expires_timestamp_seconds", help: "When the certificate of ADDR expires; 0 without one.", value: a.certificate.expires()})
	healthy := map[string]float64{}
	for _, s := range a.watch.States() { // a provider may have several
		if _, known := healthy[s.Provider]; !known {
			healthy[s.Provider] = 1
		}
		if s.Problem != "" {
			healthy[s.Provider] = 0
		}
	}
	for provider, value := range healthy {
		add(gauge{"webhooks_subscription_healthy", "Whether the provider still sends to us: 1, or 0 if there is a problem.", value, "provider", provider})
	}
	return nil
}

// readDatabase reads what is waiting, which all processes see alike.
func (a *App) readDatabase(ctx context.Context, add func(gauge)) error {
	u, err := a.store.Unfinished(ctx)
	if err != nil {
		return err
	}
	differences, err := a.store.CountDrift(ctx)
	if err != nil {
		return err
	}
	waited := 0.0
	if !u.Oldest.IsZero() {
		waited = time.Since(u.Oldest.Time).Seconds()
	}
	add(gauge{name: "webhooks_pending_events", help: "Events that still have to be processed.", value: float64(u.Waiting)})
	add(gauge{name: "webhooks_failed_events", help: "Events that were given up.", value: float64(u.Failed)})
	add(gauge{name: "webhooks_oldest_waiting_seconds", help: "Age of the oldest event that was not tried yet.", value: waited})
	add(gauge{name: "webhooks_pending_follow_ups", help: "Follow-ups that still have to be done.", value: float64(u.WaitingFollowUps)})
	add(gauge{name: "webhooks_failed_follow_ups", help: "Follow-ups that were given up.", value: float64(u.FailedFollowUps)})
	add(gauge{name: "webhooks_payload_differences", help: "Ways in which payloads differ from what is known.", value: float64(differences)})
	return nil
}

// readQueues reads what is in Redis.
func (a *App) readQueues(ctx context.Context, add func(gauge)) error {
	queues, err := a.queue.Load(ctx)
	for _, q := range queues {
		add(gauge{"webhooks_queue_pending_tasks", "Tasks that wait in the queue.", float64(q.Pending), "queue", q.Name})
		add(gauge{"webhooks_queue_active_tasks", "Tasks that are being processed.", float64(q.Active), "queue", q.Name})
		add(gauge{"webhooks_queue_latency_seconds", "How long the oldest task of the queue has waited.", q.Latency.Seconds(), "queue", q.Name})
	}
	return err
}
