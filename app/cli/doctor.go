package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

// doctor finds out what is in the way.
type doctor struct {
	json     bool
	ngrokAPI string
}

func newDoctor() *cobra.Command {
	d := &doctor{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check all that the server needs, and say what to do",
		Long: `Checks the configuration, secrets, ports, database and queue, a running server's inbox, and the way in from the internet, and says
what to do about what it finds. It may run beside the server and changes nothing, except that like every command it makes secrets for
development where there are none.

The exit code is 1 if there is a problem, and 0 if there are only warnings.`,
		Example: `  go run . doctor
  APP_ENV=production DATABASE_URL=postgres://me@localhost/webhooks go run . doctor
  go run . doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks := d.examine(cmd.Context())
			w := cmd.OutOrStdout()
			if d.json {
				if err := jsonLines(w, checks); err != nil {
					return err
				}
			} else {
				printChecks(w, checks)
			}
			if n := count(checks, app.Problem); n > 0 {
				return fmt.Errorf("problems: %d", n)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&d.json, "json", false, "print one JSON object per check and line")
	cmd.Flags().StringVar(&d.ngrokAPI, "ngrok-api", defaultNgrokAPI, "where the ngrok agent answers")
	return cmd
}

// examine does all checks.
func (d *doctor) examine(ctx context.Context) []app.Check {
	c, err := app.LoadConfig()
	checks := app.Doctor(ctx, c, err)
	if _, _, err := net.SplitHostPort(c.Addr); err == nil && c.Role != app.RoleWorker {
		checks = append(checks, checkPublic(ctx, c.Addr))
	}
	if _, _, err := net.SplitHostPort(c.AdminAddr); err == nil {
		checks = slices.Concat(checks, checkAdmin(ctx, c))
	}
	tunnel, found := d.checkNgrok(ctx, c.Addr)
	return slices.Concat(checks, found, checkPublicURL(os.Getenv("PUBLIC_URL"), tunnel))
}

func count(checks []app.Check, r app.Result) (n int) {
	for _, c := range checks {
		if c.Result == r {
			n++
		}
	}
	return n
}

// printChecks prints a line for each check, and below it what to do.
func printChecks(w io.Writer, checks []app.Check) {
	t := newTable(w, "", "", "")
	t.head, t.most = nil, 0
	var rows [][]cell
	for _, c := range checks {
		rows = append(rows, []cell{{string(c.Result), resultColours[c.Result]}, {c.Name, ""}, {c.Says, ""}})
		if c.Do != "" {
			rows = append(rows, []cell{{}, {}, {"→ " + c.Do, bold}})
		}
	}
	t.rows(rows)
	fmt.Fprintf(w, "\nok: %d, warnings: %d, problems: %d\n", count(checks, app.Fine), count(checks, app.Warning), count(checks, app.Problem))
}

var resultColours = map[app.Result]string{app.Fine: green, app.Warning: yellow, app.Problem: red}
