package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// expectation is a condition that must hold when all events of a scenario are processed.
type expectation struct {
	line   string
	shared bool         // it may count rows of other runs
	list   string       // of the admin API
	where  url.Values   // selects the rows
	count  int          // how many rows there must be
	fields []assignment // the values that the row must have, if there must be one row
}

// kinds has the kinds of expectations, each with a list of the admin API and the parameters that select a row. The last two
// count rows.
var kinds = map[string]struct {
	list string
	keys []string
}{
	"":          {"customers", []string{"provider", "subject_id"}},
	"nobody":    {"customers", []string{"provider", "subject_id"}},
	"hit":       {"customers", []string{"provider", "subject_id", "hit_id"}},
	"case":      {"cases", []string{"provider", "case_id"}},
	"company":   {"companies", []string{"provider", "company_id"}},
	"events":    {"events", nil},
	"customers": {"customers", nil},
}

// errExpectation says how an expectation is written. The doc comment of scenario has examples.
var errExpectation = errors.New("want expect [nobody, case, company or hit] <provider> <ID> [field=value …], " +
	"or expect events or customers [field=value …] count=<number>")

// readExpectation reads the words after expect.
func readExpectation(words []string) (expectation, error) {
	x := expectation{line: strings.Join(words, " "), where: url.Values{}, count: 1}
	isProvider := func(word string) bool { return slices.Contains(handlers.ProviderNames(), word) }
	kind := ""
	if len(words) > 0 && !isProvider(words[0]) {
		kind, words = words[0], words[1:]
	}
	k, known := kinds[kind]
	if !known || len(words) < len(k.keys) || k.keys != nil && !isProvider(words[0]) || kind == "nobody" && len(words) > 2 {
		return x, errExpectation
	}
	x.list, x.shared = k.list, k.keys == nil
	for i, key := range k.keys {
		x.where.Set(key, words[i])
	}
	within := "" // the part of the row that the fields belong to
	switch kind {
	case "nobody":
		x.count = 0
	case "hit":
		within = fmt.Sprintf("hits.#(hit_id==%q).", x.where.Get("hit_id"))
		x.where.Del("hit_id")
	}
	for _, w := range words[len(k.keys):] {
		a, err := parseAssignment(w)
		switch {
		case err != nil:
			return x, err
		case k.keys != nil:
			x.fields = append(x.fields, assignment{within + a.path, a.value})
		case a.path != "count":
			x.where.Set(a.path, gjson.ParseBytes(a.value).String())
		case json.Unmarshal(a.value, &x.count) != nil:
			return x, errExpectation
		}
	}
	return x, nil
}

// check returns an error if the expectation is not met.
func (x expectation) check(ctx context.Context, a admin) error {
	found, err := find(ctx, a, x.list, x.where)
	if err == nil && len(found) != x.count {
		err = fmt.Errorf("there are %d, want %d", len(found), x.count)
	}
	if err == nil && x.list == "customers" && len(x.fields) > 0 {
		found[0], err = getCustomer(ctx, a, found[0].Get("id").Int())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", x.line, err)
	}
	var wrong []error
	for _, f := range x.fields {
		got := found[0].Get(f.path)
		if !got.Exists() || !reflect.DeepEqual(got.Value(), gjson.ParseBytes(f.value).Value()) {
			wrong = append(wrong, fmt.Errorf("%s: %s is %s", x.line, f.path, cmp.Or(got.Raw, "missing")))
		}
	}
	return errors.Join(wrong...)
}

// find returns the rows of a list of the admin API whose members have these values, the newest first.
func find(ctx context.Context, a admin, list string, where url.Values) (found []gjson.Result, err error) {
	query := where
	if list == "cases" || list == "companies" {
		query = nil // the admin API has no filters for them
	}
	for raw, err := range rows[json.RawMessage](ctx, a, list, query, maxPage) {
		if err != nil {
			return nil, err
		}
		row, differs := gjson.ParseBytes(raw), false
		for member := range where {
			differs = differs || row.Get(member).String() != where.Get(member)
		}
		if !differs {
			found = append(found, row)
		}
	}
	return found, nil
}
