package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/models"
)

func newSubscriptions(Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscriptions",
		Short: "Manage our webhooks at the providers",
		Long: `Manages the webhooks that are registered for us at the providers, as far as
their APIs are documented:

` + capabilities() + `
.env.example lists the variables of the credentials. A secret that a provider
shows only once is saved at once, in .env or in the file that
<NAME>_WEBHOOK_SECRET_FILE names.`,
		Example: `  go run . subscriptions list
  go run . subscriptions create trst --url https://example.ngrok.app
  go run . subscriptions rotate trst`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSubscriptionsList(), newSubscriptionsCreate(), newSubscriptionsUpdate(), newSubscriptionsDelete(), newSubscriptionsTest(),
		newSubscriptionsDeliveries(), newSubscriptionsRotate())
	for _, sub := range cmd.Commands() {
		sub.ValidArgsFunction = cobra.FixedCompletions(subscriptions.Names(), cobra.ShellCompDirectiveNoFileComp)
	}
	return cmd
}

// capabilities lists what each provider's API can do.
func capabilities() string {
	var b strings.Builder
	for _, name := range subscriptions.Names() {
		p, err := subscriptions.Config{}.Provider(name)
		if err != nil {
			panic(err) // it is in the table
		}
		var can []string
		for _, o := range []struct {
			name string
			able bool
		}{
			{"list", p.List != nil}, {"create", p.Create != nil}, {"update", p.Update != nil}, {"delete", p.Delete != nil},
			{"test", p.Test != nil}, {"deliveries", p.Deliveries != nil}, {"rotate", p.Create != nil},
		} {
			if o.able {
				can = append(can, o.name)
			}
		}
		fmt.Fprintf(&b, "  %-12s %s\n", name, strings.Join(can, ", "))
	}
	return b.String()
}

// openAPI returns a provider that can do an operation and whose credentials are set.
func openAPI(name, operation string, can func(p subscriptions.Provider) bool) (app.Config, subscriptions.Provider, error) {
	c, err := loadConfig()
	if err != nil {
		return c, subscriptions.Provider{}, err
	}
	p, err := c.API.Provider(name)
	if err == nil && !can(p) {
		err = p.Undocumented(operation)
	}
	if err == nil {
		err = p.CheckCredentials()
	}
	return c, p, usage(err)
}

// targetURL is where a provider is to send: below base or, if that is empty, PUBLIC_URL.
func targetURL(c app.Config, base, provider, secret string) (string, error) {
	source := "--url"
	if base == "" {
		base, source = c.API.PublicURL, "PUBLIC_URL"
	}
	if base == "" {
		return "", UsageError{errors.New("set PUBLIC_URL or --url to where providers reach us, such as https://example.ngrok.app")}
	}
	target, err := subscriptions.TargetURL(base, provider, secret)
	if err != nil {
		return "", UsageError{fmt.Errorf("%s is %q: %w", source, base, err)}
	}
	return target, nil
}

// ownSecrets are the secrets of a provider that somebody has set, the newest last. Those of its sandbox and those made for development
// do not count.
func ownSecrets(c app.Config, provider string) (list []string) {
	for _, s := range c.Secrets[provider] {
		if !s.Sandbox && c.SecretsFile == "" {
			list = append(list, s.Value)
		}
	}
	return list
}

// shown is a subscription without the secrets that it holds.
func shown(s subscriptions.Subscription) subscriptions.Subscription {
	s.URL, s.Secret = s.SafeURL(), ""
	return s
}

// activity says in a word whether a subscription is active.
func activity(s subscriptions.Subscription) string {
	if s.Active == nil {
		return "unknown"
	}
	return map[bool]string{true: "active", false: "inactive"}[*s.Active]
}

func newSubscriptionsList() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list [<provider>]",
		Short: "List our webhooks",
		Long: `Lists our webhooks at one provider, or at all that have credentials. A token at
the end of a URL is a secret: its fingerprint is shown instead. Trustist keeps
deleted webhooks in its list, inactive.`,
		Example: "  go run . subscriptions list\n  go run . subscriptions list trustist --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			providers, err := listable(args)
			if err != nil {
				return err
			}
			t := newTable(cmd.OutOrStdout(), column{title: "PROVIDER"}, column{title: "ID", rank: 1, min: 10}, column{title: "STATE"},
				column{title: "URL", rank: 2, min: 30}, column{title: "EVENTS", rank: 3, min: 12})
			var rows [][]string
			var failures []error
			for _, p := range providers {
				if p.List == nil {
					fmt.Fprintln(cmd.ErrOrStderr(), p.Undocumented(subscriptions.OpList))
					continue
				}
				all, err := p.List(cmd.Context())
				failures = append(failures, err) // of one provider does not hide the others
				for _, s := range all {
					state := activity(s)
					if n := s.ConsecutiveFailures; n != nil && *n > 0 {
						state += fmt.Sprintf(", %d failed", *n)
					}
					rows = append(rows, []string{s.Provider, s.ID, state, s.SafeURL(), strings.Join(s.Events, ",")})
					if asJSON {
						failures = append(failures, printJSON(cmd.OutOrStdout(), shown(s)))
					}
				}
			}
			if !asJSON {
				t.print(rows...)
			}
			return errors.Join(failures...)
		},
	}
	addJSON(cmd, &asJSON, "webhook")
	return cmd
}

