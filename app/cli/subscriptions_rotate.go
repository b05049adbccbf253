package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
)

// rotation replaces a provider's secret without losing a delivery.
type rotation struct {
	url         string
	old         string // fingerprint
	finish      bool
	force       bool
	printSecret bool
}

func newSubscriptionsRotate() *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate <provider> [<id>]",
		Short: "Replace a secret without losing a delivery",
		Long: `Replaces a secret in two steps.

The first makes a second webhook with a secret of its own, at Trustist with another path token; Legal Talent, which has only one
webhook, is sent a new secret. Old and new are saved side by side, both active: a server running in this folder takes the new one
over within seconds, any other must be restarted.

The second, --finish, asks the running server whether a delivery was verified with the new secret. Then it deletes the webhook <id>,
the old one, where the provider documents that, and takes its secret out.`,
		Example: `  go run . subscriptions rotate trst
  go run . subscriptions rotate trst webhook_abc123 --finish`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := openAPI[creating](args[0], subscriptions.CreateOperation)
			if err != nil {
				return err
			}
			if len(c.Secrets[args[0]]) == 0 || c.SecretsFile != "" {
				return usageError{fmt.Errorf("%s has no secret to be replaced; subscriptions create makes a webhook", args[0])}
			}
			id := append(args, "")[1]
			if r.finish {
				return r.end(cmd.Context(), cmd.OutOrStdout(), c, p, id)
			}
			return r.begin(cmd, c, p, id)
		},
	}
	cmd.Flags().BoolVar(&r.finish, "finish", false, "the second step")
	cmd.Flags().StringVar(&r.old, "old", "", "with --finish, the fingerprint of the old secret, where there are more than two")
	cmd.Flags().BoolVar(&r.force, "force", false, "with --finish, ask neither for a delivery with the new secret nor for the new webhook")
	cmd.Flags().StringVar(&r.url, "url", "", "where providers reach us, instead of PUBLIC_URL (trustgate, whose webhooks cannot be read)")
	cmd.Flags().BoolVar(&r.printSecret, "print-secret", false, "print the secret, too")
	return cmd
}

// begin makes the second webhook as a copy of the first.
func (r *rotation) begin(cmd *cobra.Command, c app.Config, p creating, id string) error {
	ctx, w := cmd.Context(), cmd.OutOrStdout()
	old, err := r.current(ctx, c, p, id)
	if err != nil {
		return err
	}
	made, err := create(ctx, c, p, "", func(secret string) (subscriptions.Wanted, error) {
		wanted := subscriptions.Wanted{URL: old.URL, Name: old.Name, Events: old.Events}
		switch {
		case old.URL == "":
			wanted.URL, err = targetURL(c, r.url, p.Name(), secret)
		case handlers.TokenInPath(p.Name()):
			wanted.URL, err = targetURL(c, old.Target(), p.Name(), secret)
		}
		return wanted, err
	})
	if err != nil {
		return withSecret(cmd.ErrOrStderr(), err, r.printSecret)
	}
	if err := made.print(w, c, false, r.printSecret); err != nil {
		return err
	}
	next := "go run . subscriptions rotate " + p.Name()
	if _, deletes := p.(subscriptions.Deleter); deletes {
		next += " " + old.ID
	}
	next += " --finish"
	if known := c.Secrets[p.Name()]; len(known) == 1 && !handlers.TokenInPath(p.Name()) {
		next += " --old " + handlers.Fingerprint(known[0])
	}
	fmt.Fprintln(w, "When a delivery has come with the new secret:", next)
	return nil
}

// current is the webhook whose secret is to be replaced; empty where the provider has no list of them.
func (r *rotation) current(ctx context.Context, c app.Config, p creating, id string) (subscriptions.Subscription, error) {
	lister, able := p.(subscriptions.Lister)
	if !able {
		return subscriptions.Subscription{}, nil
	}
	all, err := lister.List(ctx)
	if err != nil {
		return subscriptions.Subscription{}, err
	}
	var ours []subscriptions.Subscription
	for _, s := range all {
		if !s.Inactive() && (!handlers.TokenInPath(s.Provider) || secretOf(c, s.Provider, handlers.Fingerprint(s.Token())) != "") {
			ours = append(ours, s)
		}
	}
	return oneOfMine(ours, id, "subscriptions rotate "+p.Name())
}

// secretOf is our secret with this fingerprint, or empty.
func secretOf(c app.Config, provider, fingerprint string) string {
	for _, s := range c.Secrets[provider] {
		if handlers.Fingerprint(s) == fingerprint {
			return s
		}
	}
	return ""
}

