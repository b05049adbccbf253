package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

// The exit codes. A command that finds something wrong, as a check does, exits with exitError.
const (
	exitOK    = 0
	exitError = 1 // it was called rightly, and did not succeed
	exitUsage = 2 // the command line or the configuration is wrong: nothing was done
)

// usageError is an error of whoever called the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	switch _, usage := errors.AsType[usageError](err); {
	case err == nil:
		return exitOK
	case usage:
		return exitUsage
	}
	return exitError
}

// usageErrors makes each command report wrong arguments as such.
func usageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		usageErrors(sub)
	}
}

// loadConfig reads the configuration of the environment and .env.
func loadConfig() (app.Config, error) {
	c, err := app.LoadConfig()
	if err != nil {
		return c, usageError{err}
	}
	return c, nil
}
