package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/subscriptions"
)

// unsubscribeTimeout is what each subscription may take to be removed on exit.
const unsubscribeTimeout = 10 * time.Second

// registered are the subscriptions that listen has made, for as long as it runs.
type registered struct {
	w    io.Writer // where it says what it does
	made []registration
}

type registration struct {
	provider creating
	created
	secrets app.SecretPlace // where its secret is; to be used only if created.place is not empty
}

// subscribers returns those providers, ready to be asked, before anything is done.
func subscribers(names []string) (list []creating, err error) {
	for _, name := range names {
		_, creator, err := openAPI[subscriptions.Creator](name, subscriptions.CreateOperation)
		if err != nil {
			return nil, err
		}
		list = append(list, creator.(creating))
	}
	return list, nil
}

// subscribe registers base with each provider. What it has registered is to be ended even after an error.
func (r *registered) subscribe(ctx context.Context, c app.Config, providers []creating, base string) error {
	for _, p := range providers {
		secret := ""
		if known := c.Secrets[p.Name()]; p.TakesSecret() && len(known) > 0 && c.SecretsFile == "" {
			secret = known[len(known)-1]
		}
		made, err := create(ctx, c, p, secret, func(secret string) (subscriptions.Wanted, error) {
			target, err := targetURL(c, base, p.Name(), secret)
			return subscriptions.Wanted{URL: target, Name: "listen"}, err
		})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", p.Name(), err)
		}
		m := registration{provider: p, created: made}
		if made.place != "" {
			m.secrets, err = c.SecretPlace(p.Name())
		}
		r.made = append(r.made, m)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.w, "subscribed to %s: %s\n", p.Name(), made.subscription.ID)
	}
	if slices.ContainsFunc(r.made, func(m registration) bool { return m.place != "" }) {
		fmt.Fprintln(r.w, "a server running in this folder takes over the new secrets within seconds; restart any other")
	}
	return nil
}

// end removes the subscriptions again, with their secrets, the newest first. Where a provider documents no way, it says what to do.
func (r *registered) end(ctx context.Context) error {
	var errs []error
	for _, m := range slices.Backward(r.made) {
		if err := r.remove(context.WithoutCancel(ctx), m); err != nil { // Ctrl+C is why we are here
			errs = append(errs, fmt.Errorf("remove subscription %s of %s: %w (%s)", m.subscription.ID, m.provider.Name(), err, undo(m.provider, m.subscription.ID)))
		}
	}
	return errors.Join(errs...)
}

func (r *registered) remove(ctx context.Context, m registration) error {
	ctx, cancel := context.WithTimeout(ctx, unsubscribeTimeout)
	defer cancel()
	deleter, able := m.provider.(subscriptions.Deleter)
	if !able {
		fmt.Fprintf(r.w, "still subscribed to %s: %s\n", m.provider.Name(), m.provider.Instead(subscriptions.DeleteOperation))
		return nil
	}
	if err := deleter.Delete(ctx, m.subscription.ID); err != nil {
		return err
	}
	if m.place != "" {
		if err := m.secrets.Remove(m.secret); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.w, "no longer subscribed to %s\n", m.provider.Name())
	return nil
}
