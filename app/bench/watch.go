package bench

import (
	"context"
	"fmt"
	"time"

	"example.com/identity-webhooks/models"
)

// progressEach is how often the progress is shown, and statsEach how often the server is asked for it: it counts all rows.
const progressEach, statsEach = 200 * time.Millisecond, 500 * time.Millisecond

// stallTimeout is how long the backlog may stay as it is before a run gives up waiting.
const stallTimeout = time.Minute

// watch sends a load and shows how it goes.
func (o Options) watch(ctx context.Context, l *load, name string) (sent, error) {
	done := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		tick := time.NewTicker(progressEach)
		defer tick.Stop()
		for started, last := time.Now(), int64(0); ; {
			select {
			case <-tick.C:
				n := l.acknowledged.Load()
				o.Progress(fmt.Sprintf("%s: %.0f of %.0f s, %s/s, %s acknowledged, %d refused", name, time.Since(started).Seconds(), l.duration.Seconds(),
					thousands(float64(n-last)/progressEach.Seconds()), thousands(float64(n)), l.refused.Load()))
				last = n
			case <-done:
				return
			}
		}
	}()
	all, err := l.send(ctx)
	close(done)
	<-shown
	return all, err
}

// settle waits until all is processed, and checks. Who has interrupted the sending wants to know all the same; who interrupts
// the waiting gets what is known by then.
func (o Options) settle(ctx context.Context, check *checker, s *source, all sent) (verdict, error) {
	waiting := ctx
	ctx = context.WithoutCancel(ctx)
	if waiting.Err() != nil {
		waiting = ctx
	}
	if err := check.drain(waiting, func(n int64) { o.Progress(fmt.Sprintf("%s events wait to be processed", thousands(float64(n)))) }); err != nil {
		return verdict{}, err
	}
	v, err := check.check(ctx, s, all.events, func(found int) {
		if found%500 == 0 {
			o.Progress(fmt.Sprintf("checking: %s of %s events", thousands(float64(found)), thousands(float64(len(all.events)))))
		}
	})
	if err == nil && v.Known == 0 && len(all.events) > 0 {
		return v, fmt.Errorf("the admin API at %s knows none of the %d acknowledged events: is it that of another server?", o.AdminAddr, len(all.events))
	}
	return v, err
}

// drain waits until nothing waits to be processed, the backlog stays as it is, or ctx is done.
func (c *checker) drain(ctx context.Context, progress func(waiting int64)) error {
	tick := time.NewTicker(statsEach)
	defer tick.Stop()
	least, since := int64(-1), time.Now()
	for {
		var stats struct {
			Events map[models.EventStatus]int64 `json:"events"`
		}
		if err := c.get(context.WithoutCancel(ctx), "/api/stats", &stats); err != nil {
			return fmt.Errorf("read stats: %w", err)
		}
		waiting := stats.Events[models.Received] + stats.Events[models.Queued]
		progress(waiting)
		if least < 0 || waiting < least {
			least, since = waiting, time.Now()
		}
		if waiting == 0 || time.Since(since) > stallTimeout {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
