package app_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

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
