package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

// listenInterval is how often listen asks what has come.
const listenInterval = 300 * time.Millisecond

// listen shows what providers send, as it comes.
type listen struct {
	json, ngrok, printSecret bool
	ngrokAPI                 string
	subscribe                []string
}

func newListen() *cobra.Command {
	l := &listen{}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Show deliveries to a running server as they come",
		Long: `Shows each delivery to a running server, what became of it and what it changed for the person: status and hold before and after, for
those seen before. Of what was rejected it says why. Ctrl+C ends it.

With --ngrok it prints the URLs to give to the providers. It finds the ngrok that runs, or starts one and ends it on exit.
With --subscribe it registers those URLs at the providers too, and removes them again on exit.

It asks the admin API at ADMIN_ADDR.`,
		Example: `  go run . listen
  go run . listen --ngrok
  go run . listen --ngrok --subscribe trustist,trst
  go run . listen --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if changed := cmd.Flags().Changed; !l.ngrok && (changed("ngrok-api") || changed("print-secret") || changed("subscribe")) {
				return usageError{errors.New("--ngrok-api, --print-secret and --subscribe are for --ngrok")}
			}
			return l.run(cmd)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&l.json, "json", false, "print one JSON object per delivery and line")
	f.BoolVar(&l.ngrok, "ngrok", false, "print the public URLs of the ngrok tunnel to the server, which is started if none runs")
	f.StringVar(&l.ngrokAPI, "ngrok-api", defaultNgrokAPI, "where the ngrok agent answers")
	f.StringSliceVar(&l.subscribe, "subscribe", nil, "register the URLs with these providers, separated by commas, until it ends")
	f.BoolVar(&l.printSecret, "print-secret", false, "print Trustist's URL with the secret it ends in")
	return cmd
}

func (l *listen) run(cmd *cobra.Command) (err error) {
	c, err := loadConfig()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	providers, err := subscribers(l.subscribe)
	if err != nil {
		return err
	}
	admin := newAdminClient(c)
	watch := newWatch(admin)
	if err := watch.start(ctx); err != nil {
		return err
	}
	alive := func() error { return nil }
	if l.ngrok {
		tunnel, err := openTunnel(ctx, l.ngrokAPI, c.Addr)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		defer tunnel.close()
		alive = tunnel.alive
		if err := l.printURLs(cmd.OutOrStdout(), c, tunnel.url); err != nil {
			return err
		}
		subscribed := &registered{w: cmd.ErrOrStderr()}
		defer func() { err = errors.Join(err, subscribed.end(ctx)) }()
		if err := subscribed.subscribe(ctx, c, providers, tunnel.url); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "listening to the server at %s; Ctrl+C ends it\n", admin.base)
	show := l.printer(cmd.OutOrStdout())
	return poll(ctx, cmd.ErrOrStderr(), listenInterval, func(ctx context.Context) error {
		if err := alive(); err != nil {
			return err
		}
		seen, err := watch.round(ctx)
		if err != nil {
			return err
		}
		return show(seen)
	})
}

// printURLs prints where the world reaches each provider's webhooks.
func (l *listen) printURLs(w io.Writer, c app.Config, base string) error {
	urls, err := publicURLs(base, c)
	if err != nil {
		return err
	}
	if !l.printSecret {
		for i := range urls {
			urls[i].URL = urls[i].Hidden
		}
	}
	if l.json {
		return jsonLines(w, urls)
	}
	for _, u := range urls {
		fmt.Fprintf(w, "  %-11s  %s\n", u.Provider, u.URL)
	}
	fmt.Fprintln(w)
	return nil
}

// printer returns what prints deliveries.
func (l *listen) printer(w io.Writer) func([]sighting) error {
	if l.json {
		return func(seen []sighting) error { return jsonLines(w, seen) }
	}
	t := newTable(w, "TIME", "ID", "PROVIDER", "TYPE", "OUTCOME", "WHAT IT CHANGED")
	t.widths = []int{8, 4, 11, 27, 17, 0} // most rows fit, and stay in line with those after them
	t.rows(nil)
	return func(seen []sighting) error {
		var rows [][]cell
		for _, s := range seen {
			rows = append(rows, s.row())
		}
		t.rows(rows)
		return nil
	}
}
