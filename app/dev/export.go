package dev

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

func newExport(Env) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "export <customer id>",
		Short: "Print all that is stored about a person",
		Long: `Prints all that a running server has stored about a customer, as JSON: the
customer, decisions, checks, hits, cases, facts, companies the person owns a
part of, follow-ups, and every event with its body and failed attempts.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . export 17
  go run . export 17 --output person.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := rowID(args[0], "customer")
			if err != nil {
				return err
			}
			c, err := app.LoadConfig()
			if err != nil {
				return err
			}
			if output == "" {
				return export(cmd, newAdmin(c), id, cmd.OutOrStdout())
			}
			file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("create file: %w", err)
			}
			err = errors.Join(export(cmd, newAdmin(c), id, file), file.Close())
			if err != nil {
				return errors.Join(err, os.Remove(output)) // a part of the answer would look like all of it
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "write to this new file, which only you can read")
	return cmd
}

func export(cmd *cobra.Command, a admin, id int64, w io.Writer) error {
	err := a.longCall(cmd.Context(), http.MethodGet, fmt.Sprintf("/api/customers/%d/export", id), w)
	if isMissing(err) {
		return fmt.Errorf("there is no customer %d", id)
	}
	return err
}
