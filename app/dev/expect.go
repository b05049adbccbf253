package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// expectation is what must be known when all that a scenario delivers is processed.
type expectation struct {
	line   string // of the file
	shared bool   // it counts rows that other runs may have added to
	kind   string
	ids    []string     // whose it is: the provider, and the IDs below it
	fields []assignment // of events and customers to count: what selects them
	count  int          // how many rows there must be
}

// expectations are the kinds of expectation: how many IDs each takes, and how it is written.
var expectations = map[string]struct {
	ids  int
	form string
}{
	"":          {2, "<provider> <subject> field=value …"},
	"nobody":    {2, "nobody <provider> <subject>"},
	"case":      {2, "case <provider> <case ID> field=value …"},
	"company":   {2, "company <provider> <company ID> field=value …"},
	"hit":       {3, "hit <provider> <subject> <hit ID> field=value …"},
	"events":    {0, "events [filter=value …] count=<number>"},
	"customers": {0, "customers [filter=value …] count=<number>"},
}

// newExpectation reads the words after expect.
func newExpectation(words []string) (expectation, error) {
	x := expectation{count: 1}
	isProvider := func(word string) bool { return slices.Contains(handlers.ProviderNames(), word) }
	if len(words) > 0 && !isProvider(words[0]) {
		x.kind, words = words[0], words[1:]
	}
	is, known := expectations[x.kind]
	if !known {
		return x, fmt.Errorf("got %q: want a provider, nobody, case, company, hit, events or customers", x.kind)
	}
	wrong := fmt.Errorf("want expect %s", is.form)
	if len(words) < is.ids || is.ids > 0 && !isProvider(words[0]) {
		return x, wrong
	}
	x.ids = words[:is.ids]
	for _, w := range words[is.ids:] {
		a, err := parseAssignment(w)
		if err != nil {
			return x, fmt.Errorf("got %w", err)
		}
		x.fields = append(x.fields, a)
	}
	last := len(x.fields) - 1
	switch {
	case (x.kind == "nobody") != (last < 0):
		return x, wrong
	case x.kind == "nobody":
		x.count = 0
	case is.ids == 0:
		if x.fields[last].path != "count" || json.Unmarshal(x.fields[last].value, &x.count) != nil {
			return x, wrong
		}
		x.fields = x.fields[:last]
	}
	return x, nil
}

// check returns how the expectation fails, or nil.
func (x expectation) check(ctx context.Context, a admin) error {
	found, err := x.find(ctx, a)
	if err != nil {
		return fmt.Errorf("%s: %w", x.line, err)
	}
	if len(found) != x.count {
		return fmt.Errorf("%s: there are %d, want %d", x.line, len(found), x.count)
	}
	if len(x.ids) == 0 {
		return nil
	}
	var wrong []string
	for _, f := range x.fields {
		got := found[0].Get(f.path)
		switch {
		case !got.Exists():
			wrong = append(wrong, "there is no "+f.path)
		case !reflect.DeepEqual(got.Value(), gjson.ParseBytes(f.value).Value()):
			wrong = append(wrong, f.path+" is "+got.Raw)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s: %s", x.line, strings.Join(wrong, ", "))
	}
	return nil
}

// find returns the rows that the expectation is about, as the admin API has them.
func (x expectation) find(ctx context.Context, a admin) ([]gjson.Result, error) {
	list := func(name string, query url.Values, where ...string) (found []gjson.Result, err error) {
		for raw, err := range rows[json.RawMessage](ctx, a, name, query, maxPage) {
			if err != nil {
				return nil, err
			}
			if row := gjson.ParseBytes(raw); matches(row, where) {
				found = append(found, row)
			}
		}
		return found, nil
	}
	switch x.kind {
	case "events", "customers":
		query := url.Values{}
		for _, f := range x.fields {
			query.Set(f.path, gjson.ParseBytes(f.value).String())
		}
		return list(x.kind, query)
	case "case":
		return list("cases", nil, "provider", x.ids[0], "case_id", x.ids[1])
	case "company":
		return list("companies", nil, "provider", x.ids[0], "company_id", x.ids[1])
	}
	customers, err := list("customers", url.Values{"provider": {x.ids[0]}, "subject_id": {x.ids[1]}})
	if err != nil || len(customers) == 0 || x.kind == "nobody" {
		return customers, err
	}
	answer, err := a.call(ctx, "GET", "/api/customers/"+customers[0].Get("id").Raw)
	customer := gjson.ParseBytes(answer)
	if err != nil || x.kind != "hit" {
		return []gjson.Result{customer}, err
	}
	return slices.DeleteFunc(customer.Get("hits").Array(), func(h gjson.Result) bool { return h.Get("hit_id").Str != x.ids[2] }), nil
}

// matches reports whether a row's members have the texts that follow their names.
func matches(row gjson.Result, where []string) bool {
	for i := 0; i < len(where); i += 2 {
		if row.Get(where[i]).String() != where[i+1] {
			return false
		}
	}
	return true
}
