package dev

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
)

const restartNow = "Restart the server now: it does not accept the new secret before that."

func newSubscriptionsCreate() *cobra.Command {
	var w subscriptions.Wanted
	printSecret := false
	cmd := operate(&cobra.Command{
		Use:   "create <provider>",
		Short: "Register our URL with a provider, and save the secret",
		Long: `Registers our URL with a provider. TrustGate and TRST choose the secret and show
it once. For Trustist and Legal Talent we choose it: our newest secret or, if
there is none, a random one. At Trustist the secret is the end of the URL.

A new secret is added to .env, or to the file that <NAME>_WEBHOOK_SECRET_FILE
names, after the existing secrets. Then restart the server: it reads secrets
only when it starts.`,
		Example: `  go run . subscriptions create trst --url https://example.ngrok.app
  go run . subscriptions create trustist --events onboard.session.completed
  go run . subscriptions create trustgate --name staging`,
		Args: cobra.ExactArgs(1),
	}, func(o operation) error {
		made, err := create(o.Context(), o.config, o.provider, w)
		if err == nil {
			made.print(o)
		}
		if printSecret { // even after an error: the secret may be shown only once
			fields(o.OutOrStdout(), [2]string{"secret", made.secret})
		}
		return err
	})
	cmd.Flags().StringVar(&w.URL, "url", "", "the public URL of our server (default: PUBLIC_URL)")
	cmd.Flags().StringVar(&w.Name, "name", "", "a name for the webhook (trustist and trustgate only)")
	cmd.Flags().StringSliceVar(&w.Events, "events", nil, "the event types, separated by commas (default: all)")
	cmd.Flags().BoolVar(&printSecret, "print-secret", false, "print the secret too")
	return cmd
}

// created is a new webhook.
type created struct {
	subscription subscriptions.Subscription
	secret       string
	place        secretPlace // where the secret was saved; empty if it was configured already
}

// isNew reports whether the server does not know the secret yet.
func (m created) isNew() bool { return m.place.path != "" }

// create registers a webhook below w.URL or PUBLIC_URL, and saves its secret if it is new. If we choose the secret, it is
// our newest one or, if there is none, a random one. The provider is called only if the secret can be saved. If a secret
// that the provider shows only once cannot be saved, it is returned with the error.
func create(ctx context.Context, c app.Config, p subscriptions.Provider, w subscriptions.Wanted) (made created, err error) {
	if p.TakesSecret {
		w.Secret = newestSecret(c, p.Name)
	}
	isOurs := p.TakesSecret && w.Secret == "" // a new secret of ours, which is saved before the provider knows it
	if isOurs {
		w.Secret = newSecret()
	}
	if w.URL, err = targetURL(c, w.URL, p.Name, w.Secret); err != nil {
		return created{}, err
	}
	if isOurs || !p.TakesSecret {
		made.place, err = placeOf(c, p.Name)
	}
	if err == nil && isOurs {
		err = made.place.add(w.Secret)
	}
	if err != nil {
		return created{}, err
	}
	if made.subscription, err = p.Create(context.WithoutCancel(ctx), w); err != nil { // Ctrl+C must not interrupt this
		e, _ := errors.AsType[subscriptions.Error](err)
		switch {
		case e.Uncertain && p.TakesSecret:
			err = fmt.Errorf("%w; the webhook may have been created, so its secret is kept: see subscriptions list", err)
		case e.Uncertain:
			err = fmt.Errorf("%w; the webhook may have been created, but its secret is lost: if it exists, delete it", err)
		case isOurs:
			err = errors.Join(err, made.place.remove(w.Secret))
		}
		return created{}, err
	}
	made.secret = cmp.Or(w.Secret, made.subscription.Secret)
	if p.TakesSecret {
		return made, nil
	}
	if err = made.place.add(made.secret); err != nil {
		err = fmt.Errorf("webhook %s of %s is created, but its secret, which is shown only once, is not saved: %w; "+
			"delete the webhook (%s), fix the cause and create it again",
			clean(made.subscription.ID), p.Name, err, undo(p, made.subscription.ID))
	}
	return made, err
}

func newSecret() string { return strings.ToLower(rand.Text()) }

// undo says how to delete a webhook.
func undo(p subscriptions.Provider, id string) string {
	if p.Delete != nil {
		return "go run . subscriptions delete " + p.Name + " " + clean(id)
	}
	return p.Advice
}

// print prints what was created, and what to do next.
func (m created) print(o operation) {
	w := o.OutOrStdout()
	if !m.isNew() {
		printSubscription(w, "created", m.subscription, "the one in use")
		return
	}
	printSubscription(w, "created", m.subscription, "saved as "+m.place.String())
	fmt.Fprintln(w, newPainter(w).paint(yellow, restartNow))
	if file := o.config.SecretsFile; file != "" {
		fmt.Fprintln(w, wrap("", "The development secrets in "+file+
			" are no longer used: providers without a secret of their own are off."))
	}
}

// unsubscribeTimeout is how long the removal of each subscription may take.
const unsubscribeTimeout = 10 * time.Second

// checkSubscribers returns an error if webhooks cannot be created at these providers. It is called before anything is done.
func checkSubscribers(c app.Config, names []string) error {
	var problems []error
	for _, name := range names {
		p, err := c.API.Provider(name)
		if err == nil {
			err = p.CheckCredentials()
		}
		problems = append(problems, err)
	}
	return usage(errors.Join(problems...))
}

// subscribe registers base with each provider, and reports it on w. The function end removes the webhooks and their
// secrets again; it must be called even after an error.
func subscribe(
	ctx context.Context, w io.Writer, c app.Config, names []string, base string,
) (end func(context.Context) error, err error) {
	var all []func(context.Context) error
	end = func(ctx context.Context) (err error) {
		for _, unsubscribe := range slices.Backward(all) {
			err = errors.Join(err, unsubscribe(ctx))
		}
		return err
	}
	for _, name := range names {
		p, err := c.API.Provider(name)
		if err != nil {
			return end, usage(err)
		}
		made, err := create(ctx, c, p, subscriptions.Wanted{URL: base, Name: "listen"})
		if err != nil {
			return end, fmt.Errorf("subscribe to %s: %w", name, err)
		}
		all = append(all, func(ctx context.Context) error { return unsubscribe(ctx, w, p, made) })
		fmt.Fprintf(w, "subscribed to %s: %s\n", name, clean(made.subscription.ID))
		if made.isNew() {
			fmt.Fprintln(w, restartNow)
		}
	}
	return end, nil
}

// unsubscribe removes a subscription and its secret. If the provider's API cannot do that, it prints what to do.
func unsubscribe(ctx context.Context, w io.Writer, p subscriptions.Provider, m created) error {
	ctx, cancel := context.WithTimeout(ctx, unsubscribeTimeout)
	defer cancel()
	if p.Delete == nil {
		fmt.Fprintf(w, "still subscribed to %s, whose API cannot delete webhooks: %s\n", p.Name, p.Advice)
		return nil
	}
	err := p.Delete(ctx, m.subscription.ID)
	if err == nil && m.isNew() {
		err = m.place.remove(m.secret)
	}
	if err != nil {
		return fmt.Errorf("remove webhook %s of %s: %w (%s)", clean(m.subscription.ID), p.Name, err, undo(p, m.subscription.ID))
	}
	fmt.Fprintf(w, "no longer subscribed to %s\n", p.Name)
	return nil
}
