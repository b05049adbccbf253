package jobs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestFigures(t *testing.T) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		p := newPlant(nil)
		for _, pending := range []int{0, 3, 0} {
			if err := p.queue.relay.Del(t.Context(), "asynq:{"+p.queue.name(models.DefaultQueue)+"}:pending").Err(); err != nil { // as if they were done
				t.Fatal(err)
			}
			p.receive("some", pending)
			if _, err := p.relay.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			figures, err := p.queue.Figures(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			load, err := p.queue.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			isClose := func(x, y time.Duration) bool { return (x-y).Abs() < time.Minute && (x > 0) == (y > 0) }
			if diff := cmp.Diff(figures, load, cmp.Comparer(isClose)); diff != "" {
				t.Errorf("with %d tasks the load differs from the figures (-figures +load)\n%s", pending, diff)
			}
			var want []QueueFigures
			for n, l := range lanes() {
				want = append(want, QueueFigures{Name: l.queue})
				if l.queue == models.DefaultQueue {
					want[n].Pending = pending
				}
			}
			for n := range figures {
				figures[n].Latency = 0
			}
			if diff := cmp.Diff(want, figures); diff != "" {
				t.Errorf("with %d tasks (-want +got)\n%s", pending, diff)
			}
		}
	})
}
