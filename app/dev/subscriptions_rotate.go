package dev

import (
	"cmp"
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

func newSubscriptionsRotate() *cobra.Command {
	var send, finish, force bool
	var base string
	cmd := operate(&cobra.Command{
		Use:   "rotate <provider> [<id>]",
		Short: "Replace a secret without losing a delivery",
		Long: `Replaces a secret in steps. After each step the output says what to do next.

1. rotate saves a new secret beside the old one; both are active after a restart
   of the server. If the provider chooses the secret, this also creates a second
   webhook with it. The first webhook keeps sending.
2. If we choose the secret, run rotate --send after the restart. It gives the
   new secret to the provider: it creates a second webhook or, at Legal Talent,
   changes the only one.
3. rotate --finish checks that the running server has verified a delivery with
   the new secret. Then it deletes the old webhook, <id>, if the provider's API
   can do that, and removes the old secret.`,
		Example: `  go run . subscriptions rotate trst
  go run . subscriptions rotate trst webhook_abc123 --finish`,
		Args: cobra.RangeArgs(1, 2),
	}, func(o operation) error {
		name, own, isFirst := o.provider.Name, ownSecrets(o.config, o.provider.Name), !send && !finish
		switch {
		case len(own) == 0:
			return usagef("%s has no secret to replace: subscriptions create makes a webhook", name)
		case len(own) > 2:
			return usagef("%s has %d secrets: remove those that are not used first", name, len(own))
		case len(own) == 2 && isFirst:
			return usagef("%s has two secrets already: continue with --send or --finish", name)
		case len(own) == 1 && !isFirst:
			return usagef("%s has one secret: start with subscriptions rotate %s", name, name)
		case finish && o.id == "" && o.provider.Delete != nil:
			return errNoID
		case finish:
			return finishRotation(o, own[0], own[1], force)
		}
		old, _, err := oldWebhook(o)
		switch {
		case err != nil:
			return err
		case isFirst && o.provider.TakesSecret:
			return addSecret(o, old)
		}
		return addWebhook(o, old, base)
	})
	cmd.Flags().BoolVar(&send, "send", false, "the second step: give the provider the new secret")
	cmd.Flags().BoolVar(&finish, "finish", false, "the last step: remove the old secret")
	cmd.Flags().BoolVar(&force, "force", false, "with --finish: do not check that a delivery was verified with the new secret")
	cmd.Flags().StringVar(&base, "url", "", "the public URL of our server (default: as in the old webhook, or PUBLIC_URL)")
	cmd.MarkFlagsMutuallyExclusive("send", "finish")
	return cmd
}

// addSecret saves a new secret of ours beside that of the old webhook.
func addSecret(o operation, old subscriptions.Subscription) error {
	place, err := placeOf(o.config, o.provider.Name)
	if err == nil {
		err = place.add(newSecret())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.OutOrStdout(), "new secret saved as %s\n", place)
	printNext(o, "Restart the server. Then:", old.ID, "--send")
	return nil
}

// addWebhook makes the provider use the new secret: it creates a second webhook, a copy of the old one.
func addWebhook(o operation, old subscriptions.Subscription, base string) error {
	wanted := subscriptions.Wanted{URL: cmp.Or(base, old.Target), Name: old.Name, Events: old.Events}
	made, err := create(o.Context(), o.config, o.provider, wanted)
	if err != nil {
		return err
	}
	made.print(o)
	printNext(o, "When a delivery with the new secret has arrived:", old.ID, "--finish")
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

// finishRotation removes the old webhook and its secret.
func finishRotation(o operation, old, fresh string, force bool) error {
	w, p := o.OutOrStdout(), o.provider
	place, err := placeOf(o.config, p.Name)
	if err == nil && !force {
		err = checkReplaced(o, fresh)
	}
	if err != nil {
		return err
	}
	if p.Delete != nil {
		err := p.Delete(o.Context(), o.id)
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

// maxEvents is how many of the newest events are searched for one that was verified with the new secret.
const maxEvents = 1000

// checkReplaced returns an error unless another webhook sends to the URL of the old one, and the running server has
// verified a delivery with the new secret.
func checkReplaced(o operation, fresh string) error {
	name := o.provider.Name
	if o.provider.Delete != nil {
		old, isReplaced, err := oldWebhook(o)
		if err != nil {
			return err
		}
		if !isReplaced {
			return fmt.Errorf("no newer active webhook of %s sends to the URL of %s", name, old.ID)
		}
	}
	events, err := newest[models.Event](o.Context(), newAdmin(o.config), "events", url.Values{"provider": {name}}, maxEvents)
	if err != nil {
		return fmt.Errorf("%w (--force skips this check)", err)
	}
	fingerprint := handlers.Fingerprint(fresh)
	if !slices.ContainsFunc(events, func(e models.Event) bool { return e.Secret == fingerprint }) {
		return fmt.Errorf("no delivery of %s was verified with the new secret %s yet: restart the server if it has not been "+
			"restarted, and wait for one (or use --force)", name, fingerprint)
	}
	return nil
}

// oldWebhook returns the active webhook that may have the old secret: the one with the given ID or, if none is given, the
// only one. It also reports whether a newer one sends to the same URL. If the provider has no list, the webhook is empty.
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
