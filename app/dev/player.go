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

// staleness is how old the signatures of --stale are. The limit of providers that sign a timestamp is five or ten minutes.
const staleness = 15 * time.Minute

// open reads the configuration and finds the server to send to.
func (t *trigger) open(cmd *cobra.Command) (err error) {
	if t.config, err = app.LoadConfig(); err != nil {
		return err
	}
	if t.secret, err = readSecret(cmd, t.secretFile); err != nil {
		return err
	}
	t.base = publicURL(t.config)
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

// prepare sets up the signer of a provider, as the flags say. It is called before anything is sent, to find mistakes early.
func (t *trigger) prepare(provider string) (err error) {
	if t.signers[provider], err = signer(t.config, provider, t.secret); err != nil {
		return err
	}
	isTooOld := func(s handlers.Scheme) bool { return s.MaxAge > 0 && s.MaxAge < staleness }
	if t.stale && !slices.ContainsFunc(t.signers[provider].Schemes(), isTooOld) {
		return usagef("--stale has no effect on %s: its signature has no timestamp, or may be that old", provider)
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
	if !t.json || len(r.Answers) == 0 {
		return err
	}
	if err != nil {
		r.Error = err.Error()
	}
	return errors.Join(err, printJSON(t.stdout, r))
}

// play delivers one event, and prints the answers and what the event changed.
func (t *trigger) play(ctx context.Context, d delivery, r *report) error {
	e, unreadable := t.signers[d.provider].Envelope(d.body)
	before, err := t.customerOf(ctx, d, e)
	if err := t.post(ctx, d, r); err != nil {
		return err
	}
	switch {
	case t.badSignature || t.stale:
		fmt.Fprintln(t.w, "  refused, as it should be")
		return nil
	case unreadable != nil && !errors.Is(unreadable, handlers.ErrContradictory): // a contradictory one is stored under its ID
		return fmt.Errorf("%s is stored as failed, since it cannot be read: %w", d.label, unreadable)
	case err == nil:
		err = t.outcome(ctx, d.provider, e.ExternalID, before, r)
	}
	if _, isAPI := errors.AsType[apiError](err); isAPI && ctx.Err() == nil {
		fmt.Fprintf(t.w, "  the outcome is not known: %v\n", err) // not an error: the event was delivered
		err = nil
	}
	// The server accepts every delivery of a quarantined event.
	isQuarantined := r.Event != nil && r.Event.Status == models.Quarantined
	if n := r.Answers["accepted"]; err == nil && n > 1 && !isQuarantined {
		return fmt.Errorf("%d of %d deliveries of one event were accepted, want at most 1", n, t.dup)
	}
	return err
}

// wantedStatus is the status that the server must answer with, which depends on the flags.
func (t *trigger) wantedStatus(provider string) int {
	switch {
	case !t.badSignature && !t.stale:
		return http.StatusOK
	case handlers.TokenInPath(provider):
		return http.StatusNotFound
	}
	return http.StatusUnauthorized
}

// post delivers an event as often as --dup says, all at once and each signed anew. It prints the answers, equal ones on one
// line.
func (t *trigger) post(ctx context.Context, d delivery, r *report) error {
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
		hint := "is the server running? Start it with: go run ."
		if isWrongCertificate(err) {
			hint = "give a URL for which the certificate is valid: --url https://name:port"
		}
		return fmt.Errorf("send to %s%s: %w (%s)", t.base, d.provider, err, hint)
	}
	r.HTTPStatus = answers[0].status
	texts, wrong := map[string]int{}, error(nil)
	for _, a := range answers {
		r.Answers[cmp.Or(a.code, a.text)]++
		if a.status == t.wantedStatus(d.provider) {
			texts[a.text]++
		} else {
			wrong = fmt.Errorf("%s%s answers %s%s", t.base, d.provider, a.text, advice(a, d.provider))
		}
	}
	for _, text := range sortedKeys(texts) {
		times := ""
		if n := texts[text]; n > 1 {
			times = fmt.Sprintf(" × %d", n)
		}
		fmt.Fprintf(t.w, "%s → %s%s\n", d.label, text, times)
	}
	return wrong
}
