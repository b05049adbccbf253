// Package payload makes new events from samples, so that a server does not take them for repeated deliveries.
package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// Renew makes a new event from a sample: it has another ID, and its times are moved so that the newest one equals at.
// Everything else stays, including the person that the event is about. If the event's ID is derived from the body, and the
// new times do not change it, an ID in the body is replaced: see KeyID. The result is on one line, as providers send it.
func Renew(p handlers.Provider, sample []byte, at time.Time) ([]byte, error) {
	body, err := Compact(sample)
	if err != nil {
		return nil, err
	}
	e, _ := p.Envelope(body) // if not all of it can be read, the rest is enough
	body = MoveTimes(body, at.Sub(newestTime(body)))
	id := e.ExternalID
	if e.Derived {
		if externalID(p, body) != id { // the new times are enough
			return body, nil
		}
		id = KeyID(p, body, e.CorrelationID)
	}
	return RenewID(body, id, NewID(id)), nil
}

// KeyID returns an ID in a body that is part of what the event's ID is derived from, so that replacing it makes another
// event. It returns the subject's ID only if there is no other, because that makes the event one about another person. It is
// empty if there is no such ID.
func KeyID(p handlers.Provider, body []byte, subject string) string {
	old, isKey := externalID(p, body), false
	all := Paths(body)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		id := all[field].Str
		if id == "" || !strings.HasSuffix(strings.ToLower(field), "id") || externalID(p, RenewID(body, id, NewID(id))) == old {
			continue
		}
		if id != subject {
			return id
		}
		isKey = true
	}
	if isKey {
		return subject
	}
	return ""
}

func externalID(p handlers.Provider, body []byte) string {
	e, _ := p.Envelope(body)
	return e.ExternalID
}

// Compact puts JSON on one line.
func Compact(body []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return nil, errors.New("the body is not JSON")
	}
	return b.Bytes(), nil
}

// RenewID replaces an ID everywhere in a body.
func RenewID(body []byte, old, id string) []byte {
	if old == "" {
		return body
	}
	return bytes.ReplaceAll(body, []byte(strconv.Quote(old)), []byte(strconv.Quote(id)))
}

// NewID returns a new ID that looks like an old one: with its prefix, such as evt_, or a UUID.
func NewID(old string) string {
	id := uuid.NewString()
	if prefix, _, found := strings.Cut(old, "_"); found {
		return prefix + "_" + strings.ReplaceAll(id, "-", "")[:12]
	}
	return id
}

// Form is how a time is written in a body: a layout of package time, or empty for seconds since 1970.
type Form string

// forms are the forms in which providers write times as text. A form without a zone is in UTC.
var forms = []Form{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999-0700"}

// Format returns a time as JSON.
func (f Form) Format(t time.Time) []byte {
	if f == "" {
		return strconv.AppendInt(nil, t.Unix(), 10)
	}
	return t.UTC().AppendFormat(nil, `"`+string(f)+`"`)
}

// times matches what may be a time in a body that is on one line: a text, or seconds after the name of a member that says so.
var times = regexp.MustCompile(`"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"|"\w*(?:[Cc]reated|[Tt]ime|[Tt]imestamp|_at|At|iat)":\d{10}\b`)

// ReplaceTimes replaces each time in a body that is on one line.
func ReplaceTimes(body []byte, replace func(t time.Time, form Form) []byte) []byte {
	return times.ReplaceAllFunc(body, func(match []byte) []byte {
		if name, seconds, found := bytes.Cut(match, []byte(`":`)); found {
			n, err := strconv.ParseInt(string(seconds), 10, 64)
			if err != nil {
				return match
			}
			return slices.Concat(name, []byte(`":`), replace(time.Unix(n, 0), ""))
		}
		for _, form := range forms {
			if t, err := time.Parse(`"`+string(form)+`"`, string(match)); err == nil {
				return replace(t, form)
			}
		}
		return match // digits that look like a time, such as those of a 31st of February
	})
}

// newestTime returns the newest of the times in a body, or zero if it has none.
func newestTime(body []byte) (newest time.Time) {
	ReplaceTimes(body, func(t time.Time, form Form) []byte {
		if t.After(newest) {
			newest = t
		}
		return form.Format(t)
	})
	return newest
}

// MoveTimes moves all times in a body by the same amount.
func MoveTimes(body []byte, by time.Duration) []byte {
	return ReplaceTimes(body, func(t time.Time, form Form) []byte { return form.Format(t.Add(by)) })
}

// Paths returns all values in a body by their path, including objects and lists.
func Paths(body []byte) map[string]gjson.Result {
	all := map[string]gjson.Result{}
	var walk func(path string, v gjson.Result)
	walk = func(path string, v gjson.Result) {
		if path != "" {
			all[path] = v
		}
		if v.IsObject() || v.IsArray() {
			v.ForEach(func(key, value gjson.Result) bool {
				walk(strings.TrimPrefix(path+"."+gjson.Escape(key.String()), "."), value)
				return true
			})
		}
	}
	walk("", gjson.ParseBytes(body))
	return all
}
