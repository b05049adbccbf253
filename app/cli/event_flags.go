package cli

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// eventFlags select events.
type eventFlags struct {
	provider, kind, status, outcome, externalID string
	customer                                    int64
}

func (f *eventFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.provider, "provider", "", "only events of this provider: "+strings.Join(handlers.ProviderNames(), ", "))
	flags.StringVar(&f.kind, "type", "", "only events of this type")
	flags.StringVar(&f.status, "status", "", "only events with this status: "+join(models.EventStatuses))
	flags.StringVar(&f.outcome, "outcome", "", "only events with this outcome: "+join(models.Outcomes))
	flags.Int64Var(&f.customer, "customer", 0, "only events about the customer with this id")
	flags.StringVar(&f.externalID, "external-id", "", "only the event with this ID of the provider")
	completeFlag(cmd, "provider", handlers.ProviderNames())
	completeFlag(cmd, "status", models.EventStatuses)
	completeFlag(cmd, "outcome", models.Outcomes)
}

// query is what the flags say to the admin API. A flag that is given, but empty, is a mistake: it would select everything.
func (f *eventFlags) query(cmd *cobra.Command) (url.Values, error) {
	q := url.Values{}
	for flag, value := range map[string]string{
		"provider": f.provider, "type": f.kind, "status": f.status, "outcome": f.outcome, "external-id": f.externalID,
	} {
		if err := setFlag(q, cmd, flag, value); err != nil {
			return nil, err
		}
	}
	if cmd.Flags().Changed("customer") {
		if f.customer < 1 {
			return nil, usageError{fmt.Errorf("--customer is %d: want the id of a customer", f.customer)}
		}
		q.Set("customer_id", strconv.FormatInt(f.customer, 10))
	}
	return q, errors.Join(
		oneOf("provider", f.provider, handlers.ProviderNames()),
		oneOf("status", f.status, models.EventStatuses),
		oneOf("outcome", f.outcome, models.Outcomes),
	)
}

// setFlag puts the value of a flag into a query, if it is given.
func setFlag(q url.Values, cmd *cobra.Command, flag, value string) error {
	if !cmd.Flags().Changed(flag) {
		return nil
	}
	if value == "" {
		return usageError{fmt.Errorf("--%s is empty", flag)}
	}
	q.Set(strings.ReplaceAll(flag, "-", "_"), value)
	return nil
}

// oneOf refuses the value of a flag that no row can have.
func oneOf[T ~string](flag, value string, allowed []T) error {
	if value == "" || slices.Contains(allowed, T(value)) {
		return nil
	}
	return usageError{fmt.Errorf("--%s is %q: want %s", flag, value, join(allowed))}
}

// completeFlag lets the shell complete a flag with the values that it can have.
func completeFlag[T ~string](cmd *cobra.Command, flag string, values []T) {
	var words []cobra.Completion
	for _, v := range values {
		words = append(words, string(v))
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is defined beside
	}
}

func join[T ~string](values []T) string {
	var words []string
	for _, v := range values {
		words = append(words, string(v))
	}
	return strings.Join(words, ", ")
}
