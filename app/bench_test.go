package app_test

import (
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app/testservers"
)

// BenchmarkIdleLatency measures the way from a POST to the committed customer when nothing else goes on, one event after the
// other. It reports milliseconds.
func BenchmarkIdleLatency(b *testing.B) {
	v := anyVerdicts(b)
	for name, back := range map[string]func(*testing.B) backend{
		"sqlite":   func(b *testing.B) backend { return sqlite(b) },
		"postgres": func(b *testing.B) backend { return backend{testservers.DatabaseURL(b), testservers.RedisURL(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			r := start(b, back(b), "LOG_LEVEL=error")
			pause := time.NewTicker(500 * time.Microsecond)
			defer pause.Stop()
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				who := uuid.NewString()
				body := v.yes.event(uuid.NewString(), who, now)
				started := time.Now()
				if status, _, err := r.trySend(v.provider, body, func(http.Header) {}); status != http.StatusOK || err != nil {
					b.Fatal(status, err)
				}
				for len(r.customers("subject_id="+who)) == 0 {
					<-pause.C // asking all the time would take the time that is measured
				}
				took = append(took, time.Since(started))
			}
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
			b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
		})
	}
}

// BenchmarkTracing measures the processor time of an event from its delivery to the end of its processing, with its sender, and with tracing
// off and on. The collector is in this process as well; it only reads.
func BenchmarkTracing(b *testing.B) {
	v := anyVerdicts(b)
	for _, tracing := range []string{"off", "on"} {
		b.Run(tracing, func(b *testing.B) {
			settings := []string{"LOG_LEVEL=error"}
			if tracing == "on" {
				settings = append(settings, "OTEL_EXPORTER_OTLP_ENDPOINT="+newCollector(b, http.StatusOK).URL)
			}
			r := start(b, sqlite(b), settings...)
			spent := processorTime(b)
			var senders errgroup.Group
			senders.SetLimit(2) // as many as connections are kept
			for range b.N {
				senders.Go(func() error {
					_, body := v.verified()
					_, _, err := r.trySend(v.provider, body, func(http.Header) {})
					return err
				})
			}
			if err := senders.Wait(); err != nil {
				b.Fatal(err)
			}
			r.settle()
			b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(b.N), "cpu-µs/event")
		})
	}
}

// processorTime is what this process has spent.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
