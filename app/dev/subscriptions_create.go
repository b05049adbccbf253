package dev

import (
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

const restartNow = "Restart the server now: it accepts a new secret only after that."

func newSubscriptionsCreate() *cobra.Command {
	var w subscriptions.Wanted
	var asJSON, printSecret bool
	cmd := &cobra.Command{
		Use:   "create <provider>",
		Short: "Register our URL with a provider, and save the secret",
		Long: `Registers our URL with a provider. The secret is saved in .env, or in the file
that <NAME>_WEBHOOK_SECRET_FILE names, beside those that are there. TrustGate
and TRST choose the secret and show it once. For Trustist, where it is the end
of the URL, and for Legal Talent it is our newest one, or a new random one.

Restart the server after that: it reads secrets only when it starts.`,
		Example: `  go run . subscriptions create trst --url https://example.ngrok.app
  go run . subscriptions create trustist --events onboard.session.completed
  go run . subscriptions create trustgate --name staging`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := openAPI(args[0], "create", func(p subscriptions.Provider) bool { return p.Create != nil })
			if err != nil {
				return err
			}
			made, err := create(cmd.Context(), c, p, w)
			if err != nil {
				return showLost(cmd.ErrOrStderr(), err, printSecret)
			}
			return made.print(cmd.OutOrStdout(), c, asJSON, printSecret)
		},
	}
	cmd.Flags().StringVar(&w.URL, "url", "", "where providers reach us (default: PUBLIC_URL)")
	cmd.Flags().StringVar(&w.Name, "name", "", "a name for people (trustist, trustgate)")
	cmd.Flags().StringSliceVar(&w.Events, "events", nil, "the event types, separated by commas (default: all)")
	cmd.Flags().BoolVar(&printSecret, "print-secret", false, "print the secret too")
	addJSON(cmd, &asJSON, "webhook")
	return cmd
}

// created is a new subscription.
type created struct {
	subscription subscriptions.Subscription
	secret       string
	place        secretPlace // where the secret was saved; empty if it was there already
}

// create registers a webhook below w.URL or PUBLIC_URL, and keeps its secret: our newest one or, if there is none or the provider
// chooses it, a new one. Nothing is asked of the provider before it is sure that there is a place for the secret.
func create(ctx context.Context, c app.Config, p subscriptions.Provider, w subscriptions.Wanted) (made created, err error) {
	if own := ownSecrets(c, p.Name); p.TakesSecret && len(own) > 0 {
		w.Secret = own[len(own)-1]
	}
	fresh := w.Secret == ""
	if p.TakesSecret && fresh {
		w.Secret = strings.ToLower(rand.Text())
	}
	if w.URL, err = targetURL(c, w.URL, p.Name, w.Secret); err != nil {
		return made, err
	}
	if made.secret = w.Secret; !fresh {
		made.subscription, err = p.Create(ctx, w)
		return made, err
	}
	if made.place, err = placeOf(c, p.Name); err != nil {
		return made, UsageError{err}
	}
	if err := made.place.check(); err != nil {
		return made, err
	}
	if !p.TakesSecret {
		return createTheirs(ctx, p, w, made.place)
	}
	if err := made.place.add(w.Secret); err != nil {
		return made, err
	}
	made.subscription, err = p.Create(ctx, w)
	switch {
	case subscriptions.Uncertain(err):
		err = fmt.Errorf("%w; it may have been created nevertheless: the new secret stays in %s", err, made.place)
	case err != nil:
		err = errors.Join(err, made.place.remove(w.Secret))
	}
	return made, err
}

// createTheirs saves the secret that the provider shows only this once. Ctrl+C does not come between the two.
func createTheirs(ctx context.Context, p subscriptions.Provider, w subscriptions.Wanted, place secretPlace) (created, error) {
	s, err := p.Create(context.WithoutCancel(ctx), w)
	if subscriptions.Uncertain(err) {
		err = fmt.Errorf("%w; if it was created nevertheless, its secret is lost: delete it", err)
	}
	if err != nil {
		return created{}, err
	}
	err = errors.New("the answer holds none")
	if s.Secret != "" {
		err = place.add(s.Secret)
	}
	if err != nil {
		return created{}, unsavedError{s, undo(p, s.ID), err}
	}
	return created{s, s.Secret, place}, nil
}

// undo says how a subscription is deleted.
func undo(p subscriptions.Provider, id string) string {
	if p.Delete != nil {
		return "go run . subscriptions delete " + p.Name + " " + id
	}
	return p.Advice(subscriptions.OpDelete)
}

