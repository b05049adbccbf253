package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// staleness is how long ago --stale signs. Providers that sign a time accept five minutes.
const staleness = 10 * time.Minute

// open reads the configuration and finds the server to send to.
func (t *trigger) open(cmd *cobra.Command) (err error) {
	if t.config, err = app.LoadConfig(); err != nil {
		return err
	}
	t.base = "http://" + reachable(t.config.Addr)
	if t.url != "" {
		if t.base, err = serverURL("url", t.url); err != nil {
			return err
		}
	}
	t.base += "/webhooks/"
	t.admin, t.registry, t.signers = newAdmin(t.config), jobs.NewRegistry(), map[string]handlers.Provider{}
	t.stdout, t.w, t.stderr, t.painter = cmd.OutOrStdout(), cmd.OutOrStdout(), cmd.ErrOrStderr(), newPainter(cmd.OutOrStdout())
	if t.json {
		t.w = io.Discard
	}
	return nil
}

// prepare finds out before anything is sent whether events of a provider can be signed as the flags say.
func (t *trigger) prepare(provider string) (err error) {
	if t.signers[provider], err = signer(t.config, provider, t.secret); err != nil {
		return err
	}
	isRefused := func(s handlers.Scheme) bool { return s.MaxAge > 0 && s.MaxAge < staleness }
	if t.stale && !slices.ContainsFunc(t.signers[provider].Schemes(), isRefused) {
		return usagef("--stale has no effect on %s: its signature has no time, or may be that old", provider)
	}
	if t.badSignature {
		t.signers[provider], err = withSecret(provider, uuid.NewString())
	}
	return err
}

// sendOne delivers one event and reports the result.
func (t *trigger) sendOne(ctx context.Context, d delivery) error {
	r := &report{Sample: d.label, Answers: map[string]int{}, FollowUps: []json.RawMessage{}}
	err := t.play(ctx, d, r)
	if t.json && len(r.Answers) > 0 {
		if err != nil {
			r.Error = err.Error()
		}
		return errors.Join(err, printJSON(t.stdout, r))
	}
	return err
}

func (t *trigger) play(ctx context.Context, d delivery, r *report) error {
	e, unreadable := t.signers[d.provider].Envelope(d.body)
	before, noAdmin := t.customerOf(ctx, d, e)
	sent := models.At(time.Now())
	answers, err := t.post(ctx, d)
	if err != nil {
		return err
	}
	want := http.StatusOK
	switch {
	case (t.badSignature || t.stale) && handlers.TokenInPath(d.provider):
		want = http.StatusNotFound
	case t.badSignature || t.stale:
		want = http.StatusUnauthorized
	}
	t.printAnswers(d, answers, want, r)
	for _, a := range answers {
		if a.status != want {
			return fmt.Errorf("%s%s answers %s%s", t.base, d.provider, a.text, advice(a, d.provider))
		}
	}
	switch {
	case want != http.StatusOK:
		return t.rejection(ctx, d.provider, sent, r)
	case unreadable != nil && !errors.Is(unreadable, handlers.ErrContradictory): // a contradictory one is stored under its ID
		return fmt.Errorf("%s is stored as failed, since it cannot be read: %w", d.label, unreadable)
	case noAdmin != nil:
		err = t.unknown(ctx, "outcome", noAdmin)
	default:
		err = t.outcome(ctx, d.provider, e.ExternalID, before, r)
	}
	if err != nil {
		return err
	}
	isQuarantined := r.Event != nil && r.Event.Status == models.Quarantined // then each delivery is accepted
	if n := r.Answers["accepted"]; n > 1 && !isQuarantined {
		return fmt.Errorf("%d of %d deliveries of one event were accepted, want at most 1", n, len(answers))
	}
	return nil
}

// post delivers an event as often as --dup says, all at once and each signed anew.
func (t *trigger) post(ctx context.Context, d delivery) ([]answer, error) {
	answers := make([]answer, t.dup)
	group, ctx := errgroup.WithContext(ctx)
	for i := range answers {
		group.Go(func() (err error) {
			at := time.Now()
			if t.stale {
				at = at.Add(-staleness)
			}
			answers[i], err = deliver(ctx, t.base, t.signers[d.provider].Sign(d.body, at))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("send to %s%s: %w (is the server running? Start it with: go run .)", t.base, d.provider, err)
	}
	return answers, nil
}

// printAnswers prints the answers with the wanted status, equal ones on one line. The command's error has any other.
func (t *trigger) printAnswers(d delivery, answers []answer, want int, r *report) {
	r.HTTPStatus = answers[0].status
	texts := map[string]int{}
	for _, a := range answers {
		r.Answers[cmp.Or(a.code, a.text)]++
		if a.status == want {
			texts[a.text]++
		}
	}
	for _, text := range sortedKeys(texts) {
		times := ""
		if n := texts[text]; n > 1 {
			times = fmt.Sprintf(" × %d", n)
		}
		fmt.Fprintf(t.w, "%s → %s%s\n", d.label, text, times)
	}
}

// rejection prints why the server refused the delivery that was sent at this time.
func (t *trigger) rejection(ctx context.Context, provider string, sent models.Time, r *report) error {
	list, err := get[struct{ Rejections []handlers.Rejection }](ctx, t.admin, "/api/rejections")
	isOurs := func(x handlers.Rejection) bool { return x.Provider == provider && !x.Time.Before(sent.Time) }
	i := slices.IndexFunc(list.Rejections, isOurs)
	switch {
	case err != nil:
		return t.unknown(ctx, "reason", err)
	case i < 0:
		return t.unknown(ctx, "reason", t.otherServer())
	}
	r.Rejection = string(list.Rejections[i].Reason)
	fmt.Fprintf(t.w, "  refused, as it should be: %s\n", clean(r.Rejection))
	return nil
}

// otherServer is the error if the admin API does not know what was sent.
func (t *trigger) otherServer() error {
	return fmt.Errorf("%s is the admin API of another server (see ADMIN_ADDR)", t.admin.base)
}

// unknown reports what the admin API did not say about an event. That is not an error, since the event was delivered.
func (t *trigger) unknown(ctx context.Context, what string, err error) error {
	if ctx.Err() == nil {
		fmt.Fprintf(t.w, "  the %s is not known: %v\n", what, err)
	}
	return ctx.Err()
}
