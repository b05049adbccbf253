package dev

import (
	"cmp"
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
		Long: `Manages the webhooks that are registered for us at the providers. These commands
work, according to the documentation of the providers' APIs:

` + capabilities() + `
.env.example lists the variables for the credentials. Secrets are saved in .env,
or in the file that <NAME>_WEBHOOK_SECRET_FILE names.`,
		Example: `  go run . subscriptions list
  go run . subscriptions create trst --url https://example.ngrok.app
  go run . subscriptions rotate trst`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSubscriptionsList(), newSubscriptionsCreate(), newSubscriptionsUpdate(), newSubscriptionsDelete(),
		newSubscriptionsTest(), newSubscriptionsDeliveries(), newSubscriptionsRotate())
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
		fmt.Fprintf(&b, "  %-12s %s\n", name, strings.Join(p.Operations(), ", "))
	}
	return b.String()
}

// operation is what a command does with the API of one provider.
type operation struct {
	*cobra.Command
	config   app.Config
	provider subscriptions.Provider
	id       string // of a webhook; empty if the command line has none
}

// openOperation reads the arguments: a provider and, for some commands, an ID. The provider's API must document
// the command, and its credentials must be configured.
func openOperation(cmd *cobra.Command, args []string) (o operation, err error) {
	o = operation{Command: cmd, id: append(args, "")[1]}
	if o.config, err = app.LoadConfig(); err != nil {
		return o, err
	}
	if o.provider, err = o.config.API.Provider(args[0]); err == nil {
		err = o.provider.CheckOperation(cmd.Name())
	}
	if err == nil {
		err = o.provider.CheckCredentials()
	}
	return o, usage(err)
}

// operate makes cmd call run with the operation that its command line describes.
func operate(cmd *cobra.Command, run func(operation) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := openOperation(cmd, args)
		if err != nil {
			return err
		}
		return run(o)
	}
	return cmd
}

var errNoID = usagef("give the ID of the webhook: subscriptions list shows it")

// oneOf returns the webhook with this ID, or the only one if no ID is given.
func oneOf(all []subscriptions.Subscription, id string) (subscriptions.Subscription, error) {
	isIt := func(s subscriptions.Subscription) bool { return s.ID == id || id == "" && len(all) == 1 }
	i := slices.IndexFunc(all, isIt)
	switch {
	case i >= 0:
		return all[i], nil
	case id != "":
		return subscriptions.Subscription{}, fmt.Errorf("there is no webhook %q: subscriptions list shows them", id)
	case len(all) == 0:
		return subscriptions.Subscription{}, errors.New("there is no webhook: subscriptions create makes one")
	}
	return subscriptions.Subscription{}, errNoID
}

// targetURL returns the URL to which a provider is to send. It begins with base or, if that is empty, with PUBLIC_URL.
func targetURL(c app.Config, base, provider, secret string) (string, error) {
	base = cmp.Or(base, c.API.PublicURL)
	target, err := subscriptions.TargetURL(base, provider, secret)
	if err != nil {
		return "", usagef("--url or PUBLIC_URL is %q: %w", base, err)
	}
	return target, nil
}

// ownSecrets returns the configured secrets of a provider, the newest last, without those of its sandbox and those that
// were generated for development.
func ownSecrets(c app.Config, provider string) (list []string) {
	for _, s := range c.Secrets[provider] {
		if !s.Sandbox && c.SecretsFile == "" {
			list = append(list, s.Value)
		}
	}
	return list
}

// newestSecret returns the last of ownSecrets; empty if there is none.
func newestSecret(c app.Config, provider string) string {
	own := ownSecrets(c, provider)
	if len(own) == 0 {
		return ""
	}
	return own[len(own)-1]
}

func printSubscription(w io.Writer, done string, s subscriptions.Subscription, secret string) {
	fields(w, [2]string{done, s.Provider + " " + s.ID}, [2]string{"url", s.URL}, [2]string{"state", s.State()},
		[2]string{"secret", secret})
}

