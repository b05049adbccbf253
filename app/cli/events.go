package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/models"
)

// followInterval is how often events -f asks for new ones.
const followInterval = 500 * time.Millisecond

// eventsCommand shows what is in the inbox.
type eventsCommand struct {
	eventFlags
	limit  int
	follow bool
	json   bool
}

func newEvents() *cobra.Command {
	e := &eventsCommand{}
	cmd := &cobra.Command{
		Use:   "events [<id>]",
		Short: "Show the events that a running server has stored",
		Long: `Lists the newest events of a running server, the newest last. With an id it shows one event with its payload.

It asks the admin API at ADMIN_ADDR.`,
		Example: `  go run . events
  go run . events --status failed --provider trustgate
  go run . events -f
  go run . events 17
  go run . events --limit 1000 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return e.one(cmd, args[0])
			}
			return e.list(cmd)
		},
	}
	e.register(cmd)
	cmd.Flags().IntVar(&e.limit, "limit", 20, "list so many")
	cmd.Flags().BoolVarP(&e.follow, "follow", "f", false, "go on with the events that come, until Ctrl+C")
	cmd.Flags().BoolVar(&e.json, "json", false, "print one JSON object per event and line")
	return cmd
}

func (e *eventsCommand) list(cmd *cobra.Command) error {
	query, err := e.query(cmd)
	if err != nil {
		return err
	}
	if e.limit < 1 {
		return usageError{fmt.Errorf("--limit is %d: want 1 or more", e.limit)}
	}
	c, err := loadConfig()
	if err != nil {
		return err
	}
	admin, show := newAdminClient(c), e.printer(cmd.OutOrStdout())
	if e.follow {
		return e.run(cmd, admin, query, show)
	}
	events, err := newest[models.Event](cmd.Context(), admin, "events", query, e.limit)
	if err != nil {
		return err
	}
	return show(events)
}

// run shows the newest events and then those that come, until the context ends.
func (e *eventsCommand) run(cmd *cobra.Command, admin *adminClient, query url.Values, show func([]models.Event) error) error {
	f := newFollower(admin, query)
	events, err := f.start(cmd.Context(), e.limit)
	if err != nil {
		return err
	}
	if err := show(events); err != nil {
		return err
	}
	return poll(cmd.Context(), cmd.ErrOrStderr(), followInterval, func(ctx context.Context) error {
		events, _, err := f.next(ctx)
		if err != nil {
			return err
		}
		return show(events)
	})
}

// printer returns what prints events, at once or one lot after the other.
func (e *eventsCommand) printer(w io.Writer) func([]models.Event) error {
	if e.json {
		return func(events []models.Event) error { return jsonLines(w, events) }
	}
	t := newTable(w, "TIME", "ID", "PROVIDER", "TYPE", "STATUS", "ATTEMPTS", "CUSTOMER", "ERROR")
	return func(events []models.Event) error {
		var rows [][]cell
		for _, x := range events {
			rows = append(rows, eventRow(x))
		}
		t.rows(rows)
		return nil
	}
}

func eventRow(e models.Event) []cell {
	customer := ""
	if e.CustomerID != nil {
		customer = strconv.FormatInt(*e.CustomerID, 10)
	}
	return []cell{
		{stamp(e.ReceivedAt), grey}, {strconv.FormatInt(e.ID, 10), ""}, {e.Provider, ""}, {e.Type, ""}, eventState(e),
		{strconv.Itoa(e.Attempts), ""}, {customer, ""}, {e.LastError, red},
	}
}

// eventState is where an event stands, as in processed/applied.
func eventState(e models.Event) cell {
	text := string(e.Status)
	if e.Outcome != "" {
		text += "/" + string(e.Outcome)
	}
	switch {
	case e.Status == models.Failed, e.Status == models.Quarantined:
		return cell{text, red}
	case e.Status != models.Processed:
		return cell{text, yellow}
	case e.Outcome != models.Applied:
		return cell{text, grey}
	}
	return cell{text, green}
}

// stamp is a time as tables show it: in UTC, to the second; empty for none.
func stamp(t models.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// jsonLines prints each row as JSON on a line of its own.
func jsonLines[T any](w io.Writer, rows []T) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, row := range rows {
		if err := encoder.Encode(row); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}
