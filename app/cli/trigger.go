package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
)

// trigger plays a provider.
type trigger struct {
	samples  fs.FS
	url      string
	secret   string
	file     string
	scenario string

	set    []string
	setNew []string
	repeat bool

	count   int
	dup     int
	delay   time.Duration
	shuffle bool
	seed    uint64

	badSignature bool
	stale        bool

	verbose bool
	json    bool
}

func newTrigger(samples fs.FS) *cobra.Command {
	t := &trigger{samples: samples}
	cmd := &cobra.Command{
		Use:   "trigger [<provider>/<event type>]",
		Short: "Sign a sample webhook and send it as the provider would",
		Long: `Signs a payload of testdata with the server's own secret and sends it as the provider would. Prints the answer, and what
changed on the customer. Each event gets a new ID and the present time, unless --repeat or --set says otherwise.

Without an argument it lists what it can send.`,
		Example: `  go run . trigger trustgate/applicant.reviewed
  go run . trigger trustgate/applicant.reviewed --set data.status=rejected --set data.external_id=user_7
  go run . trigger trustgate --file my-payload.json
  go run . trigger trustgate/v1/case.created --count 3 --delay 2s
  go run . trigger trst/enrollment.completed --dup 3
  go run . trigger trustgate/applicant.reviewed --bad-signature
  go run . trigger --scenario green-then-red --shuffle
  go run . trigger trst/enrollment.completed --url https://example.ngrok.app --secret whsec_…`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: t.completeArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.check(cmd.Flags().Changed, args); err != nil {
				return usageError{err}
			}
			if len(args) == 0 && t.scenario == "" {
				return t.list(cmd.OutOrStdout())
			}
			return t.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.url, "url", "", "send to this server instead of the one at ADDR; with or without /webhooks")
	f.StringVar(&t.secret, "secret", "", "sign with this secret instead of the configured one")
	f.StringVar(&t.file, "file", "", "send the body in this file, byte for byte")
	f.StringVar(&t.scenario, "scenario", "", "play a story of testdata/scenarios, of new people each time")
	f.StringArrayVar(&t.set, "set", nil, "change a field of the payload, as in data.flags.0=pep; repeatable; JSON, else text")
	f.StringArrayVar(&t.setNew, "set-new", nil, "add a field that the payload does not have; repeatable")
	f.BoolVar(&t.repeat, "repeat", false, "keep the sample's ID and times: the second time it is a duplicate")
	f.IntVar(&t.count, "count", 1, "send so many events")
	f.IntVar(&t.dup, "dup", 1, "deliver each event so many times, at once")
	f.DurationVar(&t.delay, "delay", 0, "wait so long between events")
	f.BoolVar(&t.shuffle, "shuffle", false, "send in a random order what --count or --scenario makes")
	f.Uint64Var(&t.seed, "seed", 0, "take the order of this seed, which --shuffle prints")
	f.BoolVar(&t.badSignature, "bad-signature", false, "sign with a wrong secret, and want to be refused")
	f.BoolVar(&t.stale, "stale", false, "sign as of 10 minutes ago, and want to be refused")
	f.BoolVar(&t.verbose, "verbose", false, "print the whole customer, too")
	f.BoolVar(&t.json, "json", false, "print one JSON object per event and line")
	for flag, complete := range map[string]cobra.CompletionFunc{"scenario": t.completeScenario, "set": t.completePath} {
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

// exclusive are the flags that make no sense together.
var exclusive = [][2]string{
	{"file", "scenario"}, {"set", "scenario"}, {"set-new", "scenario"}, {"repeat", "scenario"}, {"count", "scenario"},
	{"bad-signature", "scenario"}, {"stale", "scenario"}, {"bad-signature", "stale"}, {"bad-signature", "secret"},
	{"bad-signature", "dup"}, {"stale", "dup"}, {"repeat", "shuffle"}, {"file", "shuffle"}, {"verbose", "json"},
}

// check refuses what makes no sense, before anything is done. changed says whether a flag was given.
func (t *trigger) check(changed func(string) bool, args []string) error {
	for _, pair := range exclusive {
		if changed(pair[0]) && changed(pair[1]) {
			return fmt.Errorf("--%s and --%s exclude each other", pair[0], pair[1])
		}
	}
	switch {
	case len(args) > 0 && t.scenario != "":
		return errors.New("--scenario says itself what is sent: want no " + args[0])
	case len(args) == 0 && t.file != "":
		return errors.New("--file wants to know whose it is: trigger <provider> --file " + t.file)
	case t.count < 1:
		return fmt.Errorf("--count is %d: want 1 or more", t.count)
	case t.dup < 1:
		return fmt.Errorf("--dup is %d: want 1 or more", t.dup)
	case t.delay < 0:
		return fmt.Errorf("--delay is %s: want 0s or more", t.delay)
	case t.shuffle && t.count < 2 && t.scenario == "":
		return errors.New("--shuffle wants several events: --count or --scenario makes them")
	case changed("seed") && !t.shuffle:
		return errors.New("--seed is the order of --shuffle, which is not there")
	case changed("seed") && t.seed == 0:
		return errors.New("--seed is 0: want 1 or more")
	}
	if len(args) == 0 && t.scenario == "" {
		for _, flag := range []string{"set", "set-new", "repeat", "count", "dup", "bad-signature", "stale", "json", "verbose"} {
			if changed(flag) {
				return fmt.Errorf("--%s wants to know of what: trigger <provider>/<event type> --%s", flag, flag)
			}
		}
	}
	return nil
}

// run sends what the flags ask for. Nothing is sent if a mistake can be found before.
func (t *trigger) run(ctx context.Context, w io.Writer, args []string) error {
	c, err := loadConfig()
	if err != nil {
		return err
	}
	p, err := newPlayer(c, t, w)
	if err != nil {
		return err
	}
	if t.scenario != "" {
		return t.play(ctx, p)
	}
	list, err := t.messages(args[0])
	if err != nil {
		return err
	}
	return p.sendAll(ctx, list)
}

// newPlayer returns who sends to the server that the flags name.
func newPlayer(c app.Config, t *trigger, w io.Writer) (*player, error) {
	base, err := t.base(c)
	if err != nil {
		return nil, err
	}
	p := &player{trigger: t, config: c, base: base, admin: newAdminClient(c), stdout: w, w: w, painter: newPainter(w)}
	if t.json {
		p.w = io.Discard
	}
	return p, nil
}
