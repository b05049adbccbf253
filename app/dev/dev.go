// Package dev holds the developer commands: they play a provider, show what a running server knows, and find out what is
// wrong. The server does not need them: delete the folder and the line in app/cli that adds Commands, and it still builds.
package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

// Env is what the commands get from the program.
type Env struct {
	Samples fs.FS // the folder testdata

	ngrokAPI string // where a local ngrok agent answers; empty for its default. Set by tests.
}

// Commands returns the developer commands. A wrong command line is reported as a UsageError.
func Commands(e Env) []*cobra.Command {
	commands := []*cobra.Command{
		newBench(e),
		newCustomers(e),
		newDoctor(e),
		newEvents(e),
		newListen(e),
		newResend(e),
		newSubscriptions(e),
		newTrigger(e),
		newVerify(e),
	}
	for _, cmd := range commands {
		reportUsage(cmd)
		cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
			return UsageError{fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())}
		})
		cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "FlagUsages", "FlagUsagesWrapped 80"))
	}
	return commands
}

// UsageError is a mistake in the command line or the configuration: nothing was done.
type UsageError struct{ error }

// Unwrap returns the mistake itself.
func (e UsageError) Unwrap() error { return e.error }

// ExitCode is the exit code that the error asks for.
func (e UsageError) ExitCode() int { return 2 }

// reportUsage makes a command and those below it return mistakes in flags and arguments as UsageErrors. The groups of flags
// are checked before the arguments.
func reportUsage(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
		if err == nil && check != nil {
			err = check(cmd, args)
		}
		return usage(err)
	}
	for _, sub := range cmd.Commands() {
		reportUsage(sub)
	}
}

// usage makes an error a UsageError, and nil nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// loadConfig reads the configuration of the environment and .env, as the server does.
func loadConfig() (app.Config, error) {
	c, err := app.LoadConfig()
	return c, usage(err)
}
