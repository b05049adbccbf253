package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to date and exit",
		Long: `Brings the database up to date, as every start of the server does, and exits.
For deployments that migrate before they start replicas.`,
		Example: `  go run . migrate
  DATABASE_URL=postgres://me@localhost/webhooks go run . migrate`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := app.LoadConfig()
			if err != nil {
				return err
			}
			applied, err := app.Migrate(cmd.Context(), c)
			if err != nil {
				return err
			}
			for _, name := range applied {
				fmt.Fprintln(cmd.OutOrStdout(), "applied", name)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the database is up to date")
			return nil
		},
	}
}
