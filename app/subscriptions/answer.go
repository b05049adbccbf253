package subscriptions

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// webhook reads a webhook, whichever provider's names its members have.
func (a api) webhook(v gjson.Result) Subscription {
	s := Subscription{
		Provider: a.provider, ID: v.Get("id").String(), URL: v.Get("url").String(), Name: v.Get("name").String(),
		Created: first(v, "created", "created_at").String(), Secret: v.Get("secret").String(),
	}
	for _, e := range first(v, "events", "event_types").Array() {
		s.Events = append(s.Events, e.String())
	}
	for _, name := range []string{"active", "isActive", "enabled"} { // if there are two, both must be true
		if active := v.Get(name); active.IsBool() {
			s.Active = new(active.Bool() && (s.Active == nil || *s.Active))
		}
	}
	if n := v.Get("consecutiveFailures"); n.Type == gjson.Number {
		s.ConsecutiveFailures = new(int(n.Int()))
	}
	return s
}

// first returns the first of the members that an object has.
func first(object gjson.Result, names ...string) gjson.Result {
	for _, name := range names {
		if v := object.Get(name); v.Exists() {
			return v
		}
	}
	return gjson.Result{}
}

// change creates or changes a webhook, which is the answer.
func (a api) change(ctx context.Context, what, method, path string, in any) (Subscription, error) {
	answer, err := a.call(ctx, what, method, path, in, func(v gjson.Result) bool { return v.Get("id").Exists() })
	if err != nil {
		return Subscription{}, err
	}
	return a.webhook(answer), nil
}

// do makes a call whose answer says nothing.
func (a api) do(ctx context.Context, what, method, path string) error {
	_, err := a.call(ctx, what, method, path, nil, nil)
	return err
}

// list gets a list of objects, which is the whole answer, its member of the given name, or its member data.
func list[T any](ctx context.Context, a api, name, what, path string, read func(gjson.Result) T) ([]T, error) {
	elements := func(v gjson.Result) gjson.Result {
		if v.IsObject() {
			return first(v, name, "data")
		}
		return v
	}
	answer, err := a.call(ctx, what, http.MethodGet, path, nil, func(v gjson.Result) bool { return elements(v).IsArray() })
	if err != nil {
		return nil, err
	}
	all := []T{}
	for _, v := range elements(answer).Array() {
		if !v.IsObject() {
			return nil, fmt.Errorf("%s %s: the list does not hold objects", a.provider, what)
		}
		all = append(all, read(v))
	}
	return all, nil
}

// Delivery is what a provider says that it sent. Absent names the members that are not there. Nothing else is kept: the rest may
// hold the payload.
type Delivery struct {
	ID       string    `json:"id"`
	EventID  string    `json:"event_id"`
	Status   string    `json:"status"`
	Absent   []string  `json:"absent,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Attempt is one try of a delivery.
type Attempt struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

func readDelivery(v gjson.Result) (d Delivery) {
	d.ID, d.EventID, d.Status = v.Get("id").String(), v.Get("event_id").String(), v.Get("status").String()
	for _, m := range [][2]string{{"id", d.ID}, {"event_id", d.EventID}, {"status", d.Status}} {
		if m[1] == "" {
			d.Absent = append(d.Absent, m[0])
		}
	}
	return d
}

// Failed reports whether the provider says, in one word or another, that the delivery did not succeed.
func (d Delivery) Failed() bool {
	word := strings.ToLower(d.Status)
	for _, part := range []string{"fail", "error", "dead", "exhaust"} {
		if strings.Contains(word, part) {
			return true
		}
	}
	return len(word) == 3 && word[0] >= '3' && word[0] <= '5' // an HTTP status
}
