package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

// report is what --json prints about an event. Unknown values are zero or null.
type report struct {
	Sample     string         `json:"sample"` // the name of the sample; with a number, if the events are shuffled
	HTTPStatus int            `json:"http_status"`
	Answers    map[string]int `json:"answers"` // accepted, duplicate or an error code, and how often
	Error      string         `json:"error"`   // what went wrong

	Event          *models.Event     `json:"event"`           // as the admin API returns it
	CustomerBefore json.RawMessage   `json:"customer_before"` // null if there was none
	CustomerAfter  json.RawMessage   `json:"customer_after"`  // null if the event is about nobody
	FollowUps      []json.RawMessage `json:"follow_ups"`
}

// customerOf returns the customer that an event is about, before it is sent. Most events about a case name no person: they
// are about the person that the case is linked to.
func (t *trigger) customerOf(ctx context.Context, d delivery, e handlers.Envelope) (customer gjson.Result, err error) {
	facts, err := t.registry.Translate(models.Event{
		Provider: d.provider, Generation: e.Generation, Type: e.Type, ExternalID: e.ExternalID, Body: d.body,
		OccurredAt: models.At(e.OccurredAt), ReceivedAt: models.At(time.Now()),
	})
	list, member, where := "customers", "id", url.Values{"provider": {d.provider}}
	switch {
	case err != nil || facts.SubjectID == "" && facts.Case == nil:
		return customer, nil
	case facts.SubjectID != "":
		where.Set("subject_id", facts.SubjectID)
	default:
		list, member = "cases", "customer_id"
		where.Set("case_id", facts.Case.CaseID)
	}
	found, err := find(ctx, t.admin, list, where)
	if err != nil || len(found) == 0 || found[0].Get(member).Int() == 0 {
		return customer, err
	}
	return getCustomer(ctx, t.admin, found[0].Get(member).Int())
}

// getCustomer returns a customer as the admin API does, but without the list of events, which may be long.
func getCustomer(ctx context.Context, a admin, id int64) (gjson.Result, error) {
	answer, err := a.call(ctx, http.MethodGet, fmt.Sprintf("/api/customers/%d", id))
	if err == nil {
		answer, err = sjson.DeleteBytes(answer, "events")
	}
	return gjson.ParseBytes(answer), err
}

// outcome waits until the server has processed the event with an ID of the provider, and prints what it changed.
func (t *trigger) outcome(ctx context.Context, provider, externalID string, before gjson.Result, r *report) error {
	found, err := find(ctx, t.admin, "events", url.Values{"provider": {provider}, "external_id": {externalID}})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return apiError{text: t.admin.base + " belongs to another server (see ADMIN_ADDR)"}
	}
	stored := found[0] // the newest: other events with its ID may be quarantined
	isRepeated := r.Answers["duplicate"] > 0 && r.Answers["accepted"] == 0
	if isRepeated {
		stored = found[len(found)-1]
	}
	wait, cancel := context.WithTimeout(ctx, outcomeTimeout)
	defer cancel()
	e, err := t.admin.await(wait, stored.Get("id").Int())
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("event %d was accepted, but not processed within %s%s", e.ID, outcomeTimeout, detail(e))
	}
	if err != nil {
		return err
	}
	t.connected, r.Event = true, &e
	fmt.Fprintf(t.w, "  event %d: %s%s\n", e.ID, t.word(string(e.Status)), detail(e))
	customer := before.Get("id").Int() // for an event about a case, which names no person
	if e.CustomerID != nil {
		customer = *e.CustomerID
	}
	if customer == 0 {
		return nil
	}
	after, err := getCustomer(ctx, t.admin, customer)
	if err != nil {
		return err
	}
	r.CustomerBefore, r.CustomerAfter = json.RawMessage(cmp.Or(before.Raw, "null")), json.RawMessage(after.Raw)
	t.printCustomer(before, after)
	if isRepeated {
		return nil // its follow-ups were caused by an earlier delivery
	}
	return t.followUps(ctx, e.ID, r)
}

// detail returns the outcome, the reason and the error of an event, for the line with its status.
func detail(e models.Event) (text string) {
	if e.Outcome != "" {
		text += ", " + string(e.Outcome)
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Error != "" {
		text += ": " + e.Error
	}
	return clean(text)
}

// hidden are the fields of a customer that never change, change with each event, or follow from other fields.
var hidden = []string{"id", "provider", "subject_id", "status_at", "revision", "created_at", "updated_at", "decisions"}

// printCustomer prints what an event changed: the fields that differ or, for a new customer, the fields that are set.
func (t *trigger) printCustomer(before, after gjson.Result) {
	who := fmt.Sprintf("customer %d (%s)", after.Get("id").Int(), clean(after.Get("subject_id").Str))
	var lines []string
	after.ForEach(func(field, value gjson.Result) bool {
		old, now := summary(field.Str, before.Get(field.Str)), summary(field.Str, value)
		if slices.Contains(hidden, field.Str) || old == now || !before.Exists() && now == "false" {
			return true
		}
		now = cmp.Or(now, "–")
		switch {
		case field.Str == "aml_hold" && now == "true":
			now = t.paint(red, now)
		case strings.HasSuffix(field.Str, "status"):
			now = t.word(now)
		}
		if before.Exists() {
			now = t.paint(grey, cmp.Or(old, "–")+" →") + " " + now
		}
		lines = append(lines, fmt.Sprintf("    %s: %s\n", field.Str, now))
		return true
	})
	switch {
	case !before.Exists():
		who = "new " + who
	case len(lines) == 0:
		who += ": no change"
	}
	fmt.Fprintf(t.w, "  %s\n%s", who, strings.Join(lines, ""))
}

// summarized has the lists of a customer, with the members of a row that are shown.
var summarized = map[string][]string{
	"checks": {"kind", "status"},
	"hits":   {"hit_id", "resolution"},
	"cases":  {"case_id", "status", "resolution", "escalated_to", "assignee"},
}

// summary is the value of a field on one line.
func summary(field string, v gjson.Result) string {
	if summarized[field] == nil {
		return clean(text(v))
	}
	var rows []string
	for _, row := range v.Array() {
		words := ""
		for _, member := range summarized[field] {
			words += row.Get(member).Str + " "
		}
		rows = append(rows, strings.Join(strings.Fields(words), " "))
	}
	return clean(strings.Join(rows, ", "))
}

// followUps waits until the follow-ups of an event have been tried, and prints them.
func (t *trigger) followUps(ctx context.Context, event int64, r *report) error {
	wait, cancel := context.WithTimeout(ctx, followUpTimeout)
	defer cancel()
	isUntried := func(f gjson.Result) bool { return f.Get("status").Str == "waiting" && f.Get("attempts").Int() == 0 }
	var found []gjson.Result
	err := until(wait, func() (bool, error) {
		list, err := find(ctx, t.admin, "follow_ups", url.Values{"event_id": {strconv.FormatInt(event, 10)}})
		if err == nil {
			found = list
		}
		return !slices.ContainsFunc(list, isUntried), err
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for _, f := range slices.Backward(found) { // the admin API has the newest first
		r.FollowUps = append(r.FollowUps, json.RawMessage(f.Raw))
		name, status, why := clean(f.Get("name").Str), f.Get("status").Str, clean(cmp.Or(f.Get("error").Str, f.Get("note").Str))
		if why != "" {
			room := lineWidth(t.stdout) - len("  → follow-up : ()") - len(name+status)
			why = " (" + shorten(why, max(room, 20)) + ")"
		}
		fmt.Fprintf(t.w, "  → follow-up %s: %s%s\n", name, t.word(status), why)
	}
	return nil
}
