package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// trigger is the command that sends events as a provider would.
type trigger struct {
	url, secretFile, file, scenario string

	set             []string
	repeat, shuffle bool
	count, dup      int
	delay           time.Duration
	seed            uint64

	badSignature, stale bool
	json                bool

	secret    string // to sign with instead of the configured one
	samples   fs.FS
	config    app.Config
	registry  *jobs.Registry               // to find out whom a body is about
	base      string                       // the start of all webhook URLs
	signers   map[string]handlers.Provider // by name, ready to sign as the flags say
	admin     admin
	connected bool // the admin API belongs to the server that the events are sent to
	painter
	stdout, stderr io.Writer
	w              io.Writer // text for people; discarded with --json
}

func newTrigger(e Env) *cobra.Command {
	t := &trigger{samples: e.Samples}
	cmd := &cobra.Command{
		Use:   "trigger [<provider>/<event type>]",
		Short: "Sign a sample event and send it as the provider would",
		Long: `Signs a sample from testdata with the server's own secret and sends it to the
server as the provider would. It prints the answer, what changed for the
customer, and the follow-ups. Each event gets a new ID and the current time,
unless --repeat or --set says otherwise.

Without an argument it lists the samples and scenarios.`,
		Example: `  go run . trigger trustgate/applicant.reviewed
  go run . trigger trustgate/applicant.reviewed --set data.status=rejected
  go run . trigger trustgate --file my-payload.json
  go run . trigger trustgate/v1/case.created --count 3 --delay 2s
  go run . trigger trst/enrollment.completed --dup 3
  go run . trigger trustgate/applicant.reviewed --bad-signature
  go run . trigger --scenario green-then-red --shuffle
  go run . trigger trst/webhook.test --url https://host --secret-file its-secret`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: t.completeArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.Flags().NFlag() == 0 {
				return listSamples(cmd.OutOrStdout(), e.Samples)
			}
			if (len(args) > 0) == (t.scenario != "") {
				return usagef("want trigger <provider>/<event type>, trigger <provider> --file <file> " +
					"or trigger --scenario <name>")
			}
			if err := errors.Join(atLeastOne("count", t.count), atLeastOne("dup", t.dup)); err != nil {
				return err
			}
			if err := t.open(cmd); err != nil {
				return err
			}
			if t.scenario != "" {
				return t.playScenario(cmd.Context())
			}
			return t.playSample(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.url, "url", "", "send to this server instead of the one at ADDR")
	f.StringVar(&t.secretFile, "secret-file", "", "sign with the secret in this file, or in the standard input (-), instead of the configured one")
	f.StringVar(&t.file, "file", "", "send the body in this file, byte for byte")
	f.StringVar(&t.scenario, "scenario", "", "play a scenario from testdata, with new customers")
	f.StringArrayVar(&t.set, "set", nil, "change a field, as in data.flags.0=pep, or add one, as in +data.note=x; may be repeated")
	f.BoolVar(&t.repeat, "repeat", false, "keep the sample's ID and times")
	f.IntVar(&t.count, "count", 1, "how many events to send")
	f.IntVar(&t.dup, "dup", 1, "how many times to deliver each event, all at once")
	f.DurationVar(&t.delay, "delay", 0, "how long to wait between events")
	f.BoolVar(&t.shuffle, "shuffle", false, "send the events in a random order")
	f.Uint64Var(&t.seed, "seed", 0, "repeat the order for which --shuffle printed this seed")
	f.BoolVar(&t.badSignature, "bad-signature", false, "sign with a wrong secret; the server must refuse the event")
	f.BoolVar(&t.stale, "stale", false, "sign as if it were 15 minutes ago; the server must refuse the event")
	addJSON(cmd, &t.json, "event")
	for _, other := range []string{"file", "set", "repeat", "count", "bad-signature", "stale"} {
		cmd.MarkFlagsMutuallyExclusive("scenario", other)
	}
	cmd.MarkFlagsMutuallyExclusive("bad-signature", "stale")
	cmd.MarkFlagsMutuallyExclusive("bad-signature", "secret-file")
	if err := cmd.RegisterFlagCompletionFunc("scenario", t.completeScenario); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// playSample sends the events of a sample, or of a file and a provider. It looks for mistakes before it sends anything.
func (t *trigger) playSample(ctx context.Context, name string) error {
	list, err := t.deliveries(name)
	if err != nil {
		return err
	}
	return t.send(ctx, list)
}

// playScenario sends the events of a scenario, and checks what it expects.
func (t *trigger) playScenario(ctx context.Context) error {
	titles, err := scenarios(t.samples)
	if err != nil {
		return err
	}
	if titles[t.scenario] == "" {
		near := didYouMean(sortedKeys(titles), t.scenario)
		return usagef("there is no scenario %q%s (trigger without an argument lists all)", t.scenario, near)
	}
	s, err := readScenario(t.samples, t.scenario, uuid.NewString()[:6], time.Now().AddDate(0, 0, -1))
	if err != nil {
		return err
	}
	for _, d := range s.deliveries {
		if err := t.prepare(d.provider); err != nil {
			return err
		}
	}
	fmt.Fprintln(t.w, t.paint(bold, s.title))
	if err := t.send(ctx, s.deliveries); err != nil {
		return err
	}
	return t.conclude(ctx, s)
}

// shuffled reports whether the events are to be sent in a random order.
func (t *trigger) shuffled() bool { return t.shuffle || t.seed != 0 }

// deliveries returns the events to send for the name of a sample or, with --file, of a provider. There are --count of them.
func (t *trigger) deliveries(name string) (list []delivery, err error) {
	var sample []byte
	if t.file != "" {
		sample, err = os.ReadFile(t.file)
	} else {
		name, sample, err = findSample(t.samples, name)
	}
	if err != nil {
		return nil, err
	}
	provider, _, _ := strings.Cut(name, "/")
	if err := t.prepare(provider); err != nil {
		return nil, err
	}
	step := time.Millisecond // the events happen one after the other, the last one now
	if t.shuffled() {
		step = time.Second // the times must show the order, and some providers give them in seconds
	}
	now := time.Now()
	for i := range t.count {
		d := delivery{name, provider, sample}
		if t.file == "" && !t.repeat {
			d.body, err = payload.Renew(t.signers[provider], sample, now.Add(time.Duration(i+1-t.count)*step))
		}
		if err == nil {
			d.body, err = assign(d.body, t.set)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// send sends events one by one, in a random order if the flags say so.
func (t *trigger) send(ctx context.Context, list []delivery) error {
	if t.shuffled() {
		if t.seed == 0 {
			t.seed = uint64(rand.Uint32()) + 1 //nolint:gosec // it is an order, not a secret
		}
		for i := range list {
			list[i].label += fmt.Sprintf(" #%d", i+1)
		}
		random := rand.New(rand.NewPCG(t.seed, 0)) //nolint:gosec // it must be repeatable
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		fmt.Fprintf(t.stderr, "in a random order; --seed %d repeats it\n", t.seed)
	}
	for i, d := range list {
		if i > 0 {
			if err := sleep(ctx, t.delay); err != nil {
				return err
			}
		}
		if err := t.sendOne(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (t *trigger) completeArgument(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		names, _ = sampleNames(t.samples)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (t *trigger) completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	titles, _ := scenarios(t.samples)
	return sortedKeys(titles), cobra.ShellCompDirectiveNoFileComp
}
