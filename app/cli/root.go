// Package cli is the command line.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// smallHeap is how many bytes the process may take before it collects garbage as often as is needed to stay below.
const smallHeap = 128 << 20

// Execute runs the command that args name, serve if they name none, and returns the exit code: 0 when all went well, 2 where
// the command line or the configuration is wrong, 1 for any other error. Errors are printed to stderr, one problem per line.
func Execute(ctx context.Context, args []string, samples fs.FS, stdout, stderr io.Writer) int {
	tuneMemory()
	root := newServe(samples)
	root.AddCommand(commands(samples)...)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	usageErrors(root)
	err := root.ExecuteContext(ctx)
	if err != nil {
		for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
			fmt.Fprintln(stderr, "error:", line)
		}
	}
	return exitCode(err)
}

// commands are all but serve, which the program does without a command.
func commands(samples fs.FS) []*cobra.Command {
	return []*cobra.Command{
		newBench(samples),
		newCustomers(),
		newDoctor(),
		newEvents(),
		newListen(),
		newMigrate(),
		newResend(),
		newSubscriptions(),
		newTrigger(samples),
		newVerify(),
	}
}

// newServe is the root command and, under its own name, a command like the others.
func newServe(samples fs.FS) *cobra.Command {
	serve := func(cmd *cobra.Command, _ []string) error { return serve(cmd, samples) }
	root := &cobra.Command{
		Use:   "identity-webhooks",
		Short: "Receive webhooks from identity-verification providers",
		Long: `Receives webhooks from Trustist, TrustGate, TRST and Legal Talent, and keeps one right record per person.

Without a command it serves. The README lists the environment variables that configure it.

Exit codes: 0 all went well, 1 it did not, 2 the command line or the configuration is wrong and nothing was done.`,
		Example:       "  go run .\n  go run . trigger trustgate/applicant.reviewed",
		Args:          noCommand,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          serve,

		SuggestionsMinimumDistance: 2, // letters that may be wrong
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())}
	})
	root.AddCommand(&cobra.Command{
		Use:     "serve",
		Short:   "Receive webhooks and work on them (the default)",
		Example: "  go run . serve\n  ADDR=:9000 LOG_LEVEL=debug go run . serve",
		Args:    cobra.NoArgs,
		RunE:    serve,
	})
	return root
}

// noCommand refuses an argument that is not the name of a command, and suggests what may have been meant.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return usageError{fmt.Errorf("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))}
	}
	return usageError{fmt.Errorf("there is no command %q; --help lists them", args[0])}
}

// serve runs the program until its context ends.
func serve(cmd *cobra.Command, samples fs.FS) error {
	c, err := loadConfig()
	if err != nil {
		return errors.Join(err, app.Probe(cmd.Context(), c, err))
	}
	log := newLog(c, cmd.ErrOrStderr())
	a, err := app.New(cmd.Context(), c, samples, log)
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

// tuneMemory has the garbage collected less often, which leaves a fifth of the processor's time to the work, as long as the
// process stays small. GOGC and GOMEMLIMIT mean what they always mean.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(smallHeap)
	}
}
