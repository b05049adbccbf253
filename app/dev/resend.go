package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/models"
)

// manyEvents is the most events that are resent without asking first.
const manyEvents = 100

// resend replays stored events, or sends them to another server.
type resend struct {
	failed, dryRun, yes, force bool
	rate, limit                int
	to, secretFile             string

	secret string // to sign with instead of the configured one
	w      io.Writer
	in     io.Reader
	config app.Config
	admin  admin
	ids    []int64    // the events to resend; empty if query selects them
	query  url.Values // selects the events if there are no IDs
}

func newResend(Env) *cobra.Command {
	r := &resend{}
	filters := eventFilters()
	cmd := &cobra.Command{
		Use:   "resend [<event id>…]",
		Short: "Replay stored events, or send them to another server",
		Long: `Makes a running server process stored events again: those with the given IDs, or
all that the flags select. With IDs it waits for the outcomes. It replays
failed, ignored and sandbox events. It skips other processed events, because a
replay would change nothing, quarantined events, and events whose payload was
removed, after PAYLOAD_RETENTION or because the person was erased.

With --to it signs the stored bodies again and sends them to another server,
such as a colleague's. It does not change the times in the bodies.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . resend 17
  go run . resend --failed --dry-run
  go run . resend --failed --provider trustgate --rate 50
  go run . resend --type applicant.reviewed --outcome ignored --limit 10
  go run . resend 17 --to https://colleague.ngrok.app --secret-file their-secret`,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := r.parse(cmd, args, filters)
			if err != nil {
				return usage(err)
			}
			if r.config, err = app.LoadConfig(); err != nil {
				return err
			}
			if r.secret, err = readSecret(cmd, r.secretFile); err != nil {
				return err
			}
			r.w, r.in, r.admin = cmd.OutOrStdout(), cmd.InOrStdin(), newAdmin(r.config)
			return r.run(cmd.Context())
		},
	}
	addFilters(cmd, filters)
	f := cmd.Flags()
	f.BoolVar(&r.failed, "failed", false, "all failed events, like --status failed")
	f.IntVar(&r.limit, "limit", 0, "resend at most this many events, the oldest first")
	f.IntVar(&r.rate, "rate", 0, "resend this many events per second")
	f.BoolVar(&r.dryRun, "dry-run", false, "only print what would be done")
	f.BoolVar(&r.yes, "yes", false, fmt.Sprintf("do not ask before resending more than %d events", manyEvents))
	f.StringVar(&r.to, "to", "", "send to the server at this URL instead of replaying")
	f.StringVar(&r.secretFile, "secret-file", "", "with --to, sign with the secret in this file, or in the standard input (-)")
	f.BoolVar(&r.force, "force", false, "with --to, also send quarantined events")
	cmd.MarkFlagsMutuallyExclusive("failed", "status")
	return cmd
}

// parse reads and checks the arguments and flags.
func (r *resend) parse(cmd *cobra.Command, args []string, filters []filter) (err error) {
	if r.query, err = query(cmd, filters); err != nil {
		return err
	}
	if r.failed {
		r.query.Set("status", string(models.Failed))
	}
	for _, arg := range args {
		id, err := rowID(arg, "event")
		if err != nil {
			return err
		}
		r.ids = append(r.ids, id)
	}
	changed := cmd.Flags().Changed
	switch {
	case (len(r.ids) > 0) == (len(r.query) > 0):
		return errors.New("select the events by ID or by flags such as --failed and --type, not by both")
	case changed("limit") && r.limit < 1 || changed("rate") && r.rate < 1:
		return errors.New("--limit and --rate must be 1 or more")
	case !changed("to") && (changed("secret-file") || r.force):
		return errors.New("--secret-file and --force need the URL of a server: --to https://host")
	case changed("to"):
		r.to, err = serverURL("to", r.to)
	}
	return err
}

