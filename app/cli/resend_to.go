package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// elsewhere sends the stored bodies to another server, the oldest first, and tells how that answers.
func (r *resend) elsewhere(ctx context.Context, ids []int64, query url.Values) error {
	base, err := webhooksAt("to", r.to)
	if err != nil {
		return err
	}
	events, err := r.chosen(ctx, ids, query)
	if err != nil {
		return err
	}
	events, refused := r.sendable(events)
	signers := map[string]handlers.Provider{}
	for _, e := range events {
		if signers[e.Provider] == nil {
			if signers[e.Provider], err = signer(r.config, e.Provider, r.secret); err != nil {
				return err
			}
		}
	}
	if r.dryRun {
		fmt.Fprintf(r.cmd.OutOrStdout(), "%s would be sent to %s\n", countEvents(len(events)), base)
		return nil
	}
	if err := r.confirm(fmt.Sprintf("Send %s to %s?", countEvents(len(events)), base), len(events)); err != nil {
		return err
	}
	bad, err := r.sendAll(ctx, base, events, signers)
	switch {
	case err != nil:
		return err
	case bad > 0:
		return fmt.Errorf("%d of %d events were not accepted", bad, len(events))
	case refused > 0 && len(ids) > 0:
		return fmt.Errorf("%d of %d events were not sent", refused, len(ids))
	}
	return nil
}

// chosen returns the events to send, the oldest first.
func (r *resend) chosen(ctx context.Context, ids []int64, query url.Values) ([]models.Event, error) {
	if len(ids) > 0 {
		return r.events(ctx, ids)
	}
	events, err := newest[models.Event](ctx, r.admin, "events", query, math.MaxInt)
	if r.limit > 0 {
		events = events[:min(r.limit, len(events))]
	}
	return events, err
}

// sendable leaves out the quarantined events, unless --force is there, and says so.
func (r *resend) sendable(events []models.Event) (fit []models.Event, refused int) {
	for _, e := range events {
		if e.Status == models.Quarantined && !r.force {
			refused++
			fmt.Fprintf(r.cmd.OutOrStdout(), "%s is not sent: it is quarantined (--force sends it)\n", label(e))
			continue
		}
		fit = append(fit, e)
	}
	return fit, refused
}

// sendAll sends the events and returns how many were not accepted. It ends where the server cannot be reached.
func (r *resend) sendAll(ctx context.Context, base string, events []models.Event, signers map[string]handlers.Provider) (bad int, err error) {
	w, next := r.cmd.OutOrStdout(), time.Now()
	for i, e := range events {
		if r.rate > 0 {
			select {
			case <-time.After(time.Until(next)):
			case <-ctx.Done():
			}
			next = next.Add(time.Second / time.Duration(r.rate))
		}
		if ctx.Err() != nil {
			return bad, fmt.Errorf("ended after %d of %d events", i, len(events))
		}
		body, err := r.admin.call(ctx, http.MethodGet, fmt.Sprintf("/api/events/%d/body", e.ID))
		if err != nil {
			return bad, err
		}
		signed := signers[e.Provider].Sign(body, time.Now())
		status, answer, err := post(ctx, base+signed.Path, signed.Header, body)
		if err != nil {
			return bad, errors.Join(fmt.Errorf("send to %s%s: %w", base, e.Provider, err), fmt.Errorf("ended after %d of %d events", i, len(events)))
		}
		colour := green
		if status != http.StatusOK {
			bad++
			colour, answer = red, answer+advice(status, e.Provider)
		}
		fmt.Fprintf(w, "%s → %s\n", label(e), newPainter(w).paint(colour, oneLine(answer)))
	}
	return bad, nil
}
