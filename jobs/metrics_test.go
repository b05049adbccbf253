package jobs

import (
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// BenchmarkMetrics measures what the metrics of one processed event and one follow-up cost.
func BenchmarkMetrics(b *testing.B) {
	m := newMetrics(followUps(Clients{}), nil)
	e := models.Event{Provider: "provider", ReceivedAt: models.At(time.Now())}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			began := time.Now()
			m.done(e, models.Applied, began)
			m.attempt(resultProcessed, began)
			m.attemptFollowUp("callback", string(models.FollowUpDone), began)
		}
	})
}
