package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"example.com/identity-webhooks/models"
)

// outcomeTimeout is how long trigger waits for the server to work on what it was sent.
const outcomeTimeout = 10 * time.Second

// outcome waits until the server has worked on the event, and tells what that changed.
func (p *player) outcome(ctx context.Context, provider string, body []byte, known knowledge, r *report) error {
	wait, cancel := context.WithTimeout(ctx, outcomeTimeout)
	defer cancel()
	e, err := p.processed(wait, provider, r.ExternalID, body)
	switch {
	case errors.Is(err, errElsewhere):
		fmt.Fprintf(p.w, "  what came of it cannot be shown: %s is the admin API of another server (see ADMIN_ADDR)\n", p.admin.base)
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the event was accepted, but not processed within %s", outcomeTimeout)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(p.w, "  what came of it cannot be shown: %v\n", err)
		return nil
	}
	p.reached = true
	r.EventID, r.Status, r.Outcome, r.Error = e.ID, string(e.Status), string(e.Outcome), e.LastError
	line := fmt.Sprintf("  event %d: %s", e.ID, p.paint(colourOf(e.Status), r.Status))
	if r.Outcome != "" {
		line += ", " + r.Outcome
	}
	if r.Error != "" {
		line += ": " + r.Error
	}
	fmt.Fprintln(p.w, line)
	if e.CustomerID != nil {
		return p.showCustomer(ctx, *e.CustomerID, known, r)
	}
	if ids := p.inCase(ctx, provider, known); len(ids) > 0 {
		return p.showCustomer(ctx, ids[0], known, r)
	}
	return nil
}

// errElsewhere says that the admin API does not know the event: an answer of 200 means that it is stored.
var errElsewhere = errors.New("the event is not there")

// processed waits until the event of these bytes needs no more work.
func (p *player) processed(ctx context.Context, provider, externalID string, body []byte) (models.Event, error) {
	query := "/api/events?" + url.Values{"provider": {provider}, "external_id": {externalID}}.Encode()
	for {
		var list struct{ Events []models.Event }
		if err := p.admin.get(ctx, query, &list); err != nil {
			return models.Event{}, err
		}
		e, err := p.which(ctx, list.Events, body)
		if err != nil || e.Status != models.Received && e.Status != models.Queued {
			return e, err
		}
		select {
		case <-ctx.Done():
			return e, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// which returns the one of the events with these bytes: beside an event others may be quarantined under its ID.
func (p *player) which(ctx context.Context, events []models.Event, body []byte) (models.Event, error) {
	switch len(events) {
	case 0:
		return models.Event{}, errElsewhere
	case 1:
		return events[0], nil
	}
	for _, e := range events {
		stored, err := p.admin.call(ctx, "GET", fmt.Sprintf("/api/events/%d/body", e.ID))
		if err != nil || bytes.Equal(stored, body) {
			return e, err
		}
	}
	return events[len(events)-1], nil // a repeat with other bytes, under an ID that is derived
}

// showCustomer tells what has changed on the customer.
func (p *player) showCustomer(ctx context.Context, id int64, known knowledge, r *report) error {
	after, err := p.customer(ctx, id)
	if err != nil {
		return err
	}
	if !slices.Contains(p.customers, id) {
		p.customers = append(p.customers, id)
	}
	before := known.customers[id]
	r.CustomerBefore, r.CustomerAfter, r.Changes = before, after, compareCustomers(before, after)
	p.printChanges(id, id > known.newest, r)
	if p.verbose {
		return p.printCustomer(after)
	}
	return nil
}

func colourOf(s models.EventStatus) string {
	switch s {
	case models.Processed:
		return green
	case models.Failed, models.Quarantined:
		return red
	}
	return yellow
}
