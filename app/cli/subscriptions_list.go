package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app/subscriptions"
)

func newSubscriptionsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [<provider>]",
		Short: "List our webhooks at the providers that have credentials",
		Long: `Lists our webhooks at one provider, or at all that have credentials. A path token, which is a secret, is shown as its
fingerprint. Trustist keeps deleted webhooks in its list, inactive; it disables a webhook after five failures in a row.`,
		Example: "  go run . subscriptions list\n  go run . subscriptions list trustist --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				_, lister, err := openAPI[subscriptions.Lister](args[0], subscriptions.ListOperation)
				if err != nil {
					return err
				}
				all, err := lister.List(cmd.Context())
				if err != nil {
					return err
				}
				return printSubscriptions(cmd.OutOrStdout(), all, nil, asJSON)
			}
			return listAll(cmd.Context(), cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// listAll lists what each configured provider has. The failure of one does not hide the others.
func listAll(ctx context.Context, w io.Writer, asJSON bool) error {
	c, err := loadConfig()
	if err != nil {
		return err
	}
	names := c.API.Configured()
	if len(names) == 0 {
		return usageError{errors.New("no provider has API credentials: the README lists their variables")}
	}
	var all []subscriptions.Subscription
	var notes []string
	var failures []error
	for _, name := range names {
		p, err := c.API.Open(name)
		if err != nil {
			return err
		}
		lister, err := subscriptions.Can[subscriptions.Lister](p, subscriptions.ListOperation)
		if err != nil {
			notes = append(notes, err.Error())
			continue
		}
		list, err := lister.List(ctx)
		if err != nil {
			failures = append(failures, err)
		}
		all = append(all, list...)
	}
	return errors.Join(append(failures, printSubscriptions(w, all, notes, asJSON))...)
}

func printSubscriptions(w io.Writer, all []subscriptions.Subscription, notes []string, asJSON bool) error {
	list := []subscriptions.Subscription{}
	for _, s := range all {
		list = append(list, shown(s))
	}
	if asJSON {
		return printJSON(w, struct {
			Subscriptions []subscriptions.Subscription `json:"subscriptions"`
			Notes         []string                     `json:"notes,omitempty"`
		}{list, notes})
	}
	rows := [][]string{{"PROVIDER", "ID", "STATE", "FAILURES", "EVENTS", "URL"}}
	for _, s := range list {
		failures := "-"
		if s.ConsecutiveFailures != nil {
			failures = strconv.Itoa(*s.ConsecutiveFailures)
		}
		events := strings.Join(s.Events, ",")
		if events == "" {
			events = "-"
		}
		rows = append(rows, []string{s.Provider, s.ID, activity(s), failures, events, s.URL})
	}
	paint := newPainter(w)
	for i, line := range aligned(rows) {
		switch {
		case i == 0:
			line = paint.paint(grey, line)
		case list[i-1].Inactive():
			line = paint.paint(red, line)
		}
		fmt.Fprintln(w, line)
	}
	for _, note := range notes {
		fmt.Fprintln(w, paint.paint(grey, "# "+note))
	}
	return nil
}

func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
