package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
)

// createFlags are what a subscription is made with.
type createFlags struct {
	url         string
	name        string
	events      []string
	json        bool
	printSecret bool
}

func newSubscriptionsCreate() *cobra.Command {
	var f createFlags
	cmd := &cobra.Command{
		Use:   "create <provider>",
		Short: "Register our URL with a provider, and save the secret",
		Long: `Registers our URL with a provider. The secret is saved in .env, or in the file that …_WEBHOOK_SECRET_FILE names, beside the
ones that are there. TrustGate and TRST make the secret, and show it only once. For Trustist, where it is the end of the path,
and for Legal Talent it is the newest one we have, or a new random one.

A server running in this folder takes over the secret within seconds; restart any other.`,
		Example: `  go run . subscriptions create trst --url https://example.ngrok.app
  go run . subscriptions create trustist --events onboard.session.completed
  go run . subscriptions create trustgate --name staging`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, creator, err := openAPI[subscriptions.Creator](args[0], subscriptions.CreateOperation)
			if err != nil {
				return err
			}
			return f.run(cmd, c, creator.(creating))
		},
	}
	cmd.Flags().StringVar(&f.url, "url", "", "where providers reach us, instead of PUBLIC_URL; with or without /webhooks")
	cmd.Flags().StringVar(&f.name, "name", "", "a name for people (trustist, trustgate)")
	cmd.Flags().StringSliceVar(&f.events, "events", nil, "the event types, separated by commas; all of identity by default")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.printSecret, "print-secret", false, "print the secret, too")
	return cmd
}

// creating is a provider that creates subscriptions: each does.
type creating interface {
	subscriptions.Provider
	subscriptions.Creator
}

// created is what came of a creation.
type created struct {
	subscription subscriptions.Subscription
	secret       string
	place        string // where it was saved; empty if it was there already
}

func (f *createFlags) run(cmd *cobra.Command, c app.Config, p creating) error {
	secret := ""
	if known := c.Secrets[p.Name()]; p.TakesSecret() && len(known) > 0 && c.SecretsFile == "" {
		secret = known[len(known)-1]
	}
	made, err := create(cmd.Context(), c, p, secret, func(secret string) (subscriptions.Wanted, error) {
		target, err := targetURL(c, f.url, p.Name(), secret)
		return subscriptions.Wanted{URL: target, Name: f.name, Events: f.events}, err
	})
	if err != nil {
		return withSecret(cmd.ErrOrStderr(), err, f.printSecret)
	}
	return made.print(cmd.OutOrStdout(), c, f.json, f.printSecret)
}

// create registers what wanted returns for a secret, and sees to it that the secret is kept. It is a secret that we have, or
// empty for a new one. Nothing is asked of the provider before it is sure that there is a place to keep it.
func create(ctx context.Context, c app.Config, p creating, secret string, wanted func(secret string) (subscriptions.Wanted, error)) (created, error) {
	fresh := secret == ""
	if fresh && p.TakesSecret() {
		secret = strings.ToLower(rand.Text())
	}
	w, err := wanted(secret)
	if err != nil {
		return created{}, err
	}
	if p.TakesSecret() {
		w.Secret = secret
	}
	var place app.SecretPlace
	if fresh {
		if place, err = c.SecretPlace(p.Name()); err != nil {
			return created{}, usageError{err}
		}
		if err := place.Check(); err != nil {
			return created{}, err
		}
	}
	if !p.TakesSecret() {
		return createTheirs(ctx, p, w, place)
	}
	if fresh {
		if err := place.Add(secret); err != nil {
			return created{}, err
		}
	}
	s, err := p.Create(ctx, w)
	if err != nil && fresh {
		if subscriptions.Uncertain(err) {
			err = fmt.Errorf("%w; it may be done all the same: the new secret stays in %s", err, place)
		} else {
			err = errors.Join(err, place.Remove(secret))
		}
	}
	made := created{s, secret, ""}
	if fresh {
		made.place = place.String()
	}
	return made, err
}

// createTheirs saves the secret that the provider shows this once. Ctrl+C does not part the one from the other.
func createTheirs(ctx context.Context, p creating, w subscriptions.Wanted, place app.SecretPlace) (created, error) {
	s, err := p.Create(context.WithoutCancel(ctx), w)
	if err != nil {
		if subscriptions.Uncertain(err) {
			err = fmt.Errorf("%w; if it is created all the same, its secret is lost: delete it", err)
		}
		return created{}, err
	}
	err = errors.New("the answer holds none")
	if s.Secret != "" {
		err = place.Add(s.Secret)
	}
	if err != nil {
		return created{}, unsavedError{s, undo(p, s.ID), err}
	}
	return created{s, s.Secret, place.String()}, nil
}

// undo says how a subscription is deleted.
func undo(p subscriptions.Provider, id string) string {
	if _, able := p.(subscriptions.Deleter); able {
		return "go run . subscriptions delete " + p.Name() + " " + id
	}
	return p.Instead(subscriptions.DeleteOperation)
}

// unsavedError says that a subscription exists whose secret is lost.
type unsavedError struct {
	subscription subscriptions.Subscription
	undo         string
	err          error
}

func (e unsavedError) Error() string {
	return fmt.Sprintf("webhook %s of %s is created, but its secret, which is shown only once, is not saved: %v; delete the webhook (%s), mend that and create it again",
		e.subscription.ID, e.subscription.Provider, e.err, e.undo)
}

func (e unsavedError) Unwrap() error { return e.err }

// withSecret prints a secret that could not be saved, if the caller wants to see it.
func withSecret(w io.Writer, err error, printSecret bool) error {
	if lost, ok := errors.AsType[unsavedError](err); ok && printSecret && lost.subscription.Secret != "" {
		fmt.Fprintln(w, "secret:", lost.subscription.Secret)
	}
	return err
}

func (m created) print(w io.Writer, c app.Config, asJSON, printSecret bool) error {
	secret := ""
	if printSecret {
		secret = m.secret
	}
	if asJSON {
		return printJSON(w, struct {
			Subscription subscriptions.Subscription `json:"subscription"`
			SavedIn      string                     `json:"saved_in,omitempty"`
			Restart      bool                       `json:"restart"`
			Secret       string                     `json:"secret,omitempty"`
		}{shown(m.subscription), m.place, m.place != "", secret})
	}
	s := shown(m.subscription)
	fmt.Fprintf(w, "created  %s %s\n  url      %s\n  state    %s\n", s.Provider, s.ID, s.URL, activity(s))
	if m.place == "" {
		fmt.Fprintln(w, "  secret   the one in use")
	} else {
		fmt.Fprintln(w, "  secret   saved as", m.place)
	}
	if secret != "" {
		fmt.Fprintln(w, "           "+secret)
	}
	m.notes(w, c)
	return nil
}

// notes says what is to be done now.
func (m created) notes(w io.Writer, c app.Config) {
	if m.place == "" {
		return
	}
	paint := newPainter(w)
	fmt.Fprintln(w, paint.paint(yellow, "A server running in this folder takes it over within seconds; restart any other."))
	if c.SecretsFile != "" {
		fmt.Fprintf(w, "From now on %s, made for development, counts no more: providers without a secret of their own are off.\n", c.SecretsFile)
	}
}
