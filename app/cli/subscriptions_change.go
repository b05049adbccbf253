package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app/subscriptions"
)

func newSubscriptionsUpdate() *cobra.Command {
	var url string
	var events []string
	var enabled bool
	cmd := &cobra.Command{
		Use:   "update <provider> [<id>]",
		Short: "Change a webhook's URL, events or state (trst, legaltalent)",
		Long: `Changes what the flags say, and leaves the rest. Legal Talent has one webhook, without an ID, of which only the URL can be
changed; our newest secret is sent with it.`,
		Example: `  go run . subscriptions update trst webhook_abc123 --enabled=false
  go run . subscriptions update trst webhook_abc123 --url https://example.ngrok.app --events enrollment.completed
  go run . subscriptions update legaltalent --url https://example.ngrok.app`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, updater, err := openAPI[subscriptions.Updater](args[0], subscriptions.UpdateOperation)
			if err != nil {
				return err
			}
			wanted := subscriptions.Wanted{Events: events}
			if cmd.Flags().Changed("enabled") {
				wanted.Enabled = &enabled
			}
			takesSecret := updater.(subscriptions.Provider).TakesSecret()
			if known := c.Secrets[args[0]]; takesSecret && len(known) > 0 && c.SecretsFile == "" {
				wanted.Secret = known[len(known)-1]
			}
			id := append(args, "")[1]
			switch {
			case id == "" && !takesSecret:
				return usageError{errors.New("which one? subscriptions list shows the IDs")}
			case url == "" && len(events) == 0 && wanted.Enabled == nil:
				return usageError{errors.New("nothing to change: set --url, --events or --enabled")}
			}
			if url != "" {
				if wanted.URL, err = targetURL(c, url, args[0], wanted.Secret); err != nil {
					return err
				}
			}
			s, err := updater.Update(cmd.Context(), id, wanted)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "updated  %s %s\n  url      %s\n  state    %s\n", s.Provider, s.ID, s.SafeURL(), activity(s))
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "where providers reach us; with or without /webhooks")
	cmd.Flags().StringSliceVar(&events, "events", nil, "the event types, separated by commas")
	cmd.Flags().BoolVar(&enabled, "enabled", true, "whether it sends")
	return cmd
}

func newSubscriptionsDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete <provider> <id>",
		Short: "Delete a webhook (trustist, trst)",
		Long: `Deletes a webhook. Its secret stays where it is: deliveries that are still under way are signed with it. Trustist keeps what is
deleted in its list, inactive.`,
		Example: "  go run . subscriptions delete trst webhook_abc123",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, deleter, err := openAPI[subscriptions.Deleter](args[0], subscriptions.DeleteOperation)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return usageError{errors.New("which one? subscriptions list shows the IDs")}
			}
			if err := deleter.Delete(cmd.Context(), args[1]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deleted  %s %s\n", args[0], args[1])
			return nil
		},
	}
}

func newSubscriptionsTest() *cobra.Command {
	return &cobra.Command{
		Use:     "test <provider> <id>",
		Short:   "Have the provider send a test event (trst)",
		Long:    "Has the provider send a test event to us. `events` shows it when it has come.",
		Example: "  go run . subscriptions test trst webhook_abc123",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, tester, err := openAPI[subscriptions.Tester](args[0], subscriptions.TestOperation)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return usageError{errors.New("which one? subscriptions list shows the IDs")}
			}
			if err := tester.Test(cmd.Context(), args[1]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is asked to send webhook.test to %s\n", args[0], args[1])
			return nil
		},
	}
}