// listable are the providers whose webhooks to list.
func listable(args []string) ([]subscriptions.Provider, error) {
	if len(args) == 1 {
		_, p, err := openAPI(args[0], subscriptions.OpList, func(p subscriptions.Provider) bool { return p.List != nil })
		return []subscriptions.Provider{p}, err
	}
	c, err := loadConfig()
	if err != nil {
		return nil, err
	}
	if list := c.API.Configured(); len(list) > 0 {
		return list, nil
	}
	return nil, UsageError{errors.New("no provider has API credentials: .env.example lists their variables")}
}

func newSubscriptionsUpdate() *cobra.Command {
	var w subscriptions.Wanted
	enabled := false
	cmd := &cobra.Command{
		Use:   "update <provider> [<id>]",
		Short: "Change the URL, events or state of a webhook",
		Long: `Changes what the flags say, and nothing else. Legal Talent has one webhook
without an ID, of which only the URL can be changed; our newest secret is sent
with it.`,
		Example: `  go run . subscriptions update trst webhook_abc123 --enabled=false
  go run . subscriptions update legaltalent --url https://example.ngrok.app`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := openAPI(args[0], subscriptions.OpUpdate, func(p subscriptions.Provider) bool { return p.Update != nil })
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("enabled") {
				w.Enabled = &enabled
			}
			id := append(args, "")[1]
			own := append([]string{""}, ownSecrets(c, p.Name)...)
			if p.TakesSecret {
				w.Secret = own[len(own)-1]
			}
			switch {
			case id == "" && !p.Single:
				return errNoID
			case w.URL == "" && len(w.Events) == 0 && w.Enabled == nil:
				return UsageError{errors.New("nothing to change: set --url, --events or --enabled")}
			}
			if w.URL != "" {
				if w.URL, err = targetURL(c, w.URL, p.Name, w.Secret); err != nil {
					return err
				}
			}
			s, err := p.Update(cmd.Context(), id, w)
			if err == nil {
				printSubscription(cmd.OutOrStdout(), "updated", s)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&w.URL, "url", "", "where providers reach us")
	cmd.Flags().StringSliceVar(&w.Events, "events", nil, "the event types, separated by commas")
	cmd.Flags().BoolVar(&enabled, "enabled", true, "whether it sends")
	return cmd
}

var errNoID = UsageError{errors.New("give the ID of the webhook: subscriptions list shows it")}

func printSubscription(w io.Writer, done string, s subscriptions.Subscription, more ...[2]string) {
	fields(w, append([][2]string{{done, s.Provider + " " + s.ID}, {"url", s.SafeURL()}, {"state", activity(s)}}, more...)...)
}

func newSubscriptionsDelete() *cobra.Command {
	return onOne(subscriptions.OpDelete, "Delete a webhook", `Deletes a webhook. Its secret stays configured, because deliveries that are
still on their way are signed with it. Trustist keeps a deleted webhook in its
list, inactive.`, "deleted", func(p subscriptions.Provider) func(context.Context, string) error { return p.Delete })
}

func newSubscriptionsTest() *cobra.Command {
	return onOne(subscriptions.OpTest, "Have the provider send a test event", "Asks the provider to send a test event. `events` shows it when it has come.",
		"will send a test event", func(p subscriptions.Provider) func(context.Context, string) error { return p.Test })
}

// onOne is a command that does something with one webhook.
func onOne(operation, short, long, done string, of func(p subscriptions.Provider) func(context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:     operation + " <provider> <id>",
		Short:   short,
		Long:    long,
		Example: "  go run . subscriptions " + operation + " trst webhook_abc123",
		Args:    cobra.RangeArgs(1, 2), // what the provider cannot do at all is said before that the ID is missing
		RunE: func(cmd *cobra.Command, args []string) error {
			_, p, err := openAPI(args[0], operation, func(p subscriptions.Provider) bool { return of(p) != nil })
			if err == nil && len(args) == 1 {
				err = errNoID
			}
			if err == nil {
				err = of(p)(cmd.Context(), args[1])
			}
			if err == nil {
				fields(cmd.OutOrStdout(), [2]string{done, p.Name + " " + args[1]})
			}
			return err
		},
	}
}

func newSubscriptionsDeliveries() *cobra.Command {
	var missing, asJSON bool
	cmd := &cobra.Command{
		Use:   "deliveries <provider> [<id>]",
		Short: "List what the provider sent, or what never came",
		Long: `Lists the deliveries of a webhook and the attempts at each.

With --missing it lists only those whose event the running server does not
have. If there are any, the exit code is 1.`,
		Example: "  go run . subscriptions deliveries trst webhook_abc123\n  go run . subscriptions deliveries trst --missing",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := openAPI(args[0], subscriptions.OpDeliveries, func(p subscriptions.Provider) bool { return p.Deliveries != nil })
			if err != nil {
				return err
			}
			all, err := p.List(cmd.Context())
			if err != nil {
				return err
			}
			s, err := oneOf(all, append(args, "")[1])
			if err != nil {
				return err
			}
			deliveries, err := p.Deliveries(cmd.Context(), s.ID)
			if err == nil && missing {
				deliveries, err = onlyMissing(cmd.Context(), newAdmin(c), p.Name, deliveries)
			}
			if err != nil {
				return err
			}
			if note := addAttempts(cmd.Context(), p, s.ID, deliveries); note != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "some attempts are not shown:", note)
			}
			if err := printDeliveries(cmd.OutOrStdout(), deliveries, asJSON); err != nil {
				return err
			}
			if missing && len(deliveries) > 0 {
				return fmt.Errorf("deliveries without an event here: %d", len(deliveries))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&missing, "missing", false, "only those whose event the server does not have")
	addJSON(cmd, &asJSON, "delivery")
	return cmd
}

