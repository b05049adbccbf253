package subscriptions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Delivery is what a provider says that it sent. TRST does not document the fields: those read here are read wherever they
// are, and Absent names the others. Nothing else is kept, since the rest may hold the payload.
type Delivery struct {
	ID       string    `json:"id"`
	EventID  string    `json:"event_id"`
	Status   string    `json:"status"`
	Absent   []string  `json:"absent,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Attempt is one try of a delivery.
type Attempt struct {
	ID     string   `json:"id"`
	Status string   `json:"status"`
	Absent []string `json:"absent,omitempty"`
}

// Failed reports whether the provider says, in some word, that the delivery did not succeed.
func (d Delivery) Failed() bool {
	word := strings.ToLower(d.Status)
	for _, part := range []string{"fail", "error", "dead", "exhaust"} {
		if strings.Contains(word, part) {
			return true
		}
	}
	return len(word) == 3 && word[0] >= '3' && word[0] <= '5' // an HTTP status
}

// UnmarshalJSON reads what there is.
func (d *Delivery) UnmarshalJSON(b []byte) error {
	absent, err := texts(b, field{"id", &d.ID}, field{"event_id", &d.EventID}, field{"status", &d.Status})
	d.Absent = absent
	return err
}

// UnmarshalJSON reads what there is.
func (a *Attempt) UnmarshalJSON(b []byte) error {
	absent, err := texts(b, field{"id", &a.ID}, field{"status", &a.Status})
	a.Absent = absent
	return err
}

// field is a member of an object and where its text goes.
type field struct {
	name string
	text *string
}

// texts reads members that are strings or numbers, and returns the names of those that are not there.
func texts(b []byte, fields ...field) (absent []string, err error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, errors.New("an element is no object")
	}
	for _, f := range fields {
		raw := o[f.name]
		var number json.Number
		if json.Unmarshal(raw, f.text) == nil && *f.text != "" {
			continue
		}
		if json.Unmarshal(raw, &number) == nil && number != "" {
			*f.text = number.String()
			continue
		}
		absent = append(absent, f.name)
	}
	return absent, nil
}

// elements reads a list that is the whole answer, or its member of the given name, or its member data.
func elements[T any](answer json.RawMessage, name string) ([]T, error) {
	list := bytes.TrimSpace(answer)
	if len(list) > 0 && list[0] == '{' {
		var o map[string]json.RawMessage
		if err := json.Unmarshal(list, &o); err != nil {
			return nil, err
		}
		if list = o[name]; list == nil {
			list = o["data"]
		}
	}
	var all []T
	if err := json.Unmarshal(list, &all); err != nil || all == nil {
		return nil, fmt.Errorf("the answer holds no list of %s", name)
	}
	return all, nil
}
