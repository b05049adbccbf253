package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"example.com/identity-webhooks/handlers"
)

// trigger is the command that plays a provider.
type trigger struct {
	Env
	url, secret, file, scenario string

	set, setNew []string
	repeat      bool
	count, dup  int
	delay       time.Duration
	shuffle     bool
	seed        uint64

	badSignature, stale bool
	verbose, json       bool
}

func newTrigger(e Env) *cobra.Command {
	t := &trigger{Env: e}
	cmd := &cobra.Command{
		Use:   "trigger [<provider>/<event type>]",
		Short: "Sign a sample webhook and send it as the provider would",
		Long: `Signs a sample of testdata with the server's own secret and sends it to the
server as the provider would. It prints the answer, what changed for the
customer, and the follow-ups. Each event gets a new ID and the present time,
unless --repeat or --set says otherwise.

Without an argument it lists the samples and scenarios.`,
		Example: `  go run . trigger trustgate/applicant.reviewed
  go run . trigger trustgate/applicant.reviewed --set data.status=rejected
  go run . trigger trustgate --file my-payload.json
  go run . trigger trustgate/v1/case.created --count 3 --delay 2s
  go run . trigger trst/enrollment.completed --dup 3
  go run . trigger trustgate/applicant.reviewed --bad-signature
  go run . trigger --scenario green-then-red --shuffle
  go run . trigger trst/webhook.test --url https://example.ngrok.app --secret x`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: t.completeArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.Flags().NFlag() == 0 {
				return listSamples(cmd.OutOrStdout(), e.Samples)
			}
			if err := t.check(args); err != nil {
				return UsageError{err}
			}
			return t.run(cmd, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.url, "url", "", "send to this server instead of the one at ADDR")
	f.StringVar(&t.secret, "secret", "", "sign with this secret instead of the configured one")
	f.StringVar(&t.file, "file", "", "send the body in this file, byte for byte")
	f.StringVar(&t.scenario, "scenario", "", "play a scenario of testdata, with new customers")
	f.StringArrayVar(&t.set, "set", nil, "change a field, as in data.flags.0=pep; repeatable")
	f.StringArrayVar(&t.setNew, "set-new", nil, "add a field that the payload lacks; repeatable")
	f.BoolVar(&t.repeat, "repeat", false, "keep the sample's ID and times")
	f.IntVar(&t.count, "count", 1, "how many events to send")
	f.IntVar(&t.dup, "dup", 1, "how often to deliver each event at once")
	f.DurationVar(&t.delay, "delay", 0, "how long to wait between events")
	f.BoolVar(&t.shuffle, "shuffle", false, "send the events in a random order")
	f.Uint64Var(&t.seed, "seed", 0, "repeat the order that --shuffle printed this for")
	f.BoolVar(&t.badSignature, "bad-signature", false, "sign with a wrong secret, to be refused")
	f.BoolVar(&t.stale, "stale", false, "sign as of 10 minutes ago, to be refused")
	f.BoolVar(&t.verbose, "verbose", false, "also print the whole customer")
	addJSON(cmd, &t.json, "event")
	for _, other := range []string{"file", "set", "set-new", "repeat", "count", "bad-signature", "stale"} {
		cmd.MarkFlagsMutuallyExclusive("scenario", other)
	}
	for _, pair := range [][2]string{
		{"bad-signature", "stale"}, {"bad-signature", "secret"}, {"bad-signature", "dup"}, {"stale", "dup"}, {"repeat", "shuffle"},
		{"repeat", "seed"}, {"verbose", "json"},
	} {
		cmd.MarkFlagsMutuallyExclusive(pair[0], pair[1])
	}
	for flag, complete := range map[string]cobra.CompletionFunc{"scenario": t.completeScenario, "set": t.completePath} {
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

// check refuses what makes no sense, before anything is done.
func (t *trigger) check(args []string) error {
	switch {
	case len(args) > 0 && t.scenario != "":
		return fmt.Errorf("--scenario decides what is sent: leave out %s", args[0])
	case len(args) == 0 && t.file != "":
		return fmt.Errorf("--file needs a provider: trigger <provider> --file %s", t.file)
	case len(args) == 0 && t.scenario == "":
		return errors.New("the flags need a sample or a scenario: trigger <provider>/<event type>, or trigger --scenario <name>")
	case t.delay < 0:
		return fmt.Errorf("--delay is %s: want 0s or more", t.delay)
	}
	return errors.Join(atLeastOne("count", t.count), atLeastOne("dup", t.dup))
}

// message is an event to be sent.
type message struct {
	name     string // of the sample; of the provider if the body comes from a file
	provider string
	number   int // the place in the order in which the events happened, from 1; 0 if they are sent in that order

	// body returns the bytes to send at a time.
	body func(p handlers.Provider, at time.Time) ([]byte, error)
}

// label is how the output names a message.
func (m message) label() string {
	if m.number == 0 {
		return m.name
	}
	return fmt.Sprintf("%s #%d", m.name, m.number)
}

// run sends what the flags ask for. Nothing is sent if a mistake can be found before.
func (t *trigger) run(cmd *cobra.Command, args []string) error {
	p, err := newPlayer(t, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	if t.scenario != "" {
		return t.play(cmd.Context(), p)
	}
	list, err := t.messages(args[0])
	if err != nil {
		return err
	}
	return t.send(cmd.Context(), p, list)
}

// shuffled reports whether the events are to be sent in a random order.
func (t *trigger) shuffled() bool { return t.shuffle || t.seed != 0 }

// messages returns the events to send for a name: --count of them. If they are shuffled, each has happened a second after the
// one before.
func (t *trigger) messages(name string) ([]message, error) {
	var sample []byte
	var err error
	if t.file != "" {
		sample, err = os.ReadFile(t.file)
	} else {
		name, sample, err = findSample(t.Samples, name)
	}
	if err != nil {
		return nil, err
	}
	list, last := make([]message, t.count), time.Now()
	for i := range list {
		m := message{name: name}
		m.provider, _, _ = strings.Cut(name, "/")
		if t.shuffled() {
			m.number = i + 1
		}
		m.body = func(p handlers.Provider, at time.Time) (body []byte, err error) {
			if m.number > 0 { // whatever the order in which they are sent
				at = last.Add(time.Duration(m.number-t.count) * time.Second)
			}
			body = sample
			if t.file == "" && !t.repeat {
				if body, err = renew(p, sample, at); err != nil {
					return nil, fmt.Errorf("renew %s: %w", name, err)
				}
			}
			return assign(body, t.set, t.setNew)
		}
		list[i] = m
	}
	return list, nil
}

// send sends messages one by one, in a random order if that is asked for.
func (t *trigger) send(ctx context.Context, p *player, list []message) error {
	for _, m := range list {
		if err := p.prepare(m); err != nil {
			return err
		}
	}
	if t.shuffled() {
		if t.seed == 0 {
			t.seed = uint64(rand.Uint32()) + 1 //nolint:gosec // it is an order, not a secret
		}
		random := rand.New(rand.NewPCG(t.seed, 0)) //nolint:gosec // it must be repeatable
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		fmt.Fprintf(p.w, "in a random order; --seed %d repeats it\n", t.seed)
	}
	for i, m := range list {
		if i > 0 {
			if err := sleep(ctx, t.delay); err != nil {
				return err
			}
		}
		if err := p.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// play sends what a scenario delivers, and checks what it expects.
func (t *trigger) play(ctx context.Context, p *player) error {
	names, err := scenarioNames(t.Samples)
	if err != nil {
		return err
	}
	if near := nearest(names, t.scenario); near != t.scenario {
		return UsageError{fmt.Errorf("there is no scenario %q; did you mean %s? (trigger without an argument lists all)", t.scenario, near)}
	}
	s, err := readScenario(t.Samples, t.scenario, uuid.NewString()[:6], time.Now().AddDate(0, 0, -1))
	if err != nil {
		return err
	}
	var list []message
	for i, d := range s.deliveries {
		m := message{name: d.sample, provider: d.provider}
		m.body = func(handlers.Provider, time.Time) ([]byte, error) { return d.body, nil }
		if t.shuffled() {
			m.number = i + 1
		}
		list = append(list, m)
	}
	fmt.Fprintln(p.w, p.paint(bold, s.title))
	if err := t.send(ctx, p, list); err != nil {
		return err
	}
	return p.conclude(ctx, s)
}

// conclude shows the customers of a scenario as they are in the end, and checks what the scenario expects. Rows that other
// runs may have added to are not counted.
func (p *player) conclude(ctx context.Context, s scenario) error {
	if !p.connected {
		return nil // the admin API is another server's, which is already said
	}
	var people []json.RawMessage
	for _, id := range p.customers {
		raw, err := p.customer(ctx, id)
		if err != nil {
			return err
		}
		people = append(people, raw)
	}
	fmt.Fprintln(p.w)
	customerList().printer(p.w)(people)
	var wrong []error
	checked := 0
	for _, x := range s.expectations {
		if !x.shared {
			checked++
			if err := x.check(ctx, p.admin); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	if len(wrong) == 0 {
		fmt.Fprintf(p.w, "%s: all %d expectations of the scenario hold\n", p.word("ok"), checked)
	}
	return errors.Join(wrong...)
}

// completeArgument offers the samples, or the providers if the body comes from a file.
func (t *trigger) completeArgument(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) > 0 || t.scenario != "":
		return nil, cobra.ShellCompDirectiveNoFileComp
	case t.file != "":
		return handlers.ProviderNames(), cobra.ShellCompDirectiveNoFileComp
	}
	return offer(sampleNames(t.Samples))
}

func (t *trigger) completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return offer(scenarioNames(t.Samples))
}

// completePath offers the fields of the sample that is the command's argument.
func (t *trigger) completePath(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, body, err := findSample(t.Samples, args[0])
	var fields []string
	for _, field := range sortedKeys(paths(body)) {
		fields = append(fields, field+"=")
	}
	fields, directive := offer(fields, err)
	return fields, directive | cobra.ShellCompDirectiveNoSpace
}

func offer(words []string, err error) ([]string, cobra.ShellCompDirective) {
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
