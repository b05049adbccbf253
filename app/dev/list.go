package dev

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// list is a command that lists the rows of the admin API, or shows one of them.
type list struct {
	name     string // such as event; the API's name is its plural
	filters  []filter
	columns  []column
	sections []section // the lists that one row contains
	limit    int
	json     bool
	follow   bool // also print new rows; only for events
}

func newEvents(Env) *cobra.Command {
	l := &list{name: "event", filters: eventFilters(), columns: []column{
		{title: "TIME (UTC)", member: "received_at"}, {title: "ID", member: "id"}, {title: "PROVIDER", member: "provider", rank: 1, min: 4},
		{title: "TYPE", member: "type", rank: 2, min: 18}, {title: "STATUS", member: "outcome/status"},
		{title: "DETAIL", member: "error/reason/customer_id", rank: 3, min: 12},
	}}
	cmd := l.command(&cobra.Command{
		Use:   "events [<id>]",
		Short: "List the events that a running server has stored, or show one",
		Long: `Lists the newest events of a running server, the newest last. With an ID it
shows one event, its payload and the follow-ups it caused.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . events
  go run . events --status failed
  go run . events -f
  go run . events 17
  go run . events --limit 1000 --json`,
	})
	cmd.Flags().BoolVarP(&l.follow, "follow", "f", false, "also print new events as they arrive, until Ctrl+C")
	return cmd
}

// customerList returns the list of customers.
func customerList() *list {
	return &list{name: "customer", filters: []filter{
		{"provider", "provider", "only customers of this provider", handlers.ProviderNames()},
		{"subject", "subject_id", "only the customer with this ID of the provider", nil},
		{"external-id", "external_id", "only customers with this ID of your own", nil},
		{"status", "status", "only customers with this status", texts(models.Statuses)},
		{"aml-hold", "aml_hold", "only customers on hold; with =false, only those not on hold", []string{"true", "false"}},
	}, columns: []column{
		{title: "ID", member: "id"}, {title: "PROVIDER", member: "provider"},
		{title: "SUBJECT", member: "subject_id", rank: 1, min: 16}, {title: "EXTERNAL ID", member: "external_id", rank: 2, min: 11},
		{title: "STATUS", member: "status"}, {title: "HOLD", member: "aml_hold"},
		{title: "UPDATED (UTC)", member: "updated_at", rank: 3}, {title: "REASON", member: "status_reason", rank: 4, min: 14},
	}, sections: []section{
		{"decisions", []string{"at", "status", "source", "authority", "reason"}},
		{"checks", []string{"at", "kind", "status", "reason", "check_id", "hit_count"}},
		{"hits", []string{"found_at", "kind", "type", "name", "resolution", "hit_id", "confidence"}},
		{"cases", []string{"opened_at", "case_id", "status", "resolution", "assignee", "priority", "type"}},
		{"events", []string{"occurred_at", "id", "outcome/status", "type", "error/reason"}},
	}}
}

func newCustomers(Env) *cobra.Command {
	cmd := customerList().command(&cobra.Command{
		Use:   "customers [<id>]",
		Short: "List the customers that a running server knows, or show one",
		Long: `Lists the newest customers of a running server, the newest last. With an ID it
shows one customer with its decisions, checks, hits, cases, events and
follow-ups.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . customers
  go run . customers --status in_review --aml-hold
  go run . customers --external-id acct-20417
  go run . customers 3
  go run . customers --aml-hold=false --json`,
	})
	cmd.Flags().Lookup("aml-hold").NoOptDefVal = "true"
	return cmd
}

// command adds flags and a function to a command.
func (l *list) command(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := app.LoadConfig()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			return l.printOne(cmd, newAdmin(c), args[0])
		}
		return l.printNewest(cmd, newAdmin(c))
	}
	addFilters(cmd, l.filters)
	cmd.Flags().IntVar(&l.limit, "limit", 20, "how many to list")
	addJSON(cmd, &l.json, l.name)
	return cmd
}

