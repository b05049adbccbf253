package cli

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

func newServe(samples fs.FS) *cobra.Command {
	return &cobra.Command{
		Use:     "serve",
		Short:   "Receive webhooks and process them (the default)",
		Long:    "Receives webhooks and processes them until SIGINT, SIGTERM or SIGHUP. It then\nfinishes what is in flight.",
		Example: "  go run . serve\n  ADDR=:9000 LOG_LEVEL=debug go run . serve",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := app.LoadConfig()
			if err != nil {
				return err
			}
			if err := tempBeside(c.DatabaseURL); err != nil {
				return err
			}
			log := newLog(c, cmd.ErrOrStderr())
			a, err := app.New(cmd.Context(), c, samples, log)
			if err != nil {
				return err
			}
			log.Info("started", "config", c)
			if c.LogFormat == "text" {
				banner(cmd.OutOrStdout(), c, a)
				if trigger, _, err := cmd.Root().Find([]string{"trigger"}); err == nil && trigger != cmd.Root() {
					suggest(cmd.OutOrStdout(), c, samples)
				}
			}
			return a.Run(cmd.Context())
		},
	}
}

// tempBeside makes SQLite put temporary files beside the database. An erasure makes a copy of all that is stored, and TMPDIR may be too small
// for it, or kept in memory. SQLite reads the variable when the first database is opened.
func tempBeside(databaseURL string) error {
	path, isSQLite := strings.CutPrefix(databaseURL, "sqlite:")
	if !isSQLite || os.Getenv("SQLITE_TMPDIR") != "" {
		return nil
	}
	if err := os.Setenv("SQLITE_TMPDIR", filepath.Dir(strings.TrimPrefix(path, "//"))); err != nil {
		return fmt.Errorf("set SQLITE_TMPDIR: %w", err)
	}
	return nil
}

func newLog(c app.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// banner prints the URLs, which providers are on, and where the data is.
func banner(w io.Writer, c app.Config, a *app.App) {
	base := c.PublicScheme() + "://" + reachable(a.Addr())
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
			if _, isOn := c.Secrets[name]; !isOn {
				fmt.Fprintf(w, "  off         %s: set %s\n", name, handlers.Needs(name))
			}
		}
	}
	fmt.Fprintf(w, "  inspector   http://%s/\n", reachable(a.AdminAddr()))
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
	fmt.Fprintln(w)
}

// suggest prints a trigger command for the first sample that verifies a person, of a provider that has a secret.
func suggest(w io.Writer, c app.Config, samples fs.FS) {
	catalogue, err := jobs.Catalogue(samples)
	if err != nil {
		return // it is only a hint
	}
	for _, s := range catalogue {
		if len(c.Secrets[s.Provider]) > 0 && strings.Contains(s.Meaning, "verified") {
			fmt.Fprintf(w, "  Try, in a second terminal:  go run . trigger %s/%s\n\n", s.Provider, s.Type)
			return
		}
	}
}

// reachable turns an address to listen on into one to call.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