// events returns the selected events: in the order of the IDs, or the oldest first.
func (r *resend) events(ctx context.Context) (events []models.Event, err error) {
	for _, id := range r.ids {
		e, err := get[models.Event](ctx, r.admin, fmt.Sprintf("/api/events/%d", id))
		if isMissing(err) {
			err = fmt.Errorf("there is no event %d", id)
		}
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if len(r.ids) == 0 {
		events, err = newest[models.Event](ctx, r.admin, "events", r.query, math.MaxInt)
	}
	if r.limit > 0 {
		events = events[:min(r.limit, len(events))]
	}
	return events, err
}

// run replays the selected events or sends them to another server, one by one, and prints the result of each.
func (r *resend) run(ctx context.Context) error {
	events, err := r.events(ctx)
	if err == nil {
		err = r.confirm(len(events))
	}
	if err != nil {
		return err
	}
	for _, e := range events {
		if _, err := signer(r.config, e.Provider, r.secret); r.to != "" && err != nil {
			return err // nothing has been sent yet
		}
	}
	bad, start := 0, time.Now()
	for i, e := range events {
		if r.rate > 0 {
			due := start.Add(time.Duration(i) * time.Second / time.Duration(r.rate))
			_ = sleep(ctx, time.Until(due)) // if ctx ends, the next call fails
		}
		result, ok, err := r.resend(ctx, e)
		if err != nil {
			return errors.Join(err, fmt.Errorf("stopped after %d of %d events", i, len(events)))
		}
		if !ok {
			bad++
		}
		// An event that could not be read has no type.
		name := strings.TrimSuffix(fmt.Sprintf("event %d %s/%s", e.ID, e.Provider, e.Type), "/")
		fmt.Fprintln(r.w, wrap("", clean(name)+" "+result))
	}
	if len(events) == 0 {
		fmt.Fprintln(r.w, "no events match")
	}
	if bad > 0 {
		wanted := "processed"
		if r.to != "" {
			wanted = "accepted"
		}
		return fmt.Errorf("%d of %d events were not %s", bad, len(events), wanted)
	}
	return nil
}

// resend replays an event or sends it to another server, unless there is a reason to skip it. To skip a
// quarantined event is a failure only if it was given by its ID.
func (r *resend) resend(ctx context.Context, e models.Event) (result string, ok bool, err error) {
	isQuarantined, selected := e.Status == models.Quarantined, len(r.ids) == 0
	switch {
	case r.to != "" && isQuarantined && !r.force:
		return "is skipped: it is quarantined (--force sends it)", selected, nil
	case r.to != "" && e.WasRead():
		return "is skipped: it was read from the provider's API, and not sent by the provider", selected, nil
	case r.to != "" && e.BodyRemoved:
		return "is skipped: its payload was removed", selected, nil
	case r.to != "" && r.dryRun:
		return "would be sent", true, nil
	case r.to != "":
		return r.send(ctx, e)
	case isQuarantined:
		return "is skipped: it is quarantined", selected, nil
	case e.BodyRemoved && (e.Outcome == models.Ignored || e.Outcome == models.Sandbox):
		return "is skipped: its payload was removed", selected, nil
	case e.Status == models.Processed && e.Outcome != models.Ignored && e.Outcome != models.Sandbox:
		return fmt.Sprintf("is skipped: it was processed (%s), and a replay would change nothing", e.Outcome), true, nil
	case inWork(e) && r.dryRun:
		return "is skipped: it is being processed", true, nil
	case r.dryRun:
		return "would be replayed", true, nil
	}
	return r.replay(ctx, e)
}

// replay makes the server process an event again. If the event was given by its ID, it returns the outcome.
func (r *resend) replay(ctx context.Context, e models.Event) (result string, ok bool, err error) {
	_, err = r.admin.call(ctx, http.MethodPost, fmt.Sprintf("/api/events/%d/replay", e.ID))
	if err != nil || len(r.ids) == 0 {
		return "is replayed", true, err
	}
	wait, cancel := context.WithTimeout(ctx, outcomeTimeout)
	defer cancel()
	e, err = r.admin.await(wait, e.ID)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // it is waiting for its next attempt
	}
	return "→ " + newPainter(r.w).word(string(e.Status)) + detail(e), e.Status == models.Processed, err
}

// send sends the stored body of an event to another server, and returns the answer.
func (r *resend) send(ctx context.Context, e models.Event) (result string, ok bool, err error) {
	s, err := signer(r.config, e.Provider, r.secret)
	if err != nil {
		return "", false, err
	}
	body, err := r.admin.call(ctx, http.MethodGet, fmt.Sprintf("/api/events/%d/body", e.ID))
	if err != nil {
		return "", false, err
	}
	a, err := deliver(ctx, r.to+"/webhooks/", s.Sign(body, time.Now()))
	if err != nil {
		return "", false, fmt.Errorf("send to %s/webhooks/%s: %w", r.to, e.Provider, err)
	}
	if a.status == http.StatusOK {
		return "→ " + newPainter(r.w).paint(green, a.text), true, nil
	}
	return "→ " + newPainter(r.w).paint(red, a.text+advice(a, e.Provider)), false, nil
}

// confirm asks whether to go on if there are many events. If the input is not a terminal, it goes on without asking. Any
// answer other than y or yes means no.
func (r *resend) confirm(events int) error {
	if events <= manyEvents || r.yes || r.dryRun || !isTerminal(r.in) {
		return nil
	}
	fmt.Fprintf(r.w, "Resend %d events? [y/N] ", events)
	answer := ""
	_, _ = fmt.Fscanln(r.in, &answer) // an empty line means no
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(answer)) {
		return errors.New("nothing was done")
	}
	return nil
}
