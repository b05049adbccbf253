package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"time"

	"example.com/identity-webhooks/models"
)

// window is how many of the newest events a follower looks at. An older one that only now begins to match, since it has failed
// after many attempts, is not noticed.
const window = 200

// follower tells new events from those it has seen.
type follower struct {
	admin *adminClient
	query url.Values
	seen  map[int64]glimpse
	page  []models.Event // that it looked at last, the newest first
}

// glimpse is what a follower remembers of an event.
type glimpse struct {
	received   models.Time // another one is another event: the database was made anew
	deliveries int
}

func newFollower(admin *adminClient, query url.Values) *follower {
	return &follower{admin: admin, query: query, seen: map[int64]glimpse{}}
}

// start takes all events that are there as seen, and returns the newest, at most so many, the newest last.
func (f *follower) start(ctx context.Context, most int) ([]models.Event, error) {
	events, err := newest[models.Event](ctx, f.admin, "events", f.query, max(most, window))
	for _, e := range events {
		f.seen[e.ID] = glimpse{e.ReceivedAt, e.Deliveries}
	}
	return events[max(0, len(events)-most):], err
}

// next returns the events that have come since, and those that were delivered again, the newest last.
func (f *follower) next(ctx context.Context) (fresh, repeated []models.Event, err error) {
	if f.page, err = f.look(ctx); err != nil {
		return nil, nil, err
	}
	for _, e := range slices.Backward(f.page) {
		switch {
		case !f.knows(e):
			fresh = append(fresh, e)
		case e.Deliveries > f.seen[e.ID].deliveries:
			repeated = append(repeated, e)
		}
		f.seen[e.ID] = glimpse{e.ReceivedAt, e.Deliveries}
	}
	f.forget()
	return fresh, repeated, nil
}

func (f *follower) knows(e models.Event) bool {
	before, seen := f.seen[e.ID]
	return seen && before.received.Equal(e.ReceivedAt.Time)
}

// look returns the newest events, the newest first: a window of them, and as many more as there are windows of new ones only.
func (f *follower) look(ctx context.Context) ([]models.Event, error) {
	var all []models.Event
	err := pages(ctx, f.admin, "events", f.query, window, func(page []models.Event) bool {
		all = append(all, page...)
		return !slices.ContainsFunc(page, f.knows)
	})
	return all, err
}

// forget lets go of what lies before the window.
func (f *follower) forget() {
	if len(f.page) < window {
		return
	}
	oldest := f.page[len(f.page)-1].ID
	maps.DeleteFunc(f.seen, func(id int64, _ glimpse) bool { return id < oldest })
}

// poll takes a step again and again until the context ends, which is no error. A server that has been reached may go away, and
// come back: w is told.
func poll(ctx context.Context, w io.Writer, interval time.Duration, step func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case isAway(err) && !away:
			away = true
			fmt.Fprintln(w, "the server does not answer; waiting for it")
		case err == nil && away:
			away = false
			fmt.Fprintln(w, "the server answers again")
		case err != nil && !isAway(err):
			return err
		}
	}
}