// oneOf returns the subscription with this ID, or the only one if no ID is given.
func oneOf(all []subscriptions.Subscription, id string) (subscriptions.Subscription, error) {
	i := slices.IndexFunc(all, func(s subscriptions.Subscription) bool { return s.ID == id })
	switch {
	case i >= 0:
		return all[i], nil
	case id != "":
		return subscriptions.Subscription{}, fmt.Errorf("there is no webhook %q: subscriptions list shows them", id)
	case len(all) == 0:
		return subscriptions.Subscription{}, errors.New("there is no webhook: subscriptions create makes one")
	case len(all) > 1:
		return subscriptions.Subscription{}, errNoID
	}
	return all[0], nil
}

// onlyMissing keeps the deliveries of which the server has no event. One that names no event is kept: nobody can tell.
func onlyMissing(ctx context.Context, a admin, provider string, all []subscriptions.Delivery) (list []subscriptions.Delivery, err error) {
	for _, d := range all {
		var have []models.Event
		if d.EventID != "" {
			have, err = newest[models.Event](ctx, a, "events", url.Values{"provider": {provider}, "external_id": {d.EventID}}, 1)
		}
		if err != nil {
			return nil, err
		}
		if len(have) == 0 {
			list = append(list, d)
		}
	}
	return list, nil
}

// addAttempts adds the attempts at each delivery. The error says why some are not there.
func addAttempts(ctx context.Context, p subscriptions.Provider, id string, list []subscriptions.Delivery) (note error) {
	for i, d := range list {
		if d.ID == "" {
			continue
		}
		attempts, err := p.Attempts(ctx, id, d.ID)
		if err != nil && !isAbsent(err) { // too many calls, most likely
			return err
		}
		if list[i].Attempts = attempts; err != nil {
			note = err
		}
	}
	return note
}

// isAbsent reports whether the provider does not have what was asked for.
func isAbsent(err error) bool {
	status, ok := errors.AsType[subscriptions.StatusError](err)
	return ok && status.Status == 404
}

func printDeliveries(w io.Writer, list []subscriptions.Delivery, asJSON bool) error {
	t := newTable(w, column{title: "DELIVERY", rank: 2, min: 10}, column{title: "EVENT", rank: 4, min: 12}, column{title: "STATUS"},
		column{title: "ATTEMPTS", rank: 1, min: 8}, column{title: "ABSENT", rank: 3, min: 15})
	var rows [][]string
	for _, d := range list {
		if asJSON {
			if err := printJSON(w, d); err != nil {
				return err
			}
			continue
		}
		var attempts []string
		for _, a := range d.Attempts {
			attempts = append(attempts, a.Status)
		}
		rows = append(rows, []string{d.ID, d.EventID, d.Status, strings.Join(attempts, ","), strings.Join(d.Absent, ",")})
	}
	if !asJSON {
		t.print(rows...)
	}
	return nil
}