// printAll prints values as a table, or as JSON with one value a line.
func printAll[T any](t *table, asJSON bool, values []T, row func(T) []string) (err error) {
	var rows [][]string
	for _, v := range values {
		if asJSON {
			err = errors.Join(err, printJSON(t.w, v))
		}
		rows = append(rows, row(v))
	}
	if !asJSON {
		t.print(rows...)
	}
	return err
}

func newSubscriptionsList() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list [<provider>]",
		Short: "List our webhooks",
		Long: `Lists our webhooks at one provider, or at all that have credentials. A token at
the end of a URL is a secret: its fingerprint is shown instead. Trustist keeps
deleted webhooks in its list as inactive ones.`,
		Example: "  go run . subscriptions list\n  go run . subscriptions list trustist --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			providers, err := selected(cmd, args)
			if err != nil {
				return err
			}
			var all []subscriptions.Subscription
			var failures []error // an error of one provider does not stop the others
			for _, p := range providers {
				if err := p.CheckOperation("list"); err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				some, err := p.List(cmd.Context())
				all, failures = append(all, some...), append(failures, err)
			}
			t := newTable(cmd.OutOrStdout(), column{title: "PROVIDER"}, column{title: "ID", rank: 1, min: 10}, column{title: "STATE"},
				column{title: "URL", rank: 2, min: 30}, column{title: "EVENTS", rank: 3, min: 12})
			err = printAll(t, asJSON, all, func(s subscriptions.Subscription) []string {
				return []string{s.Provider, s.ID, s.State(), s.URL, strings.Join(s.Events, ",")}
			})
			return errors.Join(append(failures, err)...)
		},
	}
	addJSON(cmd, &asJSON, "webhook")
	return cmd
}

// selected returns the provider that the command line names or, if it names none, all that have credentials.
func selected(cmd *cobra.Command, args []string) ([]subscriptions.Provider, error) {
	if len(args) == 1 {
		o, err := openOperation(cmd, args)
		return []subscriptions.Provider{o.provider}, err
	}
	c, err := app.LoadConfig()
	all := c.API.Configured()
	if err == nil && len(all) == 0 {
		err = usagef("no provider has API credentials: .env.example lists their variables")
	}
	return all, err
}

func newSubscriptionsUpdate() *cobra.Command {
	var w subscriptions.Wanted
	enabled := false
	cmd := operate(&cobra.Command{
		Use:   "update <provider> [<id>]",
		Short: "Change the URL, events or state of a webhook",
		Long: `Changes only what the flags set. Legal Talent has one webhook, without an ID.
Only its URL can be changed, and our newest secret is sent with the URL.`,
		Example: `  go run . subscriptions update trst webhook_abc123 --enabled=false
  go run . subscriptions update legaltalent --url https://example.ngrok.app`,
		Args: cobra.RangeArgs(1, 2),
	}, func(o operation) (err error) {
		if o.id == "" && !o.provider.Single {
			return errNoID
		}
		if o.Flags().Changed("enabled") {
			w.Enabled = &enabled
		}
		if o.provider.TakesSecret {
			w.Secret = newestSecret(o.config, o.provider.Name)
		}
		if w.URL != "" {
			if w.URL, err = targetURL(o.config, w.URL, o.provider.Name, w.Secret); err != nil {
				return err
			}
		}
		s, err := o.provider.Update(o.Context(), o.id, w)
		if err == nil {
			printSubscription(o.OutOrStdout(), "updated", s, "")
		}
		return err
	})
	cmd.Flags().StringVar(&w.URL, "url", "", "the public URL of our server")
	cmd.Flags().StringSliceVar(&w.Events, "events", nil, "the event types, separated by commas")
	cmd.Flags().BoolVar(&enabled, "enabled", true, "whether the webhook is active")
	cmd.MarkFlagsOneRequired("url", "events", "enabled")
	return cmd
}

