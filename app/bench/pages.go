package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"example.com/identity-webhooks/models"
)

// Get reads what the admin API has at a path into answer.
type Get func(ctx context.Context, path string, answer any) error

// adminPatience is how long the admin API may not answer: under load, or while the server starts again.
const adminPatience = 30 * time.Second

// patient asks again after an error.
func (get Get) patient() Get {
	return func(ctx context.Context, path string, answer any) error {
		for deadline := time.Now().Add(adminPatience); ; {
			err := get(ctx, path, answer)
			if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
				return err
			}
			waitUntil(ctx, time.Now().Add(statsEach))
		}
	}
}

// event is what the check needs of a row of the inbox.
type event struct {
	ID          int64              `json:"id"`
	ExternalID  string             `json:"external_id"`
	Status      models.EventStatus `json:"status"`
	Outcome     models.Outcome     `json:"outcome"`
	ReceivedAt  models.Time        `json:"received_at"`
	ProcessedAt models.Time        `json:"processed_at"`
	CustomerID  *int64             `json:"customer_id"`
}

// eventsSince calls f with each event since the run began, newest first.
func (c *checker) eventsSince(ctx context.Context, f func(event)) error {
	for cursor := ""; ; {
		var page struct {
			Events []event `json:"events"`
			Next   string  `json:"next_cursor"`
		}
		if err := c.get(ctx, "/api/events?limit=500&cursor="+url.QueryEscape(cursor), &page); err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		for _, e := range page.Events {
			if e.ID <= c.events {
				return nil
			}
			f(e)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// customersSince calls f with each customer since the run began, newest first.
func (c *checker) customersSince(ctx context.Context, f func(models.Customer)) error {
	for cursor := ""; ; {
		var page struct {
			Customers []models.Customer `json:"customers"`
			Next      string            `json:"next_cursor"`
		}
		if err := c.get(ctx, "/api/customers?limit=500&cursor="+url.QueryEscape(cursor), &page); err != nil {
			return fmt.Errorf("read customers: %w", err)
		}
		for _, customer := range page.Customers {
			if customer.ID <= c.customers {
				return nil
			}
			f(customer)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
