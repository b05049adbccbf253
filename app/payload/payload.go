// Package payload makes new events from samples, so that a server does not take them for repeated deliveries.
package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
)

// Renew makes a new event from a sample: it has another ID, and its times are moved so that the newest one equals at.
// Everything else stays, including the person that the event is about. If the event's ID is derived from the body, and not
// from times, another ID in the body is replaced. The result is on one line, as providers send it.
func Renew(p handlers.Provider, sample []byte, at time.Time) ([]byte, error) {
	body, err := Compact(sample)
	if err != nil {
		return nil, err
	}
	e, _ := p.Envelope(body) // if not all of it can be read, the rest is enough
	body = MoveTimes(body, at.Sub(newestTime(body)))
	if !e.Derived {
		return RenewID(body, e.ExternalID, NewID(e.ExternalID)), nil
	}
	isNew := func(body []byte) bool { renewed, _ := p.Envelope(body); return renewed.ExternalID != e.ExternalID }
	if isNew(body) { // the new times are enough
		return body, nil
	}
	all := Paths(body)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		id := all[field].Str
		if id == "" || !strings.HasSuffix(strings.ToLower(field), "id") {
			continue
		}
		if changed, err := sjson.SetBytes(body, field, NewID(id)); err == nil && isNew(changed) {
			return changed, nil
		}
	}
	return body, nil
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

// Times matches the times in a body that is on one line: texts, and seconds since 1970.
var Times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"|"created":\d{10}\b`)

// readTime reads a match of Times.
func readTime(match []byte) (t time.Time, isText bool, err error) {
	if seconds, found := bytes.CutPrefix(match, []byte(`"created":`)); found {
		n, err := strconv.ParseInt(string(seconds), 10, 64)
		return time.Unix(n, 0), false, err
	}
	t, err = time.Parse(`"`+time.RFC3339Nano+`"`, string(match))
	return t, true, err
}

// newestTime returns the newest of the times in a body, or zero if it has none.
func newestTime(body []byte) (newest time.Time) {
	for _, match := range Times.FindAll(body, -1) {
		if t, _, err := readTime(match); err == nil && t.After(newest) {
			newest = t
		}
	}
	return newest
}

// MoveTimes moves all times in a body by the same amount.
func MoveTimes(body []byte, by time.Duration) []byte {
	return Times.ReplaceAllFunc(body, func(match []byte) []byte {
		t, isText, err := readTime(match)
		switch {
		case err != nil:
			return match // digits that look like a time, such as those of a 31st of February
		case isText:
			return t.Add(by).UTC().AppendFormat(nil, `"`+time.RFC3339Nano+`"`)
		}
		return fmt.Appendf(nil, `"created":%d`, t.Add(by).Unix())
	})
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
