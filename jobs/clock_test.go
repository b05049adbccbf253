package jobs

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

// A clock that is set an hour forward and back again loses nothing and stalls nothing, not even what was under way or waited for
// its next attempt.
func TestClockJumps(t *testing.T) {
	onBothQueues(t, func(t *testing.T, newPlant func(map[string]translation) *plant) {
		var refusing atomic.Bool
		refusing.Store(true)
		fine := func(models.Event) (models.Facts, error) { return models.Facts{SubjectID: "p"}, nil }
		p := newPlant(map[string]translation{
			"acme/v1/fine": fine, "acme/v1/later": fine,
			"acme/v1/slow": func(e models.Event) (models.Facts, error) {
				if refusing.Load() {
					return models.Facts{}, errors.New("not now")
				}
				return fine(e)
			},
		})
		p.run()
		processed := func(n int) func() bool {
			return func() bool { return len(p.events(models.EventFilter{Status: models.Processed})) == n }
		}
		p.receive("fine", 10)
		p.eventually("10 events are processed", processed(10))

		p.ahead.Store(int64(time.Hour))
		p.receive("fine", 10)
		p.eventually("the events after the jump forward are processed", processed(20))
		p.receive("slow", 5) // their next attempt is an hour ahead of what follows
		p.eventually("an attempt was made", func() bool {
			events := p.events(models.EventFilter{Type: "slow"})
			return len(events) == 5 && events[0].Error != "" && events[4].Error != ""
		})

		p.ahead.Store(0)
		refusing.Store(false)
		p.receive("later", 10)
		p.eventually("the events after the jump back are processed, and those from before it", processed(35))
	})
}
