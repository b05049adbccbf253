package dev

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// rotation replaces a provider's secret without losing a delivery.
type rotation struct {
	url                              string
	send, finish, force, printSecret bool
}

func newSubscriptionsRotate() *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate <provider> [<id>]",
		Short: "Replace a secret without losing a delivery",
		Long: `Replaces a secret in steps. After each step the output says what to do next.

1. rotate saves a new secret beside the old one; both are active after a restart
   of the server. If the provider chooses the secret, this also creates a second
   webhook with it. The first one goes on sending.
2. If we choose the secret, rotate --send gives it to the provider, after the
   restart: for a second webhook or, at Legal Talent, for the only one.
3. rotate --finish asks the running server whether a delivery was verified with
   the new secret. Then it deletes the old webhook, <id>, if the provider
   documents how, and removes the old secret.`,
		Example: `  go run . subscriptions rotate trst
  go run . subscriptions rotate trst webhook_abc123 --finish`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := openAPI(args[0], "create", func(p subscriptions.Provider) bool { return p.Create != nil })
			if err != nil {
				return err
			}
			id, own := append(args, "")[1], len(ownSecrets(c, p.Name))
			switch {
			case own == 0:
				return UsageError{fmt.Errorf("%s has no secret to replace: subscriptions create makes a webhook", p.Name)}
			case own > 2:
				return UsageError{fmt.Errorf("%s has %d secrets: remove those that are not used first", p.Name, own)}
			case own == 2 && !r.send && !r.finish:
				return UsageError{fmt.Errorf("%s has two secrets already: continue with --send or --finish", p.Name)}
			case own == 1 && (r.send || r.finish):
				return UsageError{fmt.Errorf("%s has one secret: start with subscriptions rotate %s", p.Name, p.Name)}
			case r.finish:
				return r.end(cmd.Context(), cmd.OutOrStdout(), c, p, id)
			case p.TakesSecret && !r.send:
				return r.prepare(cmd, c, p, id)
			}
			return r.begin(cmd, c, p, id)
		},
	}
	cmd.Flags().BoolVar(&r.send, "send", false, "the second step: give the provider the new secret")
	cmd.Flags().BoolVar(&r.finish, "finish", false, "the last step: remove the old secret")
	cmd.Flags().BoolVar(&r.force, "force", false, "with --finish: do not ask for a delivery with the new secret")
	cmd.Flags().StringVar(&r.url, "url", "", "where providers reach us (default: as now, or PUBLIC_URL)")
	cmd.Flags().BoolVar(&r.printSecret, "print-secret", false, "print the secret too")
	cmd.MarkFlagsMutuallyExclusive("send", "finish")
	return cmd
}

// prepare saves a new secret of ours beside the old one.
func (r *rotation) prepare(cmd *cobra.Command, c app.Config, p subscriptions.Provider, id string) error {
	old, err := r.current(cmd.Context(), c, p, id)
	if err != nil {
		return err
	}
	place, err := placeOf(c, p.Name)
	if err != nil {
		return UsageError{err}
	}
	secret := strings.ToLower(rand.Text())
	if err := place.add(secret); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "new secret saved as %s\n", place)
	if r.printSecret {
		fmt.Fprintln(cmd.OutOrStdout(), secret)
	}
	next(cmd.OutOrStdout(), "Restart the server. Then:", p, old.ID, "--send")
	return nil
}

// next says how to go on.
func next(w io.Writer, when string, p subscriptions.Provider, id, flag string) {
	if p.Single {
		id = ""
	}
	fmt.Fprintf(w, "%s\n  go run . subscriptions rotate %s\n", newPainter(w).paint(yellow, when), strings.Join(strings.Fields(p.Name+" "+clean(id)+" "+flag), " "))
}

