package dev

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// manyEvents is how many events are resent without asking a person first.
const manyEvents = 100

// resend replays stored events, or sends them to another server.
type resend struct {
	failed, dryRun, yes, force bool
	rate, limit                int
	to, secret                 string

	w      io.Writer
	in     io.Reader
	config app.Config
	admin  admin
}

func newResend(Env) *cobra.Command {
	r := &resend{}
	filters := eventFilters()
	cmd := &cobra.Command{
		Use:   "resend [<event id>…]",
		Short: "Replay stored events, or send them to another server",
		Long: `Has a running server process stored events again: those with the given IDs, or
all that the flags select. It replays failed, ignored and sandbox events. An
event that was applied stays as it is, since a replay would change nothing, and
a quarantined event is never applied.

With --to it signs the stored bodies anew and sends them to another server, such
as a colleague's. The times in the bodies stay, those of the signatures are the
present.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . resend 17
  go run . resend --failed --dry-run
  go run . resend --failed --provider trustgate --rate 50
  go run . resend --type applicant.reviewed --outcome ignored --limit 10
  go run . resend 17 --to https://colleague.ngrok.app --secret whsec_x`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, q, err := r.selection(cmd, args, filters)
			if err != nil {
				return UsageError{err}
			}
			if r.config, err = loadConfig(); err != nil {
				return err
			}
			r.w, r.in, r.admin = cmd.OutOrStdout(), cmd.InOrStdin(), newAdmin(r.config)
			switch {
			case r.to != "":
				return r.forward(cmd.Context(), ids, q)
			case len(ids) > 0:
				return r.replayEach(cmd.Context(), ids)
			}
			return r.replayAll(cmd.Context(), q)
		},
	}
	addFilters(cmd, filters)
	f := cmd.Flags()
	f.BoolVar(&r.failed, "failed", false, "all that failed, like --status failed")
	f.IntVar(&r.limit, "limit", 0, "at most this many, the oldest first")
	f.IntVar(&r.rate, "rate", 0, "this many a second")
	f.BoolVar(&r.dryRun, "dry-run", false, "only print what would be done")
	f.BoolVar(&r.yes, "yes", false, fmt.Sprintf("do not ask before more than %d events", manyEvents))
	f.StringVar(&r.to, "to", "", "send to this server instead of replaying")
	f.StringVar(&r.secret, "secret", "", "with --to, sign with this secret")
	f.BoolVar(&r.force, "force", false, "with --to, also send quarantined events")
	cmd.MarkFlagsMutuallyExclusive("failed", "status")
	return cmd
}

// selection returns the IDs or the query that select the events.
func (r *resend) selection(cmd *cobra.Command, args []string, filters []filter) (ids []int64, q url.Values, err error) {
	if q, err = query(cmd, filters); err != nil {
		return nil, nil, err
	}
	if r.failed {
		q.Set("status", string(models.Failed))
	}
	for _, arg := range args {
		id, err := rowID(arg, "event")
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
	}
	changed := cmd.Flags().Changed
	switch {
	case (len(ids) > 0) == (len(q) > 0):
		err = errors.New("select the events: by IDs, or by --failed or another flag such as --type")
	case len(ids) > 0 && (changed("limit") || changed("rate") && r.to == ""):
		err = errors.New("--limit and --rate are for events that flags select, not for IDs")
	case changed("limit") && r.limit < 1 || changed("rate") && r.rate < 1:
		err = errors.New("--limit and --rate must be 1 or more")
	case r.to == "" && (changed("to") || changed("secret") || r.force):
		err = errors.New("--secret and --force need the URL of a server: --to https://host")
	}
	return ids, q, err
}

// events returns the events with these IDs. Unknown ones are an error, before anything is done.
func (r *resend) events(ctx context.Context, ids []int64) (events []models.Event, err error) {
	var unknown []error
	for _, id := range ids {
		e, err := get[models.Event](ctx, r.admin, fmt.Sprintf("/api/events/%d", id))
		switch {
		case isMissing(err):
			unknown = append(unknown, fmt.Errorf("there is no event %d", id))
		case err != nil:
			return nil, err
		}
		events = append(events, e)
	}
	return events, errors.Join(unknown...)
}

// label is how the output names an event. One that could not be read has no type.
func label(e models.Event) string {
	return clean(strings.TrimSuffix(fmt.Sprintf("event %d %s/%s", e.ID, e.Provider, e.Type), "/"))
}

// unchanged says why a replay leaves an event as it is; empty if it does not.
func unchanged(e models.Event) string {
	switch {
	case inWork(e):
		return "it is being processed"
	case e.Status == models.Quarantined:
		return "a quarantined event is never applied"
	case e.Status == models.Processed && e.Outcome != models.Ignored && e.Outcome != models.Sandbox:
		return fmt.Sprintf("it is processed (%s), a replay would change nothing", e.Outcome)
	}
	return ""
}

// replayEach replays events one by one and prints the outcome of each.
func (r *resend) replayEach(ctx context.Context, ids []int64) error {
	events, err := r.events(ctx, ids)
	if err != nil {
		return err
	}
	bad := 0
	for _, e := range events {
		switch why := unchanged(e); {
		case why != "" && (r.dryRun || !inWork(e)):
			fmt.Fprintf(r.w, "%s stays as it is: %s\n", label(e), why)
			if !r.dryRun && e.Status != models.Processed {
				bad++
			}
			continue
		case r.dryRun:
			fmt.Fprintf(r.w, "%s would be replayed\n", label(e))
			continue
		}
		if _, err := post[struct{}](ctx, r.admin, fmt.Sprintf("/api/events/%d/replay", e.ID)); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, outcomeTimeout)
		e, err := r.admin.await(wait, e.ID)
		cancel()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			return err // otherwise the event waits for its next attempt
		}
		if e.Status != models.Processed {
			bad++
		}
		line := label(e) + ": " + newPainter(r.w).word(cmp.Or(string(e.Outcome), string(e.Status)))
		if why := cmp.Or(e.Error, e.Reason); why != "" {
			line += ": " + clean(why)
		}
		fmt.Fprintln(r.w, line)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d events were not processed", bad, len(events))
	}
	return nil
}

