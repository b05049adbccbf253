package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestFigures(t *testing.T) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		p := newPlant(nil)
		for _, pending := range []int{0, 3} {
			p.receive("some", pending)
			if _, err := p.relay.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			figures, err := p.queue.Figures(t.Context())
			if err != nil {
				t.Fatal(err)
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
