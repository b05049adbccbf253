package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/app/scenario"
)

// play sends what a scenario delivers, of people nobody has heard of, and tells how it ends.
func (t *trigger) play(ctx context.Context, p *player) error {
	story, err := t.story()
	if err != nil {
		return err
	}
	list := make([]message, len(story.Deliveries))
	for i, d := range story.Deliveries {
		list[i] = message{name: d.Sample, provider: d.Provider, body: d.Body}
		if t.shuffle {
			list[i].number = i + 1
		}
	}
	fmt.Fprintln(p.w, p.paint(bold, story.Title))
	if err := p.sendAll(ctx, list); err != nil {
		return err
	}
	if err := p.printCustomers(ctx); err != nil {
		return err
	}
	return p.expect(ctx, story.Expectations)
}

// story reads the scenario, as it never was before.
func (t *trigger) story() (scenario.Scenario, error) {
	names, err := scenario.Names(t.samples)
	if err != nil {
		return scenario.Scenario{}, err
	}
	if !slices.Contains(names, t.scenario) {
		return scenario.Scenario{}, usageError{fmt.Errorf("there is no scenario %q; did you mean %s? There are: %s",
			t.scenario, nearest(names, t.scenario), strings.Join(names, ", "))}
	}
	story, err := scenario.Read(t.samples, t.scenario)
	if err != nil {
		return story, err
	}
	return story.Retell(uuid.NewString()[:6], time.Now()), nil
}

// printCustomers lists whom the events were about.
func (p *player) printCustomers(ctx context.Context) error {
	if len(p.customers) == 0 {
		return nil
	}
	fmt.Fprintln(p.w)
	table := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "customer\tprovider\tsubject\tstatus\tdecided by\trisk\taml hold\tevents")
	for _, id := range p.customers {
		c, err := p.customer(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprint(table, id)
		for _, field := range []string{"provider", "subject_id", "status", "decided_by", "risk_level", "aml_hold", "revision"} {
			fmt.Fprint(table, "\t", written([]byte(gjson.GetBytes(c, field).Raw)))
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// expect checks what the scenario wants to be so in the end. Without the server's admin API nothing is checked.
func (p *player) expect(ctx context.Context, list []scenario.Expectation) error {
	if !p.reached {
		return nil
	}
	var wrong []error
	for _, x := range list {
		if err := x.Check(func(path string) ([]byte, error) { return p.admin.call(ctx, "GET", path) }); err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) == 0 {
		fmt.Fprintf(p.w, "%s: all %d expectations of the scenario hold\n", p.paint(green, "ok"), len(list))
	}
	return errors.Join(wrong...)
}
