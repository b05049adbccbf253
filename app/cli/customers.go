package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// customersCommand shows who is known.
type customersCommand struct {
	provider, subject, externalID, status string
	hold                                  bool
	limit                                 int
	json                                  bool
	follow                                bool
}

func newCustomers() *cobra.Command {
	c := &customersCommand{}
	cmd := &cobra.Command{
		Use:   "customers [<id>]",
		Short: "Show the people that a running server knows",
		Long: `Lists the newest customers of a running server, the newest last. With an id it shows one person with all that is known: decisions,
checks, hits, cases, and the events that said so, the oldest first.

With -f it goes on with those who are new and those of the newest 200 who change. What each event changes, for whomever, is shown by listen.

It asks the admin API at ADMIN_ADDR.`,
		Example: `  go run . customers
  go run . customers --status in_review --aml-hold
  go run . customers --external-id acct-20417
  go run . customers -f --status in_review
  go run . customers 3
  go run . customers --aml-hold=false --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && c.follow:
				return usageError{errors.New("-f is for the list, not for one customer")}
			case len(args) > 0:
				return c.one(cmd, args[0])
			}
			return c.list(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.provider, "provider", "", "only customers of this provider: "+strings.Join(handlers.ProviderNames(), ", "))
	f.StringVar(&c.subject, "subject", "", "only the customer with this ID of the provider")
	f.StringVar(&c.externalID, "external-id", "", "only customers with this ID of ours")
	f.StringVar(&c.status, "status", "", "only customers with this status: "+join(models.Statuses))
	f.BoolVar(&c.hold, "aml-hold", false, "only customers on hold; =false: only those who are not")
	f.IntVar(&c.limit, "limit", 20, "list so many")
	f.BoolVar(&c.json, "json", false, "print one JSON object per customer and line")
	f.BoolVarP(&c.follow, "follow", "f", false, "go on with those who are new or change, until Ctrl+C")
	completeFlag(cmd, "provider", handlers.ProviderNames())
	completeFlag(cmd, "status", models.Statuses)
	return cmd
}

// query is what the flags say to the admin API.
func (c *customersCommand) query(cmd *cobra.Command) (url.Values, error) {
	q := url.Values{}
	for flag, value := range map[string]string{
		"provider": c.provider, "subject": c.subject, "external-id": c.externalID, "status": c.status,
	} {
		if err := setFlag(q, cmd, flag, value); err != nil {
			return nil, err
		}
	}
	if q.Has("subject") {
		q.Set("subject_id", q.Get("subject"))
		q.Del("subject")
	}
	if cmd.Flags().Changed("aml-hold") {
		q.Set("aml_hold", strconv.FormatBool(c.hold))
	}
	if c.limit < 1 {
		return nil, usageError{fmt.Errorf("--limit is %d: want 1 or more", c.limit)}
	}
	return q, errors.Join(
		oneOf("provider", c.provider, handlers.ProviderNames()),
		oneOf("status", c.status, models.Statuses),
	)
}

func (c *customersCommand) list(cmd *cobra.Command) error {
	query, err := c.query(cmd)
	if err != nil {
		return err
	}
	config, err := loadConfig()
	if err != nil {
		return err
	}
	admin, most := newAdminClient(config), c.limit
	if c.follow {
		most = max(most, window)
	}
	customers, err := newest[models.Customer](cmd.Context(), admin, "customers", query, most)
	if err != nil {
		return err
	}
	seen := map[int64]models.Customer{}
	for _, who := range customers {
		seen[who.ID] = who
	}
	t := customersTable(cmd.OutOrStdout())
	if err := c.print(cmd.OutOrStdout(), t, customers[max(0, len(customers)-c.limit):]); err != nil || !c.follow {
		return err
	}
	return poll(cmd.Context(), cmd.ErrOrStderr(), followInterval, func(ctx context.Context) error {
		customers, err := newest[models.Customer](ctx, admin, "customers", query, window)
		if err != nil {
			return err
		}
		var changed []models.Customer
		for _, who := range customers {
			if before, known := seen[who.ID]; !known || !before.UpdatedAt.Equal(who.UpdatedAt.Time) {
				changed = append(changed, who)
			}
			seen[who.ID] = who
		}
		if len(changed) == 0 {
			return nil
		}
		return c.print(cmd.OutOrStdout(), t, changed)
	})
}

func (c *customersCommand) print(w io.Writer, t *table, customers []models.Customer) error {
	if c.json {
		return jsonLines(w, customers)
	}
	printCustomers(t, customers)
	return nil
}

func customersTable(w io.Writer) *table {
	return newTable(w, "ID", "PROVIDER", "SUBJECT", "EXTERNAL ID", "STATUS", "AML HOLD", "UPDATED", "REASON")
}

func printCustomers(t *table, customers []models.Customer) {
	var rows [][]cell
	for _, c := range customers {
		rows = append(rows, []cell{
			{strconv.FormatInt(c.ID, 10), ""}, {c.Provider, ""}, {c.SubjectID, ""}, {c.ExternalID, ""}, customerStatus(c.Status), holdCell(c.AMLHold),
			{stamp(c.UpdatedAt), grey}, {c.StatusReason, ""},
		})
	}
	t.rows(rows)
}

// customerStatus is a status in its colour.
func customerStatus(s models.Status) cell {
	switch s {
	case models.Verified:
		return cell{string(s), green}
	case models.FailedAuto, models.Rejected:
		return cell{string(s), red}
	case models.Withdrawn:
		return cell{string(s), grey}
	}
	return cell{string(s), yellow}
}

func holdCell(hold bool) cell {
	if hold {
		return cell{"hold", red}
	}
	return cell{}
}
