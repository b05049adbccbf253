package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/models"
)

// knowledge is what a server knew before an event was sent.
type knowledge struct {
	customers map[int64]json.RawMessage // whom the event may be about, by their ID
	newest    int64                     // the ID of the customer who came last: greater ones are new
	named     []string                  // the IDs in the payload
	inCase    bool                      // one of them is that of a case
}

// candidates is how many of the IDs in a payload are tried as that of a person.
const candidates = 8

// look asks for the customers whom a payload may be about. Which one it is says the server, once it has processed the event.
// What cannot be asked now is left out: if the admin API cannot be reached, the outcome says so.
func (p *player) look(ctx context.Context, provider string, body []byte) knowledge {
	k := knowledge{customers: map[int64]json.RawMessage{}, newest: math.MaxInt64}
	k.named, k.inCase = subjects(body)
	newest, err := p.find(ctx, url.Values{})
	if err != nil {
		return k
	}
	k.newest = 0
	if len(newest) > 0 {
		k.newest = newest[0]
	}
	ids := p.inCase(ctx, provider, k)
	for _, subject := range k.named {
		found, _ := p.find(ctx, url.Values{"provider": {provider}, "subject_id": {subject}})
		ids = append(ids, found...)
	}
	for _, id := range ids {
		if c, err := p.customer(ctx, id); err == nil {
			k.customers[id] = c
		}
	}
	return k
}

// find returns the ID of the newest customer that a query selects, or nothing.
func (p *player) find(ctx context.Context, query url.Values) (ids []int64, err error) {
	query.Set("limit", "1")
	var list struct{ Customers []models.Customer }
	err = p.admin.get(ctx, "/api/customers?"+query.Encode(), &list)
	for _, c := range list.Customers {
		ids = append(ids, c.ID)
	}
	return ids, err
}

// inCase returns whom the cases are about that a payload names: later events of a case name nobody.
func (p *player) inCase(ctx context.Context, provider string, k knowledge) (ids []int64) {
	var list struct{ Cases []models.Case }
	if !k.inCase || p.admin.get(ctx, "/api/cases?limit=500", &list) != nil {
		return nil
	}
	for _, c := range list.Cases {
		if c.Provider == provider && c.CustomerID != nil && slices.Contains(k.named, c.CaseID) {
			ids = append(ids, *c.CustomerID)
		}
	}
	return ids
}

// customer returns a customer as the admin API has it, without the list of events.
func (p *player) customer(ctx context.Context, id int64) (json.RawMessage, error) {
	answer, err := p.admin.call(ctx, "GET", fmt.Sprintf("/api/customers/%d", id))
	if err != nil {
		return nil, err
	}
	return sjson.DeleteBytes(answer, "events")
}

// subjects lists the texts in a payload that may be the ID of a person: those of members whose name ends in id. inCase says
// that one of them is that of a case.
func subjects(body []byte) (ids []string, inCase bool) {
	var walk func(name string, v gjson.Result)
	walk = func(name string, v gjson.Result) {
		name = strings.ToLower(name)
		if v.Type == gjson.String && v.Str != "" && strings.HasSuffix(name, "id") && !slices.Contains(ids, v.Str) && len(ids) < candidates {
			ids = append(ids, v.Str)
			inCase = inCase || strings.HasPrefix(name, "case")
		}
		if v.IsObject() || v.IsArray() {
			v.ForEach(func(key, value gjson.Result) bool {
				walk(key.String(), value)
				return true
			})
		}
	}
	walk("", gjson.ParseBytes(body))
	return ids, inCase
}
