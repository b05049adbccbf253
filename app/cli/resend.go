package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/models"
)

const (
	// resendTimeout is how long resend waits for the server to work on an event.
	resendTimeout = 10 * time.Second
	// manyEvents is how many are replayed without asking a person first.
	manyEvents = 100
)

// resend starts stored events again, here or elsewhere.
type resend struct {
	eventFlags
	failed, dryRun, yes, force bool
	rate, limit                int
	to, secret                 string

	cmd    *cobra.Command
	config app.Config
	admin  *adminClient
}

func newResend() *cobra.Command {
	r := &resend{}
	cmd := &cobra.Command{
		Use:   "resend [<event id>…]",
		Short: "Replay stored events, or send them to another server",
		Long: `Has a running server work on stored events again, through its inbox: those with the ids, or all that the flags select. Failed, ignored
and sandbox events are replayed. An applied one stays as it is, since to replay it would change nothing, and so does a
quarantined one.

With --to, the stored bytes are signed anew and sent to another server, such as a colleague's. The body stays as it is, with the
times in it; TrustGate's and Legal Talent's signatures are of the present time.

It asks the admin API at ADMIN_ADDR.`,
		Example: `  go run . resend 17
  go run . resend --failed --dry-run
  go run . resend --failed --provider trustgate --rate 50
  go run . resend --type applicant.reviewed --outcome ignored --limit 10
  go run . resend 17 --to https://colleague.ngrok.app --secret whsec_…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, query, err := r.check(cmd, args)
			if err != nil {
				return err
			}
			if r.config, err = loadConfig(); err != nil {
				return err
			}
			r.cmd, r.admin = cmd, newAdminClient(r.config)
			switch {
			case r.to != "":
				return r.elsewhere(cmd.Context(), ids, query)
			case len(ids) > 0:
				return r.these(cmd.Context(), ids)
			}
			return r.all(cmd.Context(), query)
		},
	}
	r.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&r.failed, "failed", false, "all that failed, as --status failed")
	f.IntVar(&r.limit, "limit", 0, "at most so many, the oldest first")
	f.IntVar(&r.rate, "rate", 0, "so many a second")
	f.BoolVar(&r.dryRun, "dry-run", false, "only say which or how many")
	f.BoolVar(&r.yes, "yes", false, fmt.Sprintf("do not ask when it is more than %d", manyEvents))
	f.StringVar(&r.to, "to", "", "send to this server instead; with or without /webhooks")
	f.StringVar(&r.secret, "secret", "", "with --to, sign with this secret instead of the configured one")
	f.BoolVar(&r.force, "force", false, "with --to, send quarantined events, too")
	return cmd
}

// check refuses what makes no sense, and returns the ids or the query that select the events.
func (r *resend) check(cmd *cobra.Command, args []string) (ids []int64, query url.Values, err error) {
	if query, err = r.query(cmd); err != nil {
		return nil, nil, err
	}
	if r.failed {
		if r.status != "" && r.status != string(models.Failed) {
			return nil, nil, usageError{fmt.Errorf("--failed and --status %s exclude each other", r.status)}
		}
		query.Set("status", string(models.Failed))
	}
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, nil, usageError{fmt.Errorf("%q is no id: want a number, as events lists them", arg)}
		}
		ids = append(ids, id)
	}
	changed := cmd.Flags().Changed
	switch {
	case len(ids) > 0 && len(query) > 0:
		err = errors.New("ids and flags that select events exclude each other")
	case len(ids) == 0 && len(query) == 0:
		err = errors.New("say which events: their ids, --failed, or a flag such as --type")
	case len(ids) > 0 && changed("limit"):
		err = errors.New("--limit is for events that flags select, not for ids")
	case len(ids) > 0 && changed("rate") && r.to == "":
		err = errors.New("--rate is for events that flags select, not for ids")
	case changed("limit") && r.limit < 1:
		err = fmt.Errorf("--limit is %d: want 1 or more", r.limit)
	case changed("rate") && r.rate < 1:
		err = fmt.Errorf("--rate is %d: want 1 or more", r.rate)
	case changed("to") && r.to == "":
		err = errors.New("--to is empty")
	case r.to == "" && (changed("secret") || r.force):
		err = errors.New("--secret and --force are for --to")
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	return ids, query, nil
}

// events returns the events with these ids. An unknown one is an error, before anything is done.
func (r *resend) events(ctx context.Context, ids []int64) (events []models.Event, err error) {
	var unknown []error
	for _, id := range ids {
		e, err := r.event(ctx, id)
		if errors.Is(err, errNoRow) {
			unknown = append(unknown, err)
		} else if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, errors.Join(unknown...)
}

func (r *resend) event(ctx context.Context, id int64) (e models.Event, err error) {
	err = r.admin.get(ctx, fmt.Sprintf("/api/events/%d", id), &e)
	return e, ofCaller(err, fmt.Sprintf("event %d", id))
}

// label names an event to people. One that could not be read has no type.
func label(e models.Event) string {
	return strings.TrimSuffix(fmt.Sprintf("event %d %s/%s", e.ID, e.Provider, e.Type), "/")
}
