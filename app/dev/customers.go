package dev

import (
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

func customerList() *list {
	return &list{
		name: "customer",
		filters: []filter{
			{"provider", "provider", "only customers of this provider", handlers.ProviderNames()},
			{"subject", "subject_id", "only the customer with this ID of the provider", nil},
			{"external-id", "external_id", "only customers with this ID of your own", nil},
			{"status", "status", "only customers with this status", texts(models.Statuses)},
			{"aml-hold", "aml_hold", "only customers on hold, or with =false only the others", []string{"true", "false"}},
		},
		columns: []column{
			{title: "ID", member: "id"}, {title: "PROVIDER", member: "provider"}, {title: "SUBJECT", member: "subject_id", rank: 1, min: 16},
			{title: "EXTERNAL ID", member: "external_id", rank: 2, min: 11}, {title: "STATUS", member: "status"}, {title: "HOLD", member: "aml_hold"},
			{title: "UPDATED (UTC)", member: "updated_at", rank: 3}, {title: "REASON", member: "status_reason", rank: 4, min: 14},
		},
	}
}

func newCustomers(Env) *cobra.Command {
	l := customerList()
	cmd := &cobra.Command{
		Use:   "customers [<id>]",
		Short: "List the customers that a running server knows, or show one",
		Long: `Lists the newest customers of a running server, the newest last. With an ID it
shows one customer with all that is known: decisions, checks, hits, cases, the
events they come from, and the follow-ups they led to.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . customers
  go run . customers --status in_review --aml-hold
  go run . customers --external-id acct-20417
  go run . customers 3
  go run . customers --aml-hold=false --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return l.run(cmd)
			}
			_, err := l.one(cmd, args[0], "customer_id", customerSections...)
			return err
		},
	}
	l.register(cmd)
	return cmd
}

// customerSections are the lists that the admin API has of one customer.
var customerSections = []section{
	{"decisions", []column{
		{title: "at"}, {title: "source"}, {title: "authority"}, {title: "status"}, {title: "reason", rank: 1, min: 10},
	}},
	{"checks", []column{
		{title: "at"}, {title: "kind"}, {title: "status"}, {title: "hit_count", rank: 2}, {title: "check_id", rank: 1, min: 12},
		{title: "reason", rank: 3, min: 10},
	}},
	{"hits", []column{
		{title: "found_at", rank: 4}, {title: "kind"}, {title: "hit_id", rank: 1, min: 12}, {title: "type", rank: 2, min: 8},
		{title: "name", rank: 1, min: 12}, {title: "confidence", rank: 3}, {title: "resolution"},
	}},
	{"cases", []column{
		{title: "opened_at", rank: 4}, {title: "case_id", rank: 1, min: 12}, {title: "type", rank: 2, min: 8}, {title: "priority", rank: 3},
		{title: "assignee", rank: 1, min: 8}, {title: "status", rank: 2, min: 8}, {title: "resolution", rank: 2, min: 8},
	}},
	{"events", []column{
		{title: "id"}, {title: "occurred_at"}, {title: "type", rank: 1, min: 18}, {title: "outcome", member: "outcome/status"},
		{title: "error", member: "error/reason", rank: 2, min: 10},
	}},
}
