package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
)

func newSubscriptions() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscriptions",
		Short: "Manage our webhooks at the providers",
		Long: `Manages the webhooks that are registered for us at the providers, as far as their APIs are documented:

  trustist      list, create, delete, rotate
  trustgate     create, rotate
  trst          list, create, update, delete, test, deliveries, rotate
  legaltalent   list, create, update, rotate

The credentials are variables that the README lists. A secret that a provider shows only once is saved at once, in .env or in
the file that …_WEBHOOK_SECRET_FILE names.`,
		Example: `  go run . subscriptions list
  go run . subscriptions create trst --url https://example.ngrok.app
  go run . subscriptions rotate trst`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("there is no command %q; subscriptions --help lists them", args[0])}
		},
	}
	cmd.AddCommand(newSubscriptionsList(), newSubscriptionsCreate(), newSubscriptionsUpdate(), newSubscriptionsDelete(),
		newSubscriptionsTest(), newSubscriptionsDeliveries(), newSubscriptionsRotate())
	for _, sub := range cmd.Commands() {
		if sub.ValidArgsFunction == nil {
			sub.ValidArgsFunction = cobra.FixedCompletions(subscriptions.Names(), cobra.ShellCompDirectiveNoFileComp)
		}
	}
	return cmd
}

// openAPI returns a provider as something that can do an operation. Whether it can is said before its credentials are wanted.
func openAPI[T any](name, operation string) (app.Config, T, error) {
	var able T
	c, err := loadConfig()
	if err != nil {
		return c, able, err
	}
	p, err := c.API.Provider(name)
	if err != nil {
		return c, able, usageError{err}
	}
	if able, err = subscriptions.Can[T](p, operation); err != nil {
		return c, able, usageError{err}
	}
	if _, err = c.API.Open(name); err != nil {
		return c, able, usageError{err}
	}
	return c, able, nil
}

// targetURL is where a provider is to send: below base or, if that is empty, PUBLIC_URL.
func targetURL(c app.Config, base, provider, secret string) (string, error) {
	source := "--url"
	if base == "" {
		base, source = c.API.PublicURL, "PUBLIC_URL"
	}
	if base == "" {
		return "", usageError{errors.New("where do providers reach us? set PUBLIC_URL or --url, such as https://example.ngrok.app")}
	}
	target, err := subscriptions.TargetURL(base, provider, secret)
	if err != nil {
		return "", usageError{fmt.Errorf("%s is %q: %w", source, base, err)}
	}
	return target, nil
}

// shown is a subscription without the secrets that it holds.
func shown(s subscriptions.Subscription) subscriptions.Subscription {
	s.URL, s.Secret = s.SafeURL(), ""
	return s
}

// activity says whether a subscription is active, in a word.
func activity(s subscriptions.Subscription) string {
	switch {
	case s.Active == nil:
		return "unknown"
	case *s.Active:
		return "active"
	}
	return "inactive"
}

// aligned returns rows of cells as lines of equally wide columns, two spaces apart.
func aligned(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var lines []string
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// oneOfMine returns the subscription with this ID, or the only one if no ID is given.
func oneOfMine(all []subscriptions.Subscription, id, command string) (subscriptions.Subscription, error) {
	if id != "" {
		i := slices.IndexFunc(all, func(s subscriptions.Subscription) bool { return s.ID == id })
		if i < 0 {
			return subscriptions.Subscription{}, fmt.Errorf("there is no subscription %q; `subscriptions list` shows them", id)
		}
		return all[i], nil
	}
	if len(all) == 1 {
		return all[0], nil
	}
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	if len(ids) == 0 {
		return subscriptions.Subscription{}, errors.New("there is no subscription; `subscriptions create` makes one")
	}
	return subscriptions.Subscription{}, usageError{fmt.Errorf("which one? %s <id>, of %s", command, strings.Join(ids, ", "))}
}
