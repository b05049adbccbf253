package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/models"
)

// followInterval is how often events -f looks for new ones.
const followInterval = 500 * time.Millisecond

// window is how many of the newest events a follower compares. A follower does not notice when an older event is delivered
// again, or begins to match the query.
const window = 200

// follower finds the events that have arrived since its last call.
type follower struct {
	admin admin
	query url.Values
	seen  map[int64]models.Event // the newest events, as they were at the last call
}

// next returns the new events, and those that were delivered again, the newest last. The first call returns the events that
// are already there, a window of them at most.
func (f *follower) next(ctx context.Context) (fresh, repeated []json.RawMessage, err error) {
	seen := map[int64]models.Event{}
	enough := f.seen == nil // whether one window of events is enough
	for raw, err := range rows[json.RawMessage](ctx, f.admin, "events", f.query, window) {
		var e models.Event
		if err == nil {
			err = json.Unmarshal(raw, &e)
		}
		if err != nil {
			return nil, nil, err
		}
		old, known := f.seen[e.ID]
		known = known && old.ReceivedAt.Equal(e.ReceivedAt.Time) // otherwise it is another database
		if len(seen) >= window && enough {
			break
		}
		enough = enough || known // the last call has returned everything older
		switch {
		case !known:
			fresh = append(fresh, raw)
		case e.Deliveries > old.Deliveries:
			repeated = append(repeated, raw)
		}
		seen[e.ID] = e
	}
	f.seen = seen
	slices.Reverse(fresh)
	slices.Reverse(repeated)
	return fresh, repeated, nil
}

// followEvents prints the newest events, and then new ones as they arrive, until the context ends.
func followEvents(cmd *cobra.Command, f *follower, limit int, show func([]json.RawMessage)) error {
	events, _, err := f.next(cmd.Context())
	if err != nil {
		return err
	}
	show(events[max(0, len(events)-limit):])
	return poll(cmd.Context(), cmd.ErrOrStderr(), followInterval, func(ctx context.Context) error {
		events, _, err := f.next(ctx)
		show(events)
		return err
	})
}

// poll calls step at intervals until ctx ends, which is not an error. If the server stops answering, poll waits for it and
// writes a line to w.
func poll(ctx context.Context, w io.Writer, interval time.Duration, step func(context.Context) error) error {
	away := false
	for sleep(ctx, interval) == nil {
		err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !isAway(err):
			return err
		case err != nil && !away:
			fmt.Fprintln(w, "the server does not answer; waiting for it")
		case err == nil && away:
			fmt.Fprintln(w, "the server answers again")
		}
		away = err != nil
	}
	return nil
}
