// Package cli is the command line.
package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// Execute runs the command that args name, serve if they name none, and returns the exit code: 0 when all went well, 1 for
// an error, which it has printed to stderr, one problem per line.
func Execute(ctx context.Context, args []string, samples fs.FS, stdout, stderr io.Writer) int {
	root := newServe()
	root.AddCommand(newTrigger(samples), newMigrate())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
			fmt.Fprintln(stderr, "error:", line)
		}
		return 1
	}
	return 0
}

// newServe is the root command and, under its own name, a command like the others.
func newServe() *cobra.Command {
	root := &cobra.Command{
		Use:   "identity-webhooks",
		Short: "Receive webhooks from identity-verification providers",
		Long: `Receives webhooks from Trustist, TrustGate, TRST and Legal Talent, and keeps one right record per person.

Without a command it serves. The README lists the environment variables that configure it.`,
		Example:       "  go run .\n  go run . trigger trustgate/applicant.reviewed",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          serve,
	}
	root.AddCommand(&cobra.Command{
		Use: "serve", Short: "Receive webhooks and work on them (the default)", Args: cobra.NoArgs, RunE: serve,
	})
	return root
}

func serve(cmd *cobra.Command, _ []string) error {
	c, err := app.LoadConfig()
	if err != nil {
		return err
	}
	log := newLog(c, cmd.ErrOrStderr())
	a, err := app.New(cmd.Context(), c, log)
	if err != nil {
		return err
	}
	log.Info("started", "config", c)
	if c.LogFormat == "text" {
		welcome(cmd.OutOrStdout(), c, a)
	}
	return a.Run(cmd.Context())
}

func newLog(c app.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// welcome says what listens where, which providers are on, and what to try next.
func welcome(w io.Writer, c app.Config, a *app.App) {
	base := "http://" + reachable(a.Addr())
	fmt.Fprintln(w)
	if c.Role != app.RoleWorker {
		for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
			path := name
			if handlers.TokenInPath(name) {
				path += "/<its secret>"
			}
			fmt.Fprintf(w, "  webhooks    POST %s/webhooks/%s\n", base, path)
		}
		for _, name := range handlers.ProviderNames() {
			if len(c.Secrets[name]) == 0 {
				fmt.Fprintf(w, "  off         %s: no secret\n", name)
			}
		}
	}
	fmt.Fprintf(w, "  admin API   http://%s/api/customers\n", reachable(a.AdminAddr()))
	database, queue := "Postgres", "Redis"
	if path, isSQLite := strings.CutPrefix(c.DatabaseURL, "sqlite:"); isSQLite {
		database = "SQLite file " + path
	}
	if c.RedisURL == "" {
		queue = "embedded in this process"
	}
	fmt.Fprintf(w, "  database    %s\n  queue       %s\n", database, queue)
	if c.SecretsFile != "" {
		fmt.Fprintf(w, "  secrets     %s, made for development\n", c.SecretsFile)
	}
	fmt.Fprint(w, "\n  Try, in a second terminal:  go run . trigger trustgate/applicant.reviewed\n\n")
}

// reachable turns a listening address into one to call.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
