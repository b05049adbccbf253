package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app/scenario"
	"example.com/identity-webhooks/handlers"
)

// completeArgument offers the samples, or the providers where the body comes from a file.
func (t *trigger) completeArgument(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) > 0 || t.scenario != "":
		return nil, cobra.ShellCompDirectiveNoFileComp
	case t.file != "":
		return handlers.ProviderNames(), cobra.ShellCompDirectiveNoFileComp
	}
	return offer(sampleNames(t.samples))
}

func (t *trigger) completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return offer(scenario.Names(t.samples))
}

// completePath offers the fields of the sample that is named.
func (t *trigger) completePath(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	m, err := t.message(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	fields := paths(m.body)
	for i := range fields {
		fields[i] += "="
	}
	return fields, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func offer(names []string, err error) ([]string, cobra.ShellCompDirective) {
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// list prints what there is to send.
func (t *trigger) list(w io.Writer) error {
	names, err := sampleNames(t.samples)
	for _, name := range names {
		fmt.Fprintln(w, name)
	}
	return err
}
