package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

// listenInterval is how often listen looks for new deliveries.
const listenInterval = 300 * time.Millisecond

// listen shows what providers send, as it comes.
type listen struct {
	Env
	json, ngrok, printSecret bool
	subscribe                []string
}

func newListen(e Env) *cobra.Command {
	l := &listen{Env: e}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Show deliveries to a running server as they come",
		Long: `Shows each delivery to a running server, its outcome, and the customer's status
and hold before and after it. For rejected deliveries it shows the reason.
Ctrl+C ends it.

With --ngrok it prints the URLs to give to the providers. It uses the ngrok
agent that is running, or starts one and stops it at the end. With --subscribe
it also registers these URLs with providers, and removes them at the end.

It calls the admin API at ADMIN_ADDR.`,
		Example: `  go run . listen
  go run . listen --ngrok
  go run . listen --ngrok --subscribe trustist,trst
  go run . listen --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !l.ngrok && (l.printSecret || len(l.subscribe) > 0) {
				return UsageError{errors.New("--print-secret and --subscribe need --ngrok")}
			}
			return l.run(cmd)
		},
	}
	f := cmd.Flags()
	addJSON(cmd, &l.json, "delivery")
	f.BoolVar(&l.ngrok, "ngrok", false, "print the public URLs of the ngrok tunnel to the server")
	f.StringSliceVar(&l.subscribe, "subscribe", nil, "register the URLs with these providers, while it runs")
	f.BoolVar(&l.printSecret, "print-secret", false, "print URLs with the secret they end in")
	return cmd
}

func (l *listen) run(cmd *cobra.Command) (failed error) {
	c, err := loadConfig()
	if err == nil && len(l.subscribe) > 0 {
		err = checkSubscribers(c, l.subscribe)
	}
	if err != nil {
		return err
	}
	ctx, w, notes := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	watch := newWatch(newAdmin(c))
	if err := watch.start(ctx); err != nil {
		return err
	}
	alive := func() error { return nil }
	if l.ngrok {
		tunnel, err := openTunnel(ctx, l.ngrokAPI, c.Addr)
		if err != nil {
			return stopped(ctx, err)
		}
		defer tunnel.close()
		alive = tunnel.alive
		if err := l.printURLs(w, c, tunnel.url); err != nil {
			return err
		}
		if len(l.subscribe) > 0 {
			unsubscribe, err := subscribe(ctx, notes, c, l.subscribe, tunnel.url)
			defer func() { failed = errors.Join(failed, unsubscribe(context.WithoutCancel(ctx))) }()
			if err != nil {
				return stopped(ctx, err)
			}
		}
	}
	fmt.Fprintf(notes, "listening to the server at %s; Ctrl+C ends it\n", watch.admin.base)
	show := l.printer(w)
	return poll(ctx, notes, listenInterval, func(ctx context.Context) error {
		if err := alive(); err != nil {
			return err
		}
		seen, err := watch.round(ctx)
		if err != nil || len(seen) == 0 {
			return err
		}
		return show(seen)
	})
}

// stopped makes an error nil if it comes from Ctrl+C.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// printURLs prints where the world reaches each provider's webhooks.
func (l *listen) printURLs(w io.Writer, c app.Config, base string) error {
	active, err := c.Providers()
	if err != nil {
		return UsageError{err}
	}
	for _, name := range sortedKeys(active) {
		full, shown := webhookURL(base, name, active[name])
		if l.printSecret {
			shown = full
		}
		if !l.json {
			fmt.Fprintf(w, "  %-11s  %s\n", name, shown)
		} else if err := printJSON(w, map[string]string{"provider": name, "url": shown}); err != nil {
			return err
		}
	}
	return nil
}

// printer returns what prints deliveries.
func (l *listen) printer(w io.Writer) func([]entry) error {
	if l.json {
		return func(seen []entry) error {
			for _, s := range seen {
				if err := printJSON(w, s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	t := newTable(w, column{title: "TIME", width: 8}, column{title: "ID", width: 3}, column{title: "PROVIDER", width: 9, rank: 1, min: 8},
		column{title: "TYPE", width: 18, rank: 3, min: 14}, column{title: "STATUS", width: 9}, column{title: "DETAIL", rank: 2, min: 24})
	t.print()
	return func(seen []entry) error {
		for _, s := range seen {
			t.print(s.row())
		}
		return nil
	}
}
