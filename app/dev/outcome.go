package dev

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

const (
	outcomeTimeout  = 10 * time.Second // for the server to process an event
	followUpTimeout = 3 * time.Second  // for its follow-ups to be tried once
)

// snapshot is what was known of a customer before an event was sent.
type snapshot struct {
	known    bool            // the admin API was asked
	subject  string          // the provider's ID of the person that the body is about
	customer json.RawMessage // null if there was none
}

// snapshot asks for the customer that a body is about. If the admin API cannot be asked, the outcome says so.
func (p *player) snapshot(ctx context.Context, provider string, env handlers.Envelope, body []byte) (s snapshot) {
	facts, err := p.registry.Translate(models.Event{
		Provider: provider, Generation: env.Generation, Type: env.Type, ExternalID: env.ExternalID, Body: body,
		OccurredAt: models.At(env.OccurredAt), ReceivedAt: models.At(time.Now()),
	})
	if err != nil {
		return s
	}
	s.subject = facts.SubjectID
	id, err := p.customerOf(ctx, provider, facts)
	if s.known = err == nil; id > 0 {
		s.customer, err = p.customer(ctx, id)
		s.known = err == nil
	}
	return s
}

// customerOf returns the ID of the customer that facts are about, or 0 if there is none yet. Most events about a case name
// nobody: they are about the person that the case is linked to.
func (p *player) customerOf(ctx context.Context, provider string, facts models.Facts) (int64, error) {
	if facts.SubjectID != "" {
		query := url.Values{"provider": {provider}, "subject_id": {facts.SubjectID}}
		for c, err := range rows[models.Customer](ctx, p.admin, "customers", query, 1) {
			return c.ID, err
		}
		return 0, nil
	}
	if facts.Case == nil {
		return 0, nil
	}
	cases, err := newest[models.Case](ctx, p.admin, "cases", nil, maxPage)
	for _, k := range cases {
		if k.Provider == provider && k.CaseID == facts.Case.CaseID && k.CustomerID != nil {
			return *k.CustomerID, nil
		}
	}
	return 0, err
}

// customer returns a customer as the admin API has it, without its events.
func (p *player) customer(ctx context.Context, id int64) (json.RawMessage, error) {
	answer, err := p.admin.call(ctx, "GET", fmt.Sprintf("/api/customers/%d", id))
	if err != nil {
		return nil, err
	}
	return sjson.DeleteBytes(bytes.TrimSpace(answer), "events")
}

// errUnknownEvent says that the admin API does not have an event that was accepted.
var errUnknownEvent = errors.New("the event is not there")

// outcome waits until the server has processed the event, and prints what that changed.
func (p *player) outcome(ctx context.Context, provider string, body []byte, before snapshot, r *report) error {
	e, err := p.stored(ctx, provider, r.ExternalID, body)
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, outcomeTimeout)
		defer cancel()
		e, err = p.admin.await(wait, e.ID)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errUnknownEvent):
		fmt.Fprintf(p.w, "  the outcome is not known: %s\n", p.otherServer())
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("event %d was accepted, but not processed within %s%s", e.ID, outcomeTimeout, lastError(e))
	case err != nil:
		fmt.Fprintf(p.w, "  the outcome is not known: %v\n", err)
		return nil
	}
	p.connected = true
	r.EventID, r.Status, r.Outcome, r.Reason, r.Error = e.ID, string(e.Status), string(e.Outcome), e.Reason, e.Error
	line := fmt.Sprintf("  event %d: %s", e.ID, p.word(r.Status))
	if r.Outcome != "" {
		line += ", " + r.Outcome
	}
	if e.Reason != "" {
		line += " (" + clean(e.Reason) + ")"
	}
	fmt.Fprintln(p.w, line+lastError(e))
	return p.effects(ctx, e, before, r)
}

func lastError(e models.Event) string {
	if e.Error == "" {
		return ""
	}
	return ": " + clean(e.Error)
}

// stored returns the event with these bytes: others may be quarantined under its ID.
func (p *player) stored(ctx context.Context, provider, externalID string, body []byte) (models.Event, error) {
	events, err := newest[models.Event](ctx, p.admin, "events", url.Values{"provider": {provider}, "external_id": {externalID}}, maxPage)
	switch {
	case err != nil:
		return models.Event{}, err
	case len(events) == 0:
		return models.Event{}, errUnknownEvent
	case len(events) == 1:
		return events[0], nil
	}
	for _, e := range events {
		stored, err := p.admin.call(ctx, "GET", fmt.Sprintf("/api/events/%d/body", e.ID))
		if err != nil || bytes.Equal(stored, body) {
			return e, err
		}
	}
	return events[0], nil // a repetition with other bytes, under an ID that is derived
}

