package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

const (
	listenInterval = 300 * time.Millisecond // how often listen asks for deliveries
	outcomeWait    = 3 * time.Second        // how long listen waits for outcomes before it shows events without them
)

// listen shows deliveries as they arrive.
type listen struct {
	Env
	json, ngrok, printSecret bool
	subscribe                []string
}

func newListen(e Env) *cobra.Command {
	l := &listen{Env: e}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Show deliveries to a running server as they arrive",
		Long: `Shows each delivery to a running server, its outcome, and the customer's status
and hold before and after it. For rejected deliveries it shows the reason.
Press Ctrl+C to stop.

With --ngrok it prints the URLs to enter at the providers. It uses the ngrok
agent that is running, or starts one and stops it at the end. With --subscribe
it also registers these URLs with providers, and removes them at the end.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . listen
  go run . listen --ngrok
  go run . listen --ngrok --subscribe trustist,trst
  go run . listen --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !l.ngrok && (l.printSecret || len(l.subscribe) > 0) {
				return usagef("--print-secret and --subscribe need --ngrok")
			}
			return l.run(cmd)
		},
	}
	f := cmd.Flags()
	addJSON(cmd, &l.json, "delivery")
	f.BoolVar(&l.ngrok, "ngrok", false, "print the public URLs of the ngrok tunnel to the server")
	f.StringSliceVar(&l.subscribe, "subscribe", nil, "register the URLs with these providers while listen runs")
	f.BoolVar(&l.printSecret, "print-secret", false, "also print the secret at the end of a URL")
	return cmd
}

func (l *listen) run(cmd *cobra.Command) (failed error) {
	c, err := app.LoadConfig()
	if err == nil {
		err = checkSubscribers(c, l.subscribe)
	}
	if err != nil {
		return err
	}
	ctx, w, notes := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	watch, err := newWatch(ctx, newAdmin(c))
	if err != nil {
		return err
	}
	tunnel := tunnel{}
	if l.ngrok {
		if tunnel, err = openTunnel(ctx, cmp.Or(l.ngrokAPI, ngrokAPI), publicURL(c)); err != nil {
			return stopped(ctx, err)
		}
		defer tunnel.close()
		if err := l.printURLs(w, c, tunnel.url); err != nil {
			return err
		}
		unsubscribe, err := subscribe(ctx, notes, c, l.subscribe, tunnel.url)
		defer func() { failed = errors.Join(failed, unsubscribe(context.WithoutCancel(ctx))) }()
		if err != nil {
			return stopped(ctx, err)
		}
	}
	fmt.Fprintf(notes, "listening to the server at %s; press Ctrl+C to stop\n", watch.admin.base)
	show := l.printer(w)
	return poll(ctx, notes, listenInterval, func(ctx context.Context) error {
		if err := tunnel.problem(); err != nil {
			return err
		}
		entries, err := watch.next(ctx)
		return errors.Join(show(entries), err)
	})
}

// stopped returns an error, unless it comes from Ctrl+C.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// printURLs prints the public URL of each provider's webhooks.
func (l *listen) printURLs(w io.Writer, c app.Config, base string) error {
	active, err := c.Providers()
	if err != nil {
		return usage(err)
	}
	for _, name := range sortedKeys(active) {
		full, shown := webhookURL(base, name, active[name])
		if l.printSecret {
			shown = full
		}
		if !l.json {
			fmt.Fprintf(w, "  %-11s  %s\n", name, shown)
		} else if err := printJSON(w, map[string]string{"provider": name, "url": shown}); err != nil {
			return err
		}
	}
	return nil
}

// printer returns a function that prints entries.
func (l *listen) printer(w io.Writer) func([]entry) error {
	t := newTable(w, column{title: "TIME", width: 8}, column{title: "ID", width: 3},
		column{title: "PROVIDER", width: 11, rank: 1, min: 8}, column{title: "TYPE", width: 15, rank: 3, min: 15},
		column{title: "STATUS", width: 9}, column{title: "DETAIL", width: 24, rank: 2, min: 24})
	if !l.json {
		t.print()
	}
	return func(entries []entry) (err error) {
		for _, e := range entries {
			if l.json {
				err = errors.Join(err, printJSON(w, e))
			} else {
				t.print(e.row())
			}
		}
		return err
	}
}

// entry is what listen shows of a delivery. Absent members are unknown, or do not apply.
type entry struct {
	Time       models.Time        `json:"time"`
	Kind       string             `json:"kind"` // event, repeat or rejection
	Provider   string             `json:"provider"`
	Type       string             `json:"type,omitempty"`
	EventID    int64              `json:"event_id,omitempty"`
	ExternalID string             `json:"external_id,omitempty"`
	Status     models.EventStatus `json:"status,omitempty"`
	Outcome    models.Outcome     `json:"outcome,omitempty"`
	Deliveries int                `json:"deliveries,omitempty"`
	Error      string             `json:"error,omitempty"`
	Reason     string             `json:"reason,omitempty"` // why it was rejected or ignored
	Remote     string             `json:"remote_address,omitempty"`
	CustomerID *int64             `json:"customer_id,omitempty"`
	Before     *state             `json:"customer_before,omitempty"` // as listen last showed the customer
	After      *state             `json:"customer_after,omitempty"`
}

// state is what listen shows of a customer.
type state struct {
	Status  models.Status `json:"status"`
	AMLHold bool          `json:"aml_hold"`
}

func (s state) String() string {
	if s.AMLHold {
		return string(s.Status) + ", on hold"
	}
	return string(s.Status)
}

func newEntry(kind string, at models.Time, e models.Event) entry {
	return entry{
		Time: at, Kind: kind, Provider: e.Provider, Type: e.Type, EventID: e.ID, ExternalID: e.ExternalID, Status: e.Status,
		Outcome: e.Outcome, Deliveries: e.Deliveries, Error: e.Error, Reason: e.Reason, CustomerID: e.CustomerID,
	}
}

// row is the entry as a line of a table, with the local time.
func (e entry) row() []string {
	id, status, detail := "", cmp.Or(string(e.Outcome), string(e.Status)), cmp.Or(e.Error, e.Reason)
	if e.EventID > 0 {
		id = strconv.FormatInt(e.EventID, 10)
	}
	switch {
	case e.Kind == "rejection":
		status, detail = "rejected", fmt.Sprintf("%s (from %s)", e.Reason, e.Remote)
	case e.Kind == "repeat":
		status, detail = "duplicate", fmt.Sprintf("delivery %d", e.Deliveries)
	case e.After != nil && e.Before == nil:
		detail = fmt.Sprintf("%s (customer %d)", e.After, *e.CustomerID)
	case e.After != nil && *e.After == *e.Before:
		detail = fmt.Sprintf("still %s (customer %d)", e.After, *e.CustomerID)
	case e.After != nil:
		detail = fmt.Sprintf("%s → %s (customer %d)", e.Before, e.After, *e.CustomerID)
	}
	return []string{e.Time.Local().Format(time.TimeOnly), id, e.Provider, e.Type, status, detail}
}

// watch finds the deliveries that have arrived at a server since its last call.
type watch struct {
	follower
	wait      time.Duration   // for outcomes
	rejection int64           // the ID of the newest
	customers map[int64]state // as they were shown last
}

// newWatch returns a watch that returns only deliveries that arrive from now on.
func newWatch(ctx context.Context, a admin) (*watch, error) {
	w := &watch{follower: follower{admin: a}, wait: outcomeWait, customers: map[int64]state{}}
	_, _, err := w.follower.next(ctx)
	if err == nil {
		_, err = w.rejections(ctx)
	}
	return w, err
}

// next returns the new deliveries, the oldest first. It waits some time for the outcomes of events. If an event has no
// outcome by then, a later call returns it again with its outcome.
func (w *watch) next(ctx context.Context) (found []entry, err error) {
	before := w.seen
	fresh, repeated, err := w.follower.next(ctx)
	if err != nil {
		return nil, err
	}
	for id, old := range before {
		if e := w.seen[id]; inWork(old) && e.Status != "" && !inWork(e) {
			found = append(found, w.eventEntry(ctx, e))
		}
	}
	wait, cancel := context.WithTimeout(ctx, w.wait)
	defer cancel()
	for _, raw := range fresh {
		id := gjson.GetBytes(raw, "id").Int()
		if e, err := w.admin.await(wait, id); err == nil {
			w.seen[id] = e
		}
		found = append(found, w.eventEntry(ctx, w.seen[id]))
	}
	for _, raw := range repeated {
		now := models.At(time.Now()) // the time of a repeated delivery is not stored
		found = append(found, newEntry("repeat", now, w.seen[gjson.GetBytes(raw, "id").Int()]))
	}
	rejections, err := w.rejections(ctx)
	found = append(found, rejections...)
	slices.SortStableFunc(found, func(a, b entry) int { return a.Time.Compare(b.Time.Time) })
	return found, err
}

// eventEntry returns the entry of an event. It shows what changed for the customer, if the server answers.
func (w *watch) eventEntry(ctx context.Context, e models.Event) entry {
	x := newEntry("event", e.ReceivedAt, e)
	if e.CustomerID == nil {
		return x
	}
	if after, err := get[state](ctx, w.admin, fmt.Sprintf("/api/customers/%d", *e.CustomerID)); err == nil {
		if before, known := w.customers[*e.CustomerID]; known {
			x.Before = &before
		}
		x.After, w.customers[*e.CustomerID] = &after, after
	}
	return x
}

// rejections returns the new rejections, the oldest first. When the server restarts, their IDs start from 1 again.
func (w *watch) rejections(ctx context.Context) (fresh []entry, err error) {
	answer, err := get[struct{ Rejections []handlers.Rejection }](ctx, w.admin, "/api/rejections")
	if list := answer.Rejections; err == nil && (len(list) == 0 || list[0].ID < w.rejection) {
		w.rejection = 0
	}
	for _, r := range slices.Backward(answer.Rejections) {
		if r.ID > w.rejection {
			w.rejection = r.ID
			fresh = append(fresh, entry{
				Time: r.Time, Kind: "rejection", Provider: r.Provider, Reason: string(r.Reason), Remote: r.RemoteAddress,
			})
		}
	}
	return fresh, err
}
