package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/models"
)

// deliveriesList is what the deliveries command prints.
type deliveriesList struct {
	Deliveries []subscriptions.Delivery `json:"deliveries"`
	Note       string                   `json:"note,omitempty"`
}

func newSubscriptionsDeliveries() *cobra.Command {
	var missing, asJSON bool
	cmd := &cobra.Command{
		Use:   "deliveries <provider> [<id>]",
		Short: "List what the provider sent, or what never came (trst)",
		Long: `Lists the deliveries of a webhook, and the attempts at each. TRST does not document their fields: what is not there is named.

With --missing it asks the running server for each event, and lists those that it never got; if there are any, it exits with 1.`,
		Example: "  go run . subscriptions deliveries trst webhook_abc123\n  go run . subscriptions deliveries trst --missing",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, lister, err := openAPI[subscriptions.DeliveryLister](args[0], subscriptions.DeliveriesOperation)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			id := append(args, "")[1]
			if id == "" {
				all, err := lister.(subscriptions.Lister).List(ctx)
				if err != nil {
					return err
				}
				s, err := oneOfMine(all, "", "subscriptions deliveries "+args[0])
				if err != nil {
					return err
				}
				id = s.ID
			}
			var list deliveriesList
			if list.Deliveries, err = lister.Deliveries(ctx, id); err != nil {
				return err
			}
			if missing {
				if list.Deliveries, err = missed(ctx, newAdminClient(c), args[0], list.Deliveries); err != nil {
					return err
				}
			}
			list.addAttempts(ctx, lister, id)
			if err := list.print(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if missing && len(list.Deliveries) > 0 {
				return fmt.Errorf("%d deliveries without an event here: never received, or their event_id is not said", len(list.Deliveries))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&missing, "missing", false, "only those whose event the running server does not have")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// missed keeps the deliveries of which the server has no event. One that names no event cannot be asked for: it is kept.
func missed(ctx context.Context, admin *adminClient, provider string, all []subscriptions.Delivery) ([]subscriptions.Delivery, error) {
	list := []subscriptions.Delivery{}
	for _, d := range all {
		if d.EventID != "" {
			var found struct{ Events []models.Event }
			query := url.Values{"provider": {provider}, "external_id": {d.EventID}, "limit": {"1"}}
			if err := admin.get(ctx, "/api/events?"+query.Encode(), &found); err != nil {
				return nil, err
			}
			if len(found.Events) > 0 {
				continue
			}
		}
		list = append(list, d)
	}
	return list, nil
}

// addAttempts asks for the attempts at each delivery. Where the provider is asked too often, the others stay without.
func (l *deliveriesList) addAttempts(ctx context.Context, lister subscriptions.DeliveryLister, id string) {
	for i, d := range l.Deliveries {
		if d.ID == "" {
			continue
		}
		attempts, err := lister.Attempts(ctx, id, d.ID)
		if err != nil {
			l.Note = "some attempts are not shown: " + err.Error()
			if status, ok := errors.AsType[subscriptions.StatusError](err); ok && status.Status == http.StatusNotFound {
				continue
			}
			return
		}
		l.Deliveries[i].Attempts = attempts
	}
}

func (l *deliveriesList) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, l)
	}
	rows := [][]string{{"DELIVERY", "EVENT", "STATUS", "ATTEMPTS", "ABSENT"}}
	for _, d := range l.Deliveries {
		var attempts []string
		for _, a := range d.Attempts {
			attempts = append(attempts, dash(a.Status))
		}
		rows = append(rows, []string{dash(d.ID), dash(d.EventID), dash(d.Status), dash(strings.Join(attempts, ",")), dash(strings.Join(d.Absent, ","))})
	}
	paint := newPainter(w)
	for i, line := range aligned(rows) {
		switch {
		case i == 0:
			line = paint.paint(grey, line)
		case l.Deliveries[i-1].Failed():
			line = paint.paint(red, line)
		}
		fmt.Fprintln(w, line)
	}
	if l.Note != "" {
		fmt.Fprintln(w, paint.paint(grey, "# "+l.Note))
	}
	return nil
}

// dash stands for nothing in a table.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
