package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// change is what became of one field of a customer.
type change struct {
	field  string
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// changes are printed as an object of their fields.
type changes []change

// MarshalJSON implements json.Marshaler.
func (cs changes) MarshalJSON() ([]byte, error) {
	object := map[string]change{}
	for _, c := range cs {
		object[c.field] = c
	}
	return json.Marshal(object)
}

// unshown are the fields of a customer that change with every event or never, and those that others follow from.
var unshown = []string{"id", "provider", "subject_id", "status_at", "revision", "created_at", "updated_at", "decisions"}

// summaries say what matters of the facts that a customer has lists of.
var summaries = map[string]func(gjson.Result) string{
	"checks": func(c gjson.Result) string { return c.Get("kind").String() + " " + c.Get("status").String() },
	"hits": func(h gjson.Result) string {
		if r := h.Get("resolution").String(); r != "" {
			return h.Get("hit_id").String() + " " + r
		}
		return h.Get("hit_id").String() + " open"
	},
	"cases": func(k gjson.Result) string {
		state, with := k.Get("status").String(), k.Get("escalated_to").String()
		if state == "" {
			state = "open"
		}
		if k.Get("resolution").String() != "" {
			state = "resolved"
		}
		if with == "" {
			with = k.Get("assignee").String()
		}
		if with != "" {
			state += " (" + with + ")"
		}
		return k.Get("case_id").String() + " " + state
	},
}

// compareCustomers lists what differs, in the order of the admin API's fields. before is null if there was no customer.
func compareCustomers(before, after json.RawMessage) (list changes) {
	was := gjson.ParseBytes(before)
	gjson.ParseBytes(after).ForEach(func(key, is gjson.Result) bool {
		field := key.String()
		if slices.Contains(unshown, field) {
			return true
		}
		c := change{field, summary(field, was.Get(field)), summary(field, is)}
		if !bytes.Equal(c.Before, c.After) && (len(before) > 0 || written(c.After) != nothing && string(c.After) != "false") {
			list = append(list, c)
		}
		return true
	})
	return list
}

// summary is a field's value, where it has facts that of what matters of them.
func summary(field string, value gjson.Result) json.RawMessage {
	if !value.Exists() {
		return json.RawMessage("null")
	}
	words, isList := summaries[field]
	if !isList {
		return json.RawMessage(value.Raw)
	}
	texts := []string{}
	for _, fact := range value.Array() {
		texts = append(texts, words(fact))
	}
	raw, err := json.Marshal(texts)
	if err != nil {
		panic(err) // texts always marshal
	}
	return raw
}

// nothing stands for what is not there.
const nothing = "–"

// written is a value as people read it.
func written(raw json.RawMessage) string {
	value := gjson.ParseBytes(raw)
	text := value.String()
	if value.IsArray() {
		var list []string
		for _, v := range value.Array() {
			list = append(list, v.String())
		}
		text = strings.Join(list, ", ")
	}
	if text == "" {
		return nothing
	}
	return text
}

// meanings are the values that say something is well, is not, or waits for somebody.
var meanings = map[string]string{
	"status verified": green, "status failed": red, "status rejected": red, "status in_review": yellow,
	"aml_hold true": red, "aml_hold false": green, "screening_status hit": red, "screening_status clear": green,
}

// printChanges prints what became of a customer.
func (p *player) printChanges(id int64, isNew bool, r *report) {
	who := fmt.Sprintf("customer %d (%s)", id, gjson.GetBytes(r.CustomerAfter, "subject_id"))
	switch {
	case isNew:
		fmt.Fprintf(p.w, "  new %s\n", who)
	case len(r.CustomerBefore) == 0:
		fmt.Fprintf(p.w, "  %s, of whom it is not known what they were before\n", who)
	case len(r.Changes) == 0:
		fmt.Fprintf(p.w, "  %s: no change\n", who)
	default:
		fmt.Fprintf(p.w, "  %s\n", who)
	}
	for _, c := range r.Changes {
		after := written(c.After)
		value := after
		if colour, found := meanings[c.field+" "+after]; found {
			value = p.paint(colour, after)
		}
		if len(r.CustomerBefore) > 0 {
			value = p.paint(grey, written(c.Before)+" →") + " " + value
		}
		fmt.Fprintf(p.w, "    %s: %s\n", c.field, value)
	}
}

// printCustomer prints the whole customer as JSON.
func (p *player) printCustomer(customer json.RawMessage) error {
	var text bytes.Buffer
	if err := json.Indent(&text, customer, "  ", "  "); err != nil {
		return fmt.Errorf("read customer: %w", err)
	}
	fmt.Fprintf(p.w, "  %s\n", &text)
	return nil
}
