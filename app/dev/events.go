package dev

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// followInterval is how often events -f looks for new ones.
const followInterval = 500 * time.Millisecond

// eventFilters are the flags that select events.
func eventFilters() []filter {
	return []filter{
		{"provider", "provider", "only events of this provider", handlers.ProviderNames()},
		{"type", "type", "only events of this type", nil},
		{"status", "status", "only events with this status", texts(models.EventStatuses)},
		{"outcome", "outcome", "only events with this outcome", texts(models.Outcomes)},
		{"customer", "customer_id", "only events about the customer with this ID", nil},
		{"external-id", "external_id", "only the event with this ID of the provider", nil},
	}
}

func newEvents(Env) *cobra.Command {
	follow := false
	l := &list{name: "event", filters: eventFilters(), columns: []column{
		{title: "TIME (UTC)", member: "received_at"}, {title: "ID", member: "id"}, {title: "PROVIDER", member: "provider", rank: 1, min: 4},
		{title: "TYPE", member: "type", rank: 2, min: 18}, {title: "STATUS", member: "outcome/status"},
		{title: "DETAIL", member: "error/reason/customer_id", rank: 3, min: 12},
	}}
	cmd := &cobra.Command{
		Use:   "events [<id>]",
		Short: "List the events that a running server has stored, or show one",
		Long: `Lists the newest events of a running server, the newest last. With an ID it
shows one event, its payload and the follow-ups it caused.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . events
  go run . events --status failed
  go run . events -f
  go run . events 17
  go run . events --limit 1000 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				event, err := l.one(cmd, args[0], "event_id")
				if err != nil || !event.Exists() {
					return err
				}
				return printPayload(cmd.OutOrStdout(), event)
			case follow:
				return followEvents(cmd, l)
			}
			return l.run(cmd)
		},
	}
	l.register(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the events that come, until Ctrl+C")
	return cmd
}

// followEvents lists the newest events and then those that come, until the context ends.
func followEvents(cmd *cobra.Command, l *list) error {
	a, q, err := l.open(cmd)
	if err != nil {
		return err
	}
	f, show := &follower{admin: a, query: q}, l.printer(cmd.OutOrStdout())
	events, _, err := f.next(cmd.Context())
	if err != nil {
		return err
	}
	show(events[max(0, len(events)-l.limit):])
	return poll(cmd.Context(), cmd.ErrOrStderr(), followInterval, func(ctx context.Context) error {
		events, _, err := f.next(ctx)
		if len(events) > 0 {
			show(events)
		}
		return err
	})
}

// printPayload prints the body of an event.
func printPayload(w io.Writer, event gjson.Result) error {
	if payload := event.Get("payload"); payload.Exists() {
		text, err := indent([]byte(payload.Raw))
		if err != nil {
			return fmt.Errorf("show payload: %w", err)
		}
		fmt.Fprintf(w, "\n%s\n", text)
		return nil
	}
	body, err := base64.StdEncoding.DecodeString(event.Get("body_base64").Str)
	if err != nil {
		return fmt.Errorf("show body: %w", err)
	}
	fmt.Fprintf(w, "\n%d bytes that are not JSON: %q\n", len(body), body)
	return nil
}