// begin has the provider sign with the new secret: it makes a second webhook as a copy of the first.
func (r *rotation) begin(cmd *cobra.Command, c app.Config, p subscriptions.Provider, id string) error {
	ctx, w := cmd.Context(), cmd.OutOrStdout()
	old, err := r.current(ctx, c, p, id)
	if err != nil {
		return err
	}
	made, err := create(ctx, c, p, subscriptions.Wanted{URL: cmp.Or(r.url, old.Target()), Name: old.Name, Events: old.Events})
	if err != nil {
		return showLost(cmd.ErrOrStderr(), err, r.printSecret)
	}
	if err := made.print(w, c, false, r.printSecret); err != nil {
		return err
	}
	next(w, "When a delivery has come with the new secret:", p, old.ID, "--finish")
	return nil
}

// current is the webhook whose secret is to be replaced; empty if the provider has no list of them.
func (r *rotation) current(ctx context.Context, c app.Config, p subscriptions.Provider, id string) (subscriptions.Subscription, error) {
	if p.List == nil {
		return subscriptions.Subscription{}, nil
	}
	all, err := p.List(ctx)
	if err != nil {
		return subscriptions.Subscription{}, err
	}
	var ours []subscriptions.Subscription
	for _, s := range all {
		if !s.Inactive() && (s.Token() == "" || s.Token() == ownSecrets(c, p.Name)[0]) {
			ours = append(ours, s)
		}
	}
	return oneOf(ours, id)
}

// end removes the old webhook and its secret.
func (r *rotation) end(ctx context.Context, w io.Writer, c app.Config, p subscriptions.Provider, id string) error {
	own := ownSecrets(c, p.Name)
	old, fresh := own[0], own[1]
	place, err := placeOf(c, p.Name)
	if err != nil {
		return UsageError{err}
	}
	if err := place.check(); err != nil {
		return err
	}
	if p.Delete != nil {
		if id == "" {
			return errNoID
		}
		if err := checkReplaced(ctx, p, id, old, fresh); err != nil && !r.force {
			return err
		}
	}
	if !r.force {
		if err := verifiedWith(ctx, newAdmin(c), p.Name, handlers.Fingerprint(fresh)); err != nil {
			return err
		}
	}
	if p.Delete != nil {
		if err := p.Delete(ctx, id); err != nil && !isAbsent(err) {
			return err
		}
		fmt.Fprintf(w, "deleted %s %s\n", p.Name, id)
	}
	if err := place.remove(old); err != nil {
		return err
	}
	fmt.Fprintf(w, "removed the secret %s from %s\n", handlers.Fingerprint(old), place)
	if p.Delete == nil && !p.Single {
		fmt.Fprintln(w, wrap("", "Now delete the old webhook: "+p.Advice(subscriptions.OpDelete)+"."))
	}
	fmt.Fprintln(w, newPainter(w).paint(yellow, "Restart the server: it accepts the old secret until then."))
	return nil
}

// checkReplaced refuses to delete a webhook that no other one has replaced.
func checkReplaced(ctx context.Context, p subscriptions.Provider, id, oldSecret, fresh string) error {
	all, err := p.List(ctx)
	if err != nil {
		return err
	}
	old, err := oneOf(all, id)
	if err != nil {
		return err
	}
	if old.Token() != "" && old.Token() != oldSecret {
		return fmt.Errorf("webhook %s does not use the old secret %s", id, handlers.Fingerprint(oldSecret))
	}
	for _, s := range all {
		if s.ID != id && s.Target() == old.Target() && !s.Inactive() && s.Created >= old.Created && (s.Token() == "" || s.Token() == fresh) {
			return nil
		}
	}
	return fmt.Errorf("no newer active webhook of %s sends to the URL of %s", p.Name, id)
}

// maxLooked is how many of the newest events are looked at for one with a new secret.
const maxLooked = 1000

// verifiedWith asks the running server whether a delivery was verified with a secret.
func verifiedWith(ctx context.Context, a admin, provider, fingerprint string) error {
	looked := 0
	for e, err := range rows[models.Event](ctx, a, "events", url.Values{"provider": {provider}}, maxPage) {
		if looked++; err != nil {
			return fmt.Errorf("%w (--force finishes without asking)", err)
		}
		if e.Secret == fingerprint {
			return nil
		}
		if looked == maxLooked {
			break
		}
	}
	return fmt.Errorf("no delivery of %s was verified with the new secret %s yet: restart the server if it has not been restarted, and wait for one (or use --force)", provider, fingerprint)
}