// replayAll replays what a query selects. One call of the server takes only as many events as it can in time.
func (r *resend) replayAll(ctx context.Context, q url.Values) error {
	set := func(name string, n int) {
		if n > 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	type answer struct {
		Would    int `json:"would_replay"`
		Replayed int
		More     bool
	}
	set("limit", r.limit)
	dry, err := post[answer](ctx, r.admin, "/api/replay?"+q.Encode()+"&dry_run=true")
	if err != nil {
		return asUsage(err)
	}
	if r.dryRun || dry.Would == 0 {
		fmt.Fprintf(r.w, "%s would be replayed; applied and quarantined events stay as they are\n", count(dry.Would))
		return nil
	}
	if err := r.confirm("Replay "+count(dry.Would)+"?", dry.Would); err != nil {
		return err
	}
	set("rate", r.rate)
	n := 0
	for more := true; more && err == nil && (r.limit == 0 || n < r.limit); {
		set("limit", r.limit-n)
		var part answer
		part, err = post[answer](ctx, r.admin, "/api/replay?"+q.Encode())
		n, more = n+part.Replayed, part.More
		if more && r.rate > 0 && (r.limit == 0 || n < r.limit) { // a second call would run beside the first
			err = errors.New("there are more events than the server takes at this rate at once: run it again after that time")
		}
	}
	if n > 0 || err == nil {
		pace := ""
		if r.rate > 0 {
			seconds := (n + r.rate - 1) / r.rate
			pace = fmt.Sprintf(", %d a second (about %s)", r.rate, time.Duration(seconds)*time.Second)
		}
		fmt.Fprintf(r.w, "%s will be replayed%s; go run . events shows the outcomes\n", count(n), pace)
	}
	return asUsage(err)
}

// forward sends the stored bodies to another server, the oldest first, and prints the answers.
func (r *resend) forward(ctx context.Context, ids []int64, q url.Values) error {
	server, err := serverURL("to", r.to)
	if err != nil {
		return err
	}
	events, err := r.events(ctx, ids)
	if len(ids) == 0 {
		events, err = newest[models.Event](ctx, r.admin, "events", q, math.MaxInt)
		if r.limit > 0 {
			events = events[:min(r.limit, len(events))]
		}
	}
	if err != nil {
		return asUsage(err)
	}
	var fit []models.Event
	signers := map[string]handlers.Provider{}
	for _, e := range events {
		if e.Status == models.Quarantined && !r.force {
			fmt.Fprintf(r.w, "%s is not sent: it is quarantined (--force sends it)\n", label(e))
			continue
		}
		fit = append(fit, e)
		if signers[e.Provider] == nil {
			if signers[e.Provider], err = signer(r.config, e.Provider, r.secret); err != nil {
				return err
			}
		}
	}
	if r.dryRun {
		fmt.Fprintf(r.w, "%s would be sent to %s\n", count(len(fit)), server)
		return nil
	}
	if err := r.confirm(fmt.Sprintf("Send %s to %s?", count(len(fit)), server), len(fit)); err != nil {
		return err
	}
	bad, err := r.sendAll(ctx, server+"/webhooks/", fit, signers)
	switch left := len(events) - len(fit); {
	case err != nil:
		return err
	case bad > 0:
		return fmt.Errorf("%d of %d events were not accepted", bad, len(fit))
	case left > 0 && len(ids) > 0:
		return fmt.Errorf("%d of %d events were not sent", left, len(ids))
	}
	return nil
}

// sendAll sends events and returns how many were not accepted. It stops if the server cannot be reached.
func (r *resend) sendAll(ctx context.Context, base string, events []models.Event, signers map[string]handlers.Provider) (bad int, err error) {
	next := time.Now()
	for i, e := range events {
		if r.rate > 0 {
			err = sleep(ctx, time.Until(next))
			next = next.Add(time.Second / time.Duration(r.rate))
		}
		var body []byte
		if err == nil {
			body, err = r.admin.call(ctx, http.MethodGet, fmt.Sprintf("/api/events/%d/body", e.ID))
		}
		var a answer
		if err == nil {
			if a, err = deliver(ctx, base, signers[e.Provider].Sign(body, time.Now())); err != nil {
				err = fmt.Errorf("send to %s%s: %w", base, e.Provider, err)
			}
		}
		if err != nil {
			return bad, errors.Join(err, fmt.Errorf("stopped after %d of %d events", i, len(events)))
		}
		colour := green
		if a.status != http.StatusOK {
			bad++
			colour, a.text = red, a.text+advice(a, e.Provider)
		}
		fmt.Fprintf(r.w, "%s → %s\n", label(e), newPainter(r.w).paint(colour, a.text))
	}
	return bad, nil
}

// confirm asks a person at a terminal whether to go on with n events, if they are many. If nobody can answer, it goes on.
func (r *resend) confirm(question string, n int) error {
	file, isFile := r.in.(*os.File)
	if n <= manyEvents || r.yes || !isFile || !isatty.IsTerminal(file.Fd()) {
		return nil
	}
	return agree(file, r.w, question)
}

// agree asks a question to which only yes is a yes.
func agree(in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	if text := strings.ToLower(strings.TrimSpace(line)); text != "y" && text != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

func count(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
