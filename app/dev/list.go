package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"
)

// list is a list of the admin API that a command shows: many rows, or one with all that is known about it.
type list struct {
	name    string // such as event; the API's name is its plural
	filters []filter
	columns []column
	limit   int
	json    bool
}

// filter is a flag that selects rows, by a parameter of the admin API.
type filter struct {
	flag, param, usage string
	values             []string // all there are; empty if it may be anything
}

func (l *list) register(cmd *cobra.Command) {
	cmd.Args = cobra.MaximumNArgs(1)
	addFilters(cmd, l.filters)
	cmd.Flags().IntVar(&l.limit, "limit", 20, "how many to list")
	addJSON(cmd, &l.json, l.name)
}

func addFilters(cmd *cobra.Command, filters []filter) {
	for _, f := range filters {
		usage := f.usage
		if len(f.values) > 0 {
			usage += ": " + strings.Join(f.values, ", ")
		}
		cmd.Flags().String(f.flag, "", usage)
		if slices.Equal(f.values, []string{"true", "false"}) {
			cmd.Flags().Lookup(f.flag).NoOptDefVal = "true"
		}
		complete(cmd, f.flag, f.values)
	}
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

// query is what the filters say to the admin API. An empty filter is a mistake, since it would select everything.
func query(cmd *cobra.Command, filters []filter) (url.Values, error) {
	q := url.Values{}
	for _, f := range filters {
		if !cmd.Flags().Changed(f.flag) {
			continue
		}
		value := cmd.Flags().Lookup(f.flag).Value.String()
		switch {
		case value == "":
			return nil, UsageError{fmt.Errorf("--%s is empty", f.flag)}
		case len(f.values) > 0 && !slices.Contains(f.values, value):
			return nil, UsageError{fmt.Errorf("--%s is %q: want %s", f.flag, value, strings.Join(f.values, ", "))}
		}
		q.Set(f.param, value)
	}
	return q, nil
}

// texts are the values of a list of words.
func texts[T ~string](words []T) []string {
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	return list
}

// open checks the flags and returns what they select, and the server to ask.
func (l *list) open(cmd *cobra.Command) (admin, url.Values, error) {
	q, err := query(cmd, l.filters)
	if err == nil {
		err = atLeastOne("limit", l.limit)
	}
	if err != nil {
		return admin{}, nil, err
	}
	c, err := loadConfig()
	return newAdmin(c), q, err
}

// run lists the newest rows, the newest last.
func (l *list) run(cmd *cobra.Command) error {
	a, q, err := l.open(cmd)
	if err != nil {
		return err
	}
	found, err := newest[json.RawMessage](cmd.Context(), a, l.name+"s", q, l.limit)
	if err != nil {
		return asUsage(err)
	}
	l.printer(cmd.OutOrStdout())(found)
	return nil
}

// atLeastOne refuses a flag whose number is below 1.
func atLeastOne(flag string, n int) error {
	if n < 1 {
		return UsageError{fmt.Errorf("--%s is %d: want 1 or more", flag, n)}
	}
	return nil
}

// printer returns what prints rows, all at once or as they come.
func (l *list) printer(w io.Writer) func([]json.RawMessage) {
	t := newTable(w, l.columns...)
	return func(raws []json.RawMessage) {
		var rows []gjson.Result
		for _, raw := range raws {
			if l.json {
				fmt.Fprintf(w, "%s\n", raw)
			}
			rows = append(rows, gjson.ParseBytes(raw))
		}
		if !l.json {
			t.printRows(rows)
		}
	}
}

// one shows the row with an ID and its follow-ups, which are those whose param is that ID. The only flag that makes sense
// with an ID is --json, which prints the row as the admin API has it.
func (l *list) one(cmd *cobra.Command, id, param string, sections ...section) (row gjson.Result, err error) {
	if n := cmd.Flags().NFlag(); n > 1 || n == 1 && !l.json {
		return row, UsageError{fmt.Errorf("with the ID of one %s, the only flag is --json", l.name)}
	}
	if _, err := rowID(id, l.name); err != nil {
		return row, err
	}
	c, err := loadConfig()
	if err != nil {
		return row, err
	}
	a, w := newAdmin(c), cmd.OutOrStdout()
	raw, err := a.call(cmd.Context(), "GET", "/api/"+l.name+"s/"+id)
	switch {
	case isMissing(err):
		return row, fmt.Errorf("there is no %s %s", l.name, id)
	case err != nil:
		return row, err
	case l.json:
		fmt.Fprintf(w, "%s\n", bytes.TrimSpace(raw))
		return row, nil
	}
	followUps, err := followUpsOf(cmd.Context(), a, param, id)
	if err != nil {
		return row, err
	}
	row = gjson.ParseBytes(raw)
	printFields(w, row)
	for _, s := range sections {
		s.print(w, row.Get(s.name).Array())
	}
	followUpSection.print(w, followUps)
	return row, nil
}

// followUpsOf returns the follow-ups that an event caused, or those of a customer: param is event_id or customer_id.
func followUpsOf(ctx context.Context, a admin, param, id string) ([]gjson.Result, error) {
	answer, err := get[json.RawMessage](ctx, a, fmt.Sprintf("/api/follow_ups?%s=%s&limit=%d", param, id, maxPage))
	return gjson.GetBytes(answer, "follow_ups").Array(), err
}

// rowID reads the ID of a row of a list.
func rowID(arg, name string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return 0, UsageError{fmt.Errorf("%q is not an ID: want a number, as in the list of go run . %ss", arg, name)}
	}
	return id, nil
}

// section is a list that is shown below an object.
type section struct {
	name    string
	columns []column
}

var followUpSection = section{"follow_ups", []column{
	{title: "created_at"}, {title: "name"}, {title: "status"}, {title: "attempts", rank: 2}, {title: "note", member: "error/note", rank: 1, min: 10},
}}

// print prints the section, unless it has no rows.
func (s section) print(w io.Writer, rows []gjson.Result) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", newPainter(w).paint(bold, strings.ReplaceAll(s.name, "_", "-")))
	t := newTable(w, s.columns...)
	t.indent = 2
	t.printRows(rows)
}

// printFields prints the members of an object that are neither objects nor lists of them, nor a payload.
func printFields(w io.Writer, object gjson.Result) {
	var pairs [][2]string
	object.ForEach(func(key, value gjson.Result) bool {
		if !value.IsObject() && !value.Get("0").IsObject() && key.Str != "payload" && key.Str != "body_base64" {
			pairs = append(pairs, [2]string{key.Str, text(value)})
		}
		return true
	})
	fields(w, pairs...)
}