// effects prints what an event changed for its customer, and the follow-ups that it caused.
func (p *player) effects(ctx context.Context, e models.Event, before snapshot, r *report) error {
	id := gjson.GetBytes(before.customer, "id").Int() // for an event of a case, which names nobody
	if e.CustomerID != nil {
		id = *e.CustomerID
	}
	if id == 0 {
		return nil
	}
	after, err := p.customer(ctx, id)
	if err != nil {
		return err
	}
	if !slices.Contains(p.customers, id) {
		p.customers = append(p.customers, id)
	}
	r.CustomerBefore, r.CustomerAfter, r.Changes = before.customer, after, compare(before.customer, after)
	subject := gjson.GetBytes(after, "subject_id").Str
	p.printChanges(fmt.Sprintf("customer %d (%s)", id, clean(subject)), before.known && subject == before.subject, r)
	if p.verbose {
		text, err := indent(after)
		if err != nil {
			return fmt.Errorf("show customer: %w", err)
		}
		fmt.Fprintln(p.w, text)
	}
	if r.Answer == "duplicate" {
		return nil // its follow-ups were caused by an earlier delivery
	}
	return p.followUps(ctx, e.ID, r)
}

// followUps waits until the follow-ups of an event have been tried, and prints them.
func (p *player) followUps(ctx context.Context, event int64, r *report) error {
	wait, cancel := context.WithTimeout(ctx, followUpTimeout)
	defer cancel()
	var found []gjson.Result
	err := until(wait, func() (bool, error) {
		list, err := followUpsOf(ctx, p.admin, "event_id", strconv.FormatInt(event, 10))
		if err != nil {
			return false, err
		}
		found = list
		return !slices.ContainsFunc(list, func(f gjson.Result) bool { return f.Get("status").Str == "waiting" && f.Get("attempts").Int() == 0 }), nil
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	for _, f := range slices.Backward(found) { // the admin API has the newest first
		r.FollowUps = append(r.FollowUps, json.RawMessage(f.Raw))
		name, status, why := f.Get("name").Str, f.Get("status").Str, cmp.Or(f.Get("error").Str, f.Get("note").Str)
		fmt.Fprintf(p.w, "  → follow-up %s: %s", clean(name), p.word(status))
		if room := lineWidth(p.stdout) - len("  → follow-up : ()") - len(name+status); why != "" {
			fmt.Fprintf(p.w, " (%s)", shorten(clean(why), max(room, 20)))
		}
		fmt.Fprintln(p.w)
	}
	return nil
}

// change is what an event did to one field of a customer.
type change struct {
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// hidden are the fields of a customer that never change, change with each event, or follow from others.
var hidden = []string{"id", "provider", "subject_id", "status_at", "revision", "created_at", "updated_at", "decisions"}

// summaries are what matters of each fact in a list.
var summaries = map[string][]string{
	"checks": {"kind", "status"}, "hits": {"hit_id", "resolution"}, "cases": {"case_id", "status", "resolution", "escalated_to", "assignee"},
}

// compare returns the fields that differ. Of a new customer it returns those that say something.
func compare(before, after json.RawMessage) map[string]change {
	changes, old := map[string]change{}, gjson.ParseBytes(before)
	gjson.ParseBytes(after).ForEach(func(key, value gjson.Result) bool {
		c := change{summary(key.Str, old.Get(key.Str)), summary(key.Str, value)}
		said := len(before) > 0 || readable(c.After) != nothing && string(c.After) != "false"
		if said && !slices.Contains(hidden, key.Str) && !bytes.Equal(c.Before, c.After) {
			changes[key.Str] = c
		}
		return true
	})
	return changes
}

// summary is a field's value, and of a list of facts what matters of each.
func summary(field string, value gjson.Result) json.RawMessage {
	members, isList := summaries[field]
	if !isList || !value.Exists() {
		return json.RawMessage(cmp.Or(value.Raw, "null"))
	}
	list := []byte("[]")
	for _, fact := range value.Array() {
		var words []string
		for _, m := range members {
			if word := fact.Get(m).Str; word != "" {
				words = append(words, word)
			}
		}
		list, _ = sjson.SetBytes(list, "-1", strings.Join(words, " ")) // it cannot fail
	}
	return list
}

// nothing stands for a value that is not there.
const nothing = "–"

// readable is a value as people read it.
func readable(raw json.RawMessage) string { return cmp.Or(clean(text(gjson.ParseBytes(raw))), nothing) }

// printChanges prints what an event did to a customer.
func (p *player) printChanges(who string, known bool, r *report) {
	isNew := len(r.CustomerBefore) == 0
	switch {
	case isNew && known:
		fmt.Fprintf(p.w, "  new %s\n", who)
	case isNew:
		fmt.Fprintf(p.w, "  %s, whose earlier state is not known\n", who)
	case len(r.Changes) == 0:
		fmt.Fprintf(p.w, "  %s: no change\n", who)
	default:
		fmt.Fprintf(p.w, "  %s\n", who)
	}
	gjson.ParseBytes(r.CustomerAfter).ForEach(func(field, _ gjson.Result) bool {
		c, changed := r.Changes[field.Str]
		if !changed {
			return true
		}
		value := readable(c.After)
		switch {
		case field.Str == "aml_hold" && value == "true":
			value = p.paint(red, value)
		case strings.HasSuffix(field.Str, "status"):
			value = p.word(value)
		}
		if !isNew {
			value = p.paint(grey, readable(c.Before)+" →") + " " + value
		}
		fmt.Fprintf(p.w, "    %s: %s\n", field.Str, value)
		return true
	})
}