// end takes the old webhook and its secret away.
func (r *rotation) end(ctx context.Context, w io.Writer, c app.Config, p creating, id string) error {
	secrets := c.Secrets[p.Name()]
	if len(secrets) < 2 {
		return usageError{fmt.Errorf("there is no rotation to finish: %s has one secret", p.Name())}
	}
	place, err := c.SecretPlace(p.Name())
	if err != nil {
		return usageError{err}
	}
	if err := place.Check(); err != nil {
		return err
	}
	fresh := secrets[len(secrets)-1]
	old, err := r.obsolete(ctx, c, p, id, fresh)
	if err != nil {
		return err
	}
	if !r.force {
		if err := verifiedWith(ctx, newAdminClient(c), p.Name(), handlers.Fingerprint(fresh)); err != nil {
			return err
		}
	}
	deleter, able := p.(subscriptions.Deleter)
	if able {
		if err := deleter.Delete(ctx, id); err != nil && !gone(err) {
			return err
		}
		fmt.Fprintf(w, "deleted  %s %s\n", p.Name(), id)
	}
	if err := place.Remove(old); err != nil {
		return err
	}
	fmt.Fprintf(w, "removed  the secret %s from %s\n", handlers.Fingerprint(old), place)
	if _, lists := p.(subscriptions.Lister); !able && !lists {
		fmt.Fprintf(w, "How to delete webhooks by its API is not documented: delete the old one now; %s.\n", p.Instead(subscriptions.DeleteOperation))
	}
	fmt.Fprintln(w, newPainter(w).paint(yellow, "A server running in this folder forgets it within seconds; restart any other."))
	return nil
}

// obsolete returns the secret of the webhook that is to go. It refuses to let go what nothing has replaced.
func (r *rotation) obsolete(ctx context.Context, c app.Config, p creating, id, fresh string) (string, error) {
	secrets, old := c.Secrets[p.Name()], r.old
	lister, lists := p.(subscriptions.Lister)
	if _, deletes := p.(subscriptions.Deleter); deletes && lists {
		if id == "" {
			return "", usageError{fmt.Errorf("which one is the old one? subscriptions rotate %s <id> --finish", p.Name())}
		}
		all, err := lister.List(ctx)
		if err != nil {
			return "", err
		}
		gone, err := replaced(all, id, fresh)
		if err != nil && !r.force {
			return "", err
		}
		if token := gone.Token(); token != "" {
			old = handlers.Fingerprint(token)
		}
	}
	if old == "" && len(secrets) > 2 {
		return "", usageError{fmt.Errorf("%s has %d secrets: say by --old which one is to go; GET /api/stats lists their fingerprints", p.Name(), len(secrets))}
	}
	if old == "" {
		return secrets[0], nil
	}
	secret := secretOf(c, p.Name(), old)
	switch secret {
	case "":
		return "", usageError{fmt.Errorf("%s has no secret %s", p.Name(), old)}
	case fresh:
		return "", usageError{fmt.Errorf("%s is the newest secret of %s", old, p.Name())}
	}
	return secret, nil
}

// replaced returns the webhook with this ID, if another one that is newer and active sends to the same URL.
func replaced(all []subscriptions.Subscription, id, fresh string) (subscriptions.Subscription, error) {
	old, err := oneOfMine(all, id, "")
	if err != nil {
		return old, err
	}
	for _, s := range subscriptions.Limited(all, old.Target()) {
		if s.ID != id && !s.Inactive() && s.Created >= old.Created && (s.Token() == "" || s.Token() == fresh) {
			return old, nil
		}
	}
	return old, fmt.Errorf("no newer active webhook of %s sends to the URL of %s", old.Provider, id)
}

// verifiedWith asks the running server whether a delivery was verified with a secret.
func verifiedWith(ctx context.Context, admin *adminClient, provider, fingerprint string) error {
	var stats struct {
		Secrets map[string][]handlers.SecretUse `json:"secrets"`
	}
	if err := admin.get(ctx, "/api/stats", &stats); err != nil {
		return fmt.Errorf("%w (--force finishes without)", err)
	}
	for _, use := range stats.Secrets[provider] {
		switch {
		case use.Fingerprint != fingerprint:
		case use.LastVerifiedAt.IsZero():
			return fmt.Errorf("no delivery of %s has been verified with the new secret %s since the server's start: wait for one (--force does not)", provider, fingerprint)
		default:
			return nil
		}
	}
	return fmt.Errorf("the running server does not know the new secret %s of %s: running in this folder it takes it over within seconds, elsewhere restart it", fingerprint, provider)
}

// gone reports whether what was to be deleted is not there.
func gone(err error) bool {
	status, ok := errors.AsType[subscriptions.StatusError](err)
	return ok && status.Status == 404
}
