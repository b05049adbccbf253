package scenario

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// Expectation is what must be known when all that a scenario delivers is processed. Text is its line in the file.
type Expectation struct {
	Text   string
	kind   string
	ids    []string // whose it is: the provider, and the IDs below it
	fields []Member // of the events and customers to count: what selects them
	count  int      // how many there must be
}

// expectations are the kinds of Expectation: how many IDs each takes, and how it is written.
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
func newExpectation(words []string) (x Expectation, err error) {
	x.count = 1
	if len(words) > 0 && !slices.Contains(handlers.ProviderNames(), words[0]) {
		x.kind, words = words[0], words[1:]
	}
	is, known := expectations[x.kind]
	if !known {
		return x, fmt.Errorf("got %q: want a provider, nobody, case, company, hit, events or customers", x.kind)
	}
	wrong := fmt.Errorf("want expect %s", is.form)
	if len(words) < is.ids || is.ids > 0 && !slices.Contains(handlers.ProviderNames(), words[0]) {
		return x, wrong
	}
	x.ids = words[:is.ids]
	if x.fields, err = members(words[is.ids:]); err != nil {
		return x, err
	}
	switch last := len(x.fields) - 1; {
	case x.kind == "nobody":
		x.count = 0
		if last >= 0 {
			return x, wrong
		}
	case last < 0:
		return x, wrong
	case is.ids == 0:
		n := gjson.ParseBytes(x.fields[last].Value)
		if x.fields[last].Path != "count" || n.Type != gjson.Number {
			return x, wrong
		}
		x.count, x.fields = int(n.Int()), x.fields[:last]
	}
	return x, nil
}

// Check reports how the expectation fails, or nil. It reads the admin API through get, which returns the body of the answer
// at a path.
func (x Expectation) Check(get func(path string) ([]byte, error)) error {
	found, err := x.find(get)
	if err != nil {
		return fmt.Errorf("%s: %w", x.Text, err)
	}
	if len(found) != x.count {
		return fmt.Errorf("%s: there are %d, want %d", x.Text, len(found), x.count)
	}
	if len(x.ids) == 0 {
		return nil
	}
	var wrong []string
	for _, f := range x.fields {
		if got := found[0].Get(f.Path); !got.Exists() {
			wrong = append(wrong, "there is no "+f.Path)
		} else if !reflect.DeepEqual(got.Value(), gjson.ParseBytes(f.Value).Value()) {
			wrong = append(wrong, f.Path+" is "+got.Raw)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s: %s", x.Text, strings.Join(wrong, ", "))
	}
	return nil
}

// find returns the rows that the expectation is about, as the admin API shows them.
func (x Expectation) find(get func(path string) ([]byte, error)) ([]gjson.Result, error) {
	list := func(name string, query url.Values) ([]gjson.Result, error) {
		query.Set("limit", "500")
		answer, err := get("/api/" + name + "?" + query.Encode())
		return gjson.GetBytes(answer, name).Array(), err
	}
	switch x.kind {
	case "events", "customers":
		query := url.Values{}
		for _, f := range x.fields {
			query.Set(f.Path, gjson.ParseBytes(f.Value).String())
		}
		return list(x.kind, query)
	case "case":
		cases, err := list("cases", url.Values{})
		return where(where(cases, "provider", x.ids[0]), "case_id", x.ids[1]), err
	case "company":
		companies, err := list("companies", url.Values{})
		return where(where(companies, "provider", x.ids[0]), "company_id", x.ids[1]), err
	}
	customers, err := list("customers", url.Values{"provider": {x.ids[0]}, "subject_id": {x.ids[1]}})
	if err != nil || len(customers) == 0 || x.kind == "nobody" {
		return customers, err
	}
	answer, err := get("/api/customers/" + customers[0].Get("id").Raw)
	customer := gjson.ParseBytes(answer)
	if x.kind == "hit" {
		return where(customer.Get("hits").Array(), "hit_id", x.ids[2]), err
	}
	return []gjson.Result{customer}, err
}

// where returns those of the rows whose field has the value.
func where(rows []gjson.Result, field, value string) (found []gjson.Result) {
	for _, row := range rows {
		if row.Get(field).String() == value {
			found = append(found, row)
		}
	}
	return found
}
