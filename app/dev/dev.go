// Package dev holds the developer commands: they send events as a provider would, show what a running server has stored, and
// find out what is wrong. The server does not need them: delete the folder and the line in app/cli that adds Commands, and
// it still builds.
package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// Env is what the commands get from the program.
type Env struct {
	Samples fs.FS // the folder testdata

	ngrokAPI string // where a local ngrok agent answers; empty for its default. Set by tests.
}

// Commands returns the developer commands. A wrong command line is reported as an app.UsageError.
func Commands(e Env) []*cobra.Command {
	commands := []*cobra.Command{
		newBench(e), newCustomers(e), newDoctor(e), newErase(e), newEvents(e), newExport(e), newListen(e), newResend(e),
		newSubscriptions(e), newTrigger(e), newVerify(e),
	}
	narrow := strings.NewReplacer("FlagUsages", "FlagUsagesWrapped 80", "more information about a command", "details")
	for _, cmd := range commands {
		reportUsage(cmd)
		cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
			return usagef("%w (%s --help lists the flags)", err, cmd.CommandPath())
		})
		cmd.SetUsageTemplate(narrow.Replace(cmd.UsageTemplate()))
	}
	return commands
}

// reportUsage makes a command and those below it return mistakes in flags and arguments as app.UsageErrors. Groups of flags
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

// usage wraps an error in an app.UsageError. It returns nil for nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return app.UsageError{Err: err}
}

// usagef is fmt.Errorf for an app.UsageError.
func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// filter is a flag that selects rows. It becomes a parameter of the admin API.
type filter struct {
	flag, param, usage string
	values             []string // the allowed values; empty if any value is allowed
}

// eventFilters are the flags that select events.
func eventFilters() []filter {
	return []filter{
		{"provider", "provider", "only events of this provider", handlers.ProviderNames()},
		{"type", "type", "only events of this type", nil},
		{"status", "status", "only events with this status", texts(models.EventStatuses)},
		{"outcome", "outcome", "only events with this outcome", texts(models.Outcomes)},
		{"customer", "customer_id", "only events about the customer with this ID", nil},
		{"external-id", "external_id", "only the event with this ID of the provider", nil},
	}
}

// texts converts a list of values, such as statuses.
func texts[T ~string](words []T) (list []string) {
	for _, word := range words {
		list = append(list, string(word))
	}
	return list
}

// addFilters adds a flag for each filter.
func addFilters(cmd *cobra.Command, filters []filter) {
	for _, f := range filters {
		if len(f.values) > 0 {
			f.usage += ": " + strings.Join(f.values, ", ")
		}
		cmd.Flags().String(f.flag, "", f.usage)
		complete(cmd, f.flag, f.values)
	}
}

// query returns the parameters of the admin API for the filters that are set. It refuses an empty value, which would select
// everything.
func query(cmd *cobra.Command, filters []filter) (url.Values, error) {
	q := url.Values{}
	for _, f := range filters {
		flag := cmd.Flags().Lookup(f.flag)
		value := flag.Value.String()
		switch {
		case !flag.Changed:
			continue
		case value == "":
			return nil, usagef("--%s is empty", f.flag)
		case len(f.values) > 0 && !slices.Contains(f.values, value):
			return nil, usagef("--%s is %q: want %s", f.flag, value, strings.Join(f.values, ", "))
		}
		q.Set(f.param, value)
	}
	return q, nil
}

// complete lets the shell complete the values of a flag.
func complete(cmd *cobra.Command, flag string, values []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the caller defines the flag
	}
}

// addJSON adds the flag --json.
func addJSON(cmd *cobra.Command, to *bool, what string) {
	cmd.Flags().BoolVar(to, "json", false, "print JSON, one "+what+" a line")
}

// atLeastOne refuses a flag whose number is below 1.
func atLeastOne(flag string, n int) error {
	if n < 1 {
		return usagef("--%s is %d: want 1 or more", flag, n)
	}
	return nil
}
