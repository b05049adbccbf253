package scenario

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Retell tells the story anew, of other people at another time, so that it can be played where it was played before. Whoever
// and whatever it names by an ID gets another one, the same throughout, that ends in run or is a UUID that run determines.
// All times move by the same amount, so that the newest is within a second before at. Expectations that count all rows of a
// server are left out: others may have added to them.
func (s Scenario) Retell(run string, at time.Time) Scenario {
	r := retelling{run, map[string]string{}, 0}
	var newest time.Time
	for _, d := range s.Deliveries {
		r.meet(d.Body)
		if t := NewestTime(d.Body); t.After(newest) {
			newest = t
		}
	}
	r.by = at.Sub(newest).Truncate(time.Second) // Legal Talent's times are in seconds
	told := s
	told.Deliveries, told.Expectations = nil, nil
	for _, d := range s.Deliveries {
		d.Body = MoveTimes(r.rename(d.Body), r.by)
		told.Deliveries = append(told.Deliveries, d)
	}
	for _, x := range s.Expectations {
		if x, local := r.expect(x); local {
			told.Expectations = append(told.Expectations, x)
		}
	}
	return told
}

// retelling knows who became whom.
type retelling struct {
	run   string
	names map[string]string // new IDs by the old ones
	by    time.Duration
}

// idField matches the names of members that hold an ID.
var idField = regexp.MustCompile(`(?:^|_)id$|I[dD]$`)

// settings are IDs of what the people of all stories share: the tenant, its staff and its devices.
var settings = []string{"tenant_id", "project_id", "merchantId", "user_id", "device_id"}

// ids calls f with the path and the text of each ID in a body.
func ids(body []byte, f func(path, id string)) {
	var walk func(path string, v gjson.Result)
	walk = func(path string, v gjson.Result) {
		v.ForEach(func(key, value gjson.Result) bool {
			at := strings.TrimPrefix(path+"."+gjson.Escape(key.String()), ".")
			switch {
			case value.IsObject() || value.IsArray():
				walk(at, value)
			case value.Type == gjson.String && idField.MatchString(key.Str) && !slices.Contains(settings, key.Str):
				f(at, value.Str)
			}
			return true
		})
	}
	walk("", gjson.ParseBytes(body))
}

// meet gives new IDs to whom a body names.
func (r retelling) meet(body []byte) {
	ids(body, func(_, id string) {
		if _, err := uuid.Parse(id); err == nil {
			r.names[id] = uuid.NewSHA1(uuid.Nil, []byte(r.run+id)).String()
		} else if id != "" {
			r.names[id] = id + "-" + r.run
		}
	})
}

func (r retelling) rename(body []byte) []byte {
	renamed := body
	ids(body, func(path, id string) {
		if id == "" {
			return
		}
		next, err := sjson.SetBytes(renamed, path, r.names[id])
		if err != nil {
			panic(err) // the path is one of the body's
		}
		renamed = next
	})
	return renamed
}

// expect returns the expectation of the same in the retold story, and whether it is about that story alone.
func (r retelling) expect(x Expectation) (_ Expectation, local bool) {
	local = len(x.ids) > 0
	x.ids = slices.Clone(x.ids)
	for i, id := range x.ids {
		if i > 0 { // the first is the provider
			x.ids[i] = r.name(id)
		}
	}
	x.fields = slices.Clone(x.fields)
	for i, f := range x.fields {
		text := gjson.ParseBytes(f.Value)
		if text.Type != gjson.String {
			continue
		}
		told := r.name(text.Str)
		if t, err := time.Parse(time.RFC3339Nano, text.Str); err == nil {
			told = t.Add(r.by).UTC().Format(time.RFC3339Nano)
		}
		local = local || told != text.Str
		raw, err := json.Marshal(told)
		if err != nil {
			panic(err) // a text always marshals
		}
		x.fields[i].Value = raw
	}
	return x, local
}

// name returns the new ID, or what is no ID of the story as it is.
func (r retelling) name(id string) string {
	if told, known := r.names[id]; known {
		return told
	}
	return id
}