// printNewest prints the newest rows, the newest last.
func (l *list) printNewest(cmd *cobra.Command, a admin) error {
	q, err := query(cmd, l.filters)
	if err := errors.Join(err, atLeastOne("limit", l.limit)); err != nil {
		return err
	}
	show := l.printer(cmd.OutOrStdout())
	if l.follow {
		return followEvents(cmd, &follower{admin: a, query: q}, l.limit, show)
	}
	found, err := newest[json.RawMessage](cmd.Context(), a, l.name+"s", q, l.limit)
	if err == nil {
		show(found)
	}
	return err
}

// printer returns a function that prints rows. It can be called more than once.
func (l *list) printer(w io.Writer) func([]json.RawMessage) {
	t := newTable(w, l.columns...)
	return func(raws []json.RawMessage) {
		if l.json {
			for _, raw := range raws {
				fmt.Fprintf(w, "%s\n", raw)
			}
			return
		}
		var rows []gjson.Result
		for _, raw := range raws {
			rows = append(rows, gjson.ParseBytes(raw))
		}
		t.printRows(rows)
	}
}

// printOne prints one row, what it contains and its follow-ups. With --json it prints the row as the admin API returns it.
func (l *list) printOne(cmd *cobra.Command, a admin, arg string) error {
	if n := cmd.Flags().NFlag(); n > 1 || n == 1 && !l.json {
		return usagef("if the ID of one %s is given, the only flag is --json", l.name)
	}
	id, err := rowID(arg, l.name)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	raw, err := a.call(cmd.Context(), http.MethodGet, fmt.Sprintf("/api/%ss/%d", l.name, id))
	switch {
	case isMissing(err):
		return fmt.Errorf("there is no %s %d", l.name, id)
	case err != nil:
		return err
	case l.json:
		fmt.Fprintf(w, "%s\n", bytes.TrimSpace(raw))
		return nil
	}
	followUps, err := find(cmd.Context(), a, "follow_ups", url.Values{l.name + "_id": {strconv.FormatInt(id, 10)}})
	if err != nil {
		return err
	}
	row := gjson.ParseBytes(raw)
	printFields(w, row)
	for _, s := range l.sections {
		s.print(w, row.Get(s.name).Array())
	}
	section{"follow_ups", []string{"created_at", "name", "status", "error/note", "attempts"}}.print(w, followUps)
	return printPayload(w, row)
}

// rowID reads the ID of a row of a list.
func rowID(arg, name string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return 0, usagef("%q is not an ID: want a number from the list of go run . %ss", arg, name)
	}
	return id, nil
}

// section is a list of objects that is shown below the object that contains it.
type section struct {
	name    string
	members []string // the columns, the most important first; see column.member
}

// print prints the section, unless it has no rows. It leaves out empty columns.
func (s section) print(w io.Writer, rows []gjson.Result) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", newPainter(w).paint(bold, strings.ReplaceAll(s.name, "_", "-")))
	var columns []column
	for i, member := range s.members {
		c := column{title: path.Base(member), member: member, rank: i, min: 12}
		if slices.ContainsFunc(rows, func(row gjson.Result) bool { return c.text(row) != "" }) {
			columns = append(columns, c)
		}
	}
	t := newTable(w, columns...)
	t.indent = 2
	t.printRows(rows)
}

// printFields prints the members of an object, except objects, lists of objects and the payload.
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

// printPayload prints the body of an event.
func printPayload(w io.Writer, event gjson.Result) error {
	if event.Get("body_removed").Bool() {
		fmt.Fprintln(w, "\nIts payload was removed, after PAYLOAD_RETENTION or because the person was erased.")
		return nil
	}
	if event.Get("body_problem").Exists() { // printed as a field
		return nil
	}
	if body := event.Get("body_base64"); body.Exists() {
		decoded, err := base64.StdEncoding.DecodeString(body.Str)
		fmt.Fprintf(w, "\n%d bytes that are not JSON: %q\n", len(decoded), decoded)
		return err
	}
	if payload := event.Get("payload"); payload.Exists() {
		text, err := indent([]byte(payload.Raw))
		fmt.Fprintf(w, "\n%s\n", text)
		return err
	}
	return nil
}
