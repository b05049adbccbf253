package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

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
	cmd := operate(&cobra.Command{
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
	}, func(o operation) error {
		name, own := o.provider.Name, len(ownSecrets(o.config, o.provider.Name))
		isFirst := !r.send && !r.finish
		switch {
		case own == 0:
			return usagef("%s has no secret to replace: subscriptions create makes a webhook", name)
		case own > 2:
			return usagef("%s has %d secrets: remove those that are not used first", name, own)
		case own == 2 && isFirst:
			return usagef("%s has two secrets already: continue with --send or --finish", name)
		case own == 1 && !isFirst:
			return usagef("%s has one secret: start with subscriptions rotate %s", name, name)
		case r.finish:
			return r.end(o)
		case isFirst && o.provider.TakesSecret:
			return r.prepare(o)
		}
		return r.begin(o)
	})
	cmd.Flags().BoolVar(&r.send, "send", false, "the second step: give the provider the new secret")
	cmd.Flags().BoolVar(&r.finish, "finish", false, "the last step: remove the old secret")
	cmd.Flags().BoolVar(&r.force, "force", false, "with --finish: do not ask for a delivery with the new secret")
	cmd.Flags().StringVar(&r.url, "url", "", "where providers reach us (default: as now, or PUBLIC_URL)")
	cmd.Flags().BoolVar(&r.printSecret, "print-secret", false, "print the secret too")
	cmd.MarkFlagsMutuallyExclusive("send", "finish")
	return cmd
}

// prepare saves a new secret of ours beside the old one.
func (r *rotation) prepare(o operation) error {
	old, _, err := oldWebhook(o)
	if err != nil {
		return err
	}
	place, err := placeOf(o.config, o.provider.Name)
	if err != nil {
		return err
	}
	secret := newSecret()
	if err := place.add(secret); err != nil {
		return err
	}
	fmt.Fprintf(o.OutOrStdout(), "new secret saved as %s\n", place)
	if r.printSecret {
		fmt.Fprintln(o.OutOrStdout(), secret)
	}
	printNext(o, "Restart the server. Then:", old.ID, "--send")
	return nil
}

// begin has the provider sign with the new secret: it makes a second webhook as a copy of the first.
func (r *rotation) begin(o operation) error {
	old, _, err := oldWebhook(o)
	if err != nil {
		return err
	}
	wanted := subscriptions.Wanted{URL: cmp.Or(r.url, old.Target), Name: old.Name, Events: old.Events}
	made, err := create(o.Context(), o.config, o.provider, wanted)
	if err := made.report(o, err, false, r.printSecret); err != nil {
		return err
	}
	printNext(o, "When a delivery has come with the new secret:", old.ID, "--finish")
	return nil
}

// printNext prints the command of the next step.
func printNext(o operation, when, id, flag string) {
	w, command := o.OutOrStdout(), "go run . subscriptions rotate "+o.provider.Name
	if id != "" && !o.provider.Single {
		command += " " + clean(id)
	}
	fmt.Fprintf(w, "%s\n  %s %s\n", newPainter(w).paint(yellow, when), command, flag)
}

// end removes the old webhook and its secret.
func (r *rotation) end(o operation) error {
	ctx, w, p := o.Context(), o.OutOrStdout(), o.provider
	own := ownSecrets(o.config, p.Name)
	old, fresh := own[0], own[1]
	place, err := placeOf(o.config, p.Name)
	if err != nil {
		return err
	}
	if p.Delete != nil && o.id == "" {
		return errNoID
	}
	if !r.force {
		if err := checkReplaced(o, fresh); err != nil {
			return err
		}
	}
	if p.Delete != nil {
		err := p.Delete(ctx, o.id)
		if e, _ := errors.AsType[subscriptions.Error](err); err != nil && e.Status != http.StatusNotFound {
			return err
		}
		fmt.Fprintf(w, "deleted %s %s\n", p.Name, o.id)
	}
	if err := place.remove(old); err != nil {
		return err
	}
	fmt.Fprintf(w, "removed the secret %s from %s\n", handlers.Fingerprint(old), place)
	if p.Delete == nil && !p.Single {
		fmt.Fprintln(w, wrap("", "Now delete the old webhook: "+p.Advice+"."))
	}
	fmt.Fprintln(w, newPainter(w).paint(yellow, "Restart the server: it accepts the old secret until then."))
	return nil
}

// checkReplaced refuses to delete a webhook before a newer one sends to the same URL, and before the server has verified a delivery
// with the new secret.
func checkReplaced(o operation, fresh string) error {
	if o.provider.Delete != nil {
		old, isReplaced, err := oldWebhook(o)
		if err == nil && !isReplaced {
			err = fmt.Errorf("no newer active webhook of %s sends to the URL of %s", o.provider.Name, old.ID)
		}
		if err != nil {
			return err
		}
	}
	return checkVerified(o.Context(), newAdmin(o.config), o.provider.Name, handlers.Fingerprint(fresh))
}

// oldWebhook returns the active webhook that may have the old secret: the one with the given ID or, if none is given, the only one.
// It also reports whether a newer one sends to the same URL. It finds nothing if the provider has no list.
func oldWebhook(o operation) (old subscriptions.Subscription, isReplaced bool, err error) {
	if o.provider.List == nil {
		return old, false, nil
	}
	all, err := o.provider.List(o.Context())
	if err != nil {
		return old, false, err
	}
	all = slices.DeleteFunc(all, subscriptions.Subscription.Inactive)
	secret := ownSecrets(o.config, o.provider.Name)[0]
	hasOther := func(s subscriptions.Subscription) bool { return s.Token != "" && s.Token != secret }
	if old, err = oneOf(slices.DeleteFunc(slices.Clone(all), hasOther), o.id); err != nil {
		return old, false, fmt.Errorf("find the active webhook with the old secret: %w", err)
	}
	return old, slices.ContainsFunc(all, func(s subscriptions.Subscription) bool {
		return s.ID != old.ID && s.Target == old.Target && s.Created >= old.Created
	}), nil
}

// maxLooked is how many of the newest events are looked at for one with a new secret.
const maxLooked = 1000

// checkVerified asks the running server whether a delivery was verified with a secret.
func checkVerified(ctx context.Context, a admin, provider, fingerprint string) error {
	looked := 0
	for e, err := range rows[models.Event](ctx, a, "events", url.Values{"provider": {provider}}, maxPage) {
		if err != nil {
			return fmt.Errorf("%w (--force finishes without asking)", err)
		}
		if e.Secret == fingerprint {
			return nil
		}
		if looked++; looked == maxLooked {
			break
		}
	}
	return fmt.Errorf("no delivery of %s was verified with the new secret %s yet: restart the server if it has not been restarted, "+
		"and wait for one (or use --force)", provider, fingerprint)
}
