package dev

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
)

func newErase(Env) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "erase <customer id>",
		Short: "Remove a person and all that is stored about them",
		Long: `Removes a customer from a running server: facts, cases, follow-ups, and the
bodies of all events about the person. It shows whom, and asks first.

Delete the person at the provider first: a later event of the provider creates
a new customer. On SQLite, deliveries wait while the files are rewritten, and
may be answered with 503; the providers send them again. If the command says
that bytes may be left in the files, run it again.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . customers --external-id acct-20417
  go run . erase 17
  go run . erase 17 --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := rowID(args[0], "customer")
			if err != nil {
				return err
			}
			if !yes && !isTerminal(cmd.InOrStdin()) {
				return usagef("the input is not a terminal, so nobody can be asked: --yes erases without asking")
			}
			c, err := app.LoadConfig()
			if err != nil {
				return err
			}
			return erase(cmd, newAdmin(c), id, yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func erase(cmd *cobra.Command, a admin, id int64, yes bool) error {
	w, path := cmd.OutOrStdout(), fmt.Sprintf("/api/customers/%d", id)
	body, err := a.call(cmd.Context(), http.MethodGet, path)
	customer := gjson.ParseBytes(body)
	switch {
	case isMissing(err): // it may have been erased before; then only the files are cleaned again
	case err != nil:
		return err
	case !yes:
		if err := confirmErase(w, cmd.InOrStdin(), customer); err != nil {
			return err
		}
	}
	var answer bytes.Buffer
	err = a.longCall(cmd.Context(), http.MethodDelete, path, &answer)
	if isMissing(err) {
		return fmt.Errorf("there is no customer %d", id)
	}
	if err != nil {
		return err
	}
	erasure := gjson.ParseBytes(answer.Bytes())
	fmt.Fprintln(w, wrap("", fmt.Sprintf("customer %d of %s is erased. Removed: event bodies %d, facts %d, cases %d, follow-ups %d", id,
		clean(erasure.Get("provider").Str), erasure.Get("events").Int(), erasure.Get("facts").Int(), erasure.Get("cases").Int(), erasure.Get("follow_ups").Int())))
	user := customer.Get("external_id").Str
	if user == "" {
		return nil
	}
	others, err := find(cmd.Context(), a, "customers", url.Values{"external_id": {user}})
	for _, other := range others {
		fmt.Fprintf(w, "Your user is also a customer of %s. To erase that one, too:\n  go run . erase %d\n",
			clean(other.Get("provider").Str), other.Get("id").Int())
	}
	return err
}

// confirmErase shows the customer and asks. Any answer other than yes means no.
func confirmErase(w io.Writer, in io.Reader, customer gjson.Result) error {
	events := customer.Get("events.#").String()
	if events == "500" { // the call lists no more
		events = "500 or more"
	}
	fields(w, [2]string{"provider", clean(customer.Get("provider").Str)}, [2]string{"subject_id", clean(customer.Get("subject_id").Str)},
		[2]string{"status", customer.Get("status").Str}, [2]string{"events", events})
	fmt.Fprintf(w, "Erase this person for good? Type yes: ")
	answer := ""
	_, _ = fmt.Fscanln(in, &answer) // an empty line means no
	if answer != "yes" {
		return errors.New("nothing was erased")
	}
	return nil
}
