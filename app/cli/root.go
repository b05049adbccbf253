// Package cli is the command line.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/dev"
	"example.com/identity-webhooks/handlers"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1 // the command was called correctly and failed, or found a problem
	exitUsage = 2 // the command line or the configuration is wrong: nothing was done
)

// Execute runs the command in args, or serve if there is none, and returns the exit code. Errors are printed to stderr, one problem per
// line.
func Execute(ctx context.Context, args []string, samples fs.FS, stdout, stderr io.Writer) int {
	tuneMemory()
	root := newRoot(samples)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
			fmt.Fprintln(stderr, "error:", line)
		}
	}
	return exitCode(err)
}

// newRoot returns the root command with all commands. Without a command it runs serve.
func newRoot(samples fs.FS) *cobra.Command {
	serve := newServe(samples)
	root := &cobra.Command{
		Use:   programName(),
		Short: "Receive webhooks from identity-verification providers",
		Long: `Receives webhooks from identity-verification providers, and keeps one correct
record per person. Without a command it runs serve.

Providers: ` + providerList() + `

.env.example lists the environment variables that configure the program.

Exit codes: 0 all went well, 1 something failed, 2 the command line or the
configuration is wrong and nothing was done.`,
		Example:       "  go run .\n  go run . serve --help",
		Version:       version(),
		Args:          noCommand,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          serve.RunE,

		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return app.UsageError{Err: fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())}
	})
	root.AddCommand(serve, newMigrate(), newHealthcheck())
	root.AddCommand(dev.Commands(dev.Env{Samples: samples})...) // the developer tools, which a server does not need
	reportUsage(root)
	return root
}

// providerList lists the providers in lines of less than 80 columns.
func providerList() string {
	var lines []string
	for some := range slices.Chunk(handlers.ProviderNames(), 6) {
		lines = append(lines, strings.Join(some, ", "))
	}
	return strings.Join(lines, ",\n  ")
}

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var marked interface {
		error
		ExitCode() int
	}
	if errors.As(err, &marked) && marked.ExitCode() == exitUsage {
		return exitUsage
	}
	return exitError
}

// reportUsage makes each command return mistakes in its arguments as UsageErrors.
func reportUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return app.UsageError{Err: err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		reportUsage(sub)
	}
}

// noCommand refuses an argument that is not the name of a command, and suggests what may have been meant.
func noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no command %q; --help lists them", args[0])
}

// programName returns the last part of the module's path, which is also the name of the binary that go build makes.
func programName() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		return path.Base(info.Main.Path)
	}
	return "webhooks"
}

// version returns the version of the module and the commit that it was built from, if they are known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, modified := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	return fmt.Sprintf("%s (commit %s%s)", info.Main.Version, commit, modified)
}

// tuneMemory makes garbage collection less frequent while the process uses less than 128 MiB. GOGC and GOMEMLIMIT keep their usual meaning.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(128 << 20)
	}
}
