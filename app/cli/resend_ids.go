package cli

import (
	"context"
	"fmt"
	"time"

	"example.com/identity-webhooks/models"
)

// these replays single events, one after the other, and tells what comes of each.
func (r *resend) these(ctx context.Context, ids []int64) error {
	events, err := r.events(ctx, ids)
	if err != nil {
		return err
	}
	bad := 0
	for _, e := range events {
		fine, err := r.replay(ctx, e)
		if err != nil {
			return err
		}
		if !fine {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d events did not get through", bad, len(events))
	}
	return nil
}

// replay starts one event again, waits for its outcome and tells it. It reports whether all is well with the event.
func (r *resend) replay(ctx context.Context, e models.Event) (fine bool, err error) {
	w := r.cmd.OutOrStdout()
	if r.dryRun {
		if why := whyStays(e); why != "" {
			fmt.Fprintf(w, "%s stays as it is: %s\n", label(e), why)
		} else {
			fmt.Fprintf(w, "%s would be replayed\n", label(e))
		}
		return true, nil
	}
	var answer struct{ Replayed int }
	if err := r.admin.post(ctx, fmt.Sprintf("/api/events/%d/replay", e.ID), &answer); err != nil {
		return false, err
	}
	if answer.Replayed == 0 {
		if e, err = r.event(ctx, e.ID); err != nil {
			return false, err
		}
		fmt.Fprintf(w, "%s stays as it is: %s\n", label(e), whyStays(e))
		if !underWay(e) {
			return e.Status == models.Processed, nil
		}
	}
	return r.outcome(ctx, e)
}

// whyStays says why a replay leaves an event as it is; empty if it does not.
func whyStays(e models.Event) string {
	switch {
	case underWay(e):
		return "it is being worked on already"
	case e.Status == models.Quarantined:
		return "a quarantined event is never applied"
	case e.Status == models.Processed && e.Outcome != models.Ignored && e.Outcome != models.Sandbox:
		return fmt.Sprintf("it is processed, %s; to replay it would change nothing", e.Outcome)
	}
	return ""
}

func underWay(e models.Event) bool { return e.Status == models.Received || e.Status == models.Queued }

// outcome waits until the server has worked on an event, and tells what came of it.
func (r *resend) outcome(ctx context.Context, e models.Event) (fine bool, err error) {
	deadline := time.After(resendTimeout)
	for {
		if e, err = r.event(ctx, e.ID); err != nil {
			return false, err
		}
		if !underWay(e) {
			return r.tell(ctx, e)
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline:
			return r.tell(ctx, e) // it may be waiting for its next attempt
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *resend) tell(ctx context.Context, e models.Event) (fine bool, err error) {
	w := r.cmd.OutOrStdout()
	state := eventState(e)
	line := label(e) + ": " + newPainter(w).paint(state.colour, state.text)
	if e.LastError != "" && e.Status != models.Processed {
		line += ": " + oneLine(e.LastError)
	}
	if e.CustomerID != nil {
		var c models.Customer
		if err := r.admin.get(ctx, fmt.Sprintf("/api/customers/%d", *e.CustomerID), &c); err != nil {
			return false, err
		}
		status := customerStatus(c.Status)
		line += fmt.Sprintf("; customer %d is %s", c.ID, newPainter(w).paint(status.colour, status.text))
	}
	fmt.Fprintln(w, line)
	return e.Status == models.Processed, nil
}