// unsavedError says that a subscription exists whose secret is lost.
type unsavedError struct {
	subscription subscriptions.Subscription
	undo         string
	err          error
}

func (e unsavedError) Error() string {
	return fmt.Sprintf("webhook %s of %s is created, but its secret, which is shown only once, is not saved: %v; delete the webhook (%s), fix the cause and create it again",
		clean(e.subscription.ID), e.subscription.Provider, e.err, clean(e.undo))
}

func (e unsavedError) Unwrap() error { return e.err }

// showLost prints a secret that could not be saved, if the user wants to see it.
func showLost(w io.Writer, err error, printSecret bool) error {
	if lost, ok := errors.AsType[unsavedError](err); ok && printSecret && lost.subscription.Secret != "" {
		fmt.Fprintln(w, "secret:", lost.subscription.Secret)
	}
	return err
}

func (m created) print(w io.Writer, c app.Config, asJSON, printSecret bool) error {
	saved, secret := "", ""
	if m.place.path != "" {
		saved = m.place.String()
	}
	if printSecret {
		secret = m.secret
	}
	if asJSON {
		return printJSON(w, struct {
			Subscription subscriptions.Subscription `json:"subscription"`
			SavedIn      string                     `json:"saved_in,omitempty"`
			Restart      bool                       `json:"restart"`
			Secret       string                     `json:"secret,omitempty"`
		}{shown(m.subscription), saved, saved != "", secret})
	}
	kept := "the one in use"
	if saved != "" {
		kept = "saved as " + saved
	}
	printSubscription(w, "created", m.subscription, [2]string{"secret", kept}, [2]string{"", secret})
	if saved != "" {
		fmt.Fprintln(w, newPainter(w).paint(yellow, restartNow))
	}
	if saved != "" && c.SecretsFile != "" {
		fmt.Fprintln(w, wrap("", c.SecretsFile+", made for development, is no longer used: providers without a secret of their own are off."))
	}
	return nil
}

// unsubscribeTimeout is how long the removal of each subscription may take.
const unsubscribeTimeout = 10 * time.Second

// checkSubscribers reports why webhooks cannot be created at these providers, before anything is done.
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

// subscribe registers base with each provider, and says so on w. The function that it returns removes the webhooks and their secrets
// again, and must be called even after an error.
func subscribe(ctx context.Context, w io.Writer, c app.Config, names []string, base string) (end func(context.Context) error, err error) {
	var all []created
	end = func(ctx context.Context) error {
		var errs []error
		for _, m := range slices.Backward(all) {
			errs = append(errs, unsubscribe(ctx, w, c, m))
		}
		return errors.Join(errs...)
	}
	for _, name := range names {
		p, err := c.API.Provider(name)
		if err != nil {
			return end, usage(err)
		}
		wanted := subscriptions.Wanted{URL: base}
		if !p.Single {
			wanted.Name = "listen"
		}
		made, err := create(ctx, c, p, wanted)
		if err != nil {
			return end, fmt.Errorf("subscribe to %s: %w", name, err)
		}
		all = append(all, made)
		fmt.Fprintf(w, "subscribed to %s: %s\n", name, clean(made.subscription.ID))
	}
	if slices.ContainsFunc(all, func(m created) bool { return m.place.path != "" }) {
		fmt.Fprintln(w, restartNow)
	}
	return end, nil
}

// unsubscribe removes a subscription and its secret. If the provider documents no way, it says what to do.
func unsubscribe(ctx context.Context, w io.Writer, c app.Config, m created) error {
	ctx, cancel := context.WithTimeout(ctx, unsubscribeTimeout)
	defer cancel()
	p, err := c.API.Provider(m.subscription.Provider)
	if err != nil {
		return err
	}
	if p.Delete == nil {
		fmt.Fprintf(w, "still subscribed to %s: %s\n", p.Name, p.Advice(subscriptions.OpDelete))
		return nil
	}
	err = p.Delete(ctx, m.subscription.ID)
	if err == nil && m.place.path != "" {
		err = m.place.remove(m.secret)
	}
	if err != nil {
		return fmt.Errorf("remove webhook %s of %s: %w (%s)", m.subscription.ID, p.Name, err, undo(p, m.subscription.ID))
	}
	fmt.Fprintf(w, "no longer subscribed to %s\n", p.Name)
	return nil
}