func newSubscriptionsDelete() *cobra.Command {
	return onOne(&cobra.Command{
		Use:   "delete <provider> <id>",
		Short: "Delete a webhook",
		Long: `Deletes a webhook. Its secret stays configured, because deliveries that are
still on their way are signed with it. Trustist keeps a deleted webhook in its
list as an inactive one.`,
	}, "deleted", func(o operation) error { return o.provider.Delete(o.Context(), o.id) })
}

func newSubscriptionsTest() *cobra.Command {
	return onOne(&cobra.Command{
		Use:   "test <provider> <id>",
		Short: "Have the provider send a test event",
		Long:  "Asks the provider to send a test event. Once it has arrived, it is listed by\ngo run . events.",
	}, "will send a test event", func(o operation) error { return o.provider.Test(o.Context(), o.id) })
}

// onOne completes a command that does something with one webhook.
func onOne(cmd *cobra.Command, done string, do func(operation) error) *cobra.Command {
	cmd.Example = "  go run . subscriptions " + cmd.Name() + " trst webhook_abc123"
	cmd.Args = cobra.RangeArgs(1, 2) // if the provider does not support the command, that is reported before a missing ID
	return operate(cmd, func(o operation) error {
		if o.id == "" {
			return errNoID
		}
		err := do(o)
		if err == nil {
			fields(o.OutOrStdout(), [2]string{done, o.provider.Name + " " + o.id})
		}
		return err
	})
}

func newSubscriptionsDeliveries() *cobra.Command {
	var missing, asJSON bool
	cmd := operate(&cobra.Command{
		Use:   "deliveries <provider> [<id>]",
		Short: "List what the provider sent, or what never arrived",
		Long: `Lists the deliveries of a webhook.

With --missing it lists only those whose event the running server does not
have. If there are any, the exit code is 1.`,
		Example: "  go run . subscriptions deliveries trst webhook_abc123\n  go run . subscriptions deliveries trst --missing",
		Args:    cobra.RangeArgs(1, 2),
	}, func(o operation) error {
		all, err := deliveries(o)
		if err == nil && missing {
			all, err = onlyMissing(o, all)
		}
		if err != nil {
			return err
		}
		t := newTable(o.OutOrStdout(), column{title: "DELIVERY", rank: 1, min: 10}, column{title: "EVENT", rank: 2, min: 12},
			column{title: "STATUS"})
		err = printAll(t, asJSON, all, func(d subscriptions.Delivery) []string { return []string{d.ID, d.EventID, d.Status} })
		if err == nil && missing && len(all) > 0 {
			err = fmt.Errorf("deliveries whose event the server does not have: %d", len(all))
		}
		return err
	})
	cmd.Flags().BoolVar(&missing, "missing", false, "only deliveries whose event the server does not have")
	addJSON(cmd, &asJSON, "delivery")
	return cmd
}

// deliveries returns the deliveries of the webhook with the given ID or, if none is given, of the only webhook.
func deliveries(o operation) ([]subscriptions.Delivery, error) {
	webhooks, err := o.provider.List(o.Context())
	if err != nil {
		return nil, err
	}
	webhook, err := oneOf(webhooks, o.id)
	if err != nil {
		return nil, err
	}
	return o.provider.Deliveries(o.Context(), webhook.ID)
}

// onlyMissing returns the deliveries whose event the server does not have. A delivery that names no event is included, since
// it cannot be looked up.
func onlyMissing(o operation, all []subscriptions.Delivery) (missing []subscriptions.Delivery, err error) {
	for _, d := range all {
		var have []models.Event
		if d.EventID != "" {
			q := url.Values{"provider": {o.provider.Name}, "external_id": {d.EventID}}
			if have, err = newest[models.Event](o.Context(), newAdmin(o.config), "events", q, 1); err != nil {
				return nil, err
			}
		}
		if len(have) == 0 {
			missing = append(missing, d)
		}
	}
	return missing, nil
}
