package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// assignment puts a value at a path of a payload, as in data.flags.0=pep.
type assignment struct {
	flag  string
	path  string
	value json.RawMessage
	new   bool // there must be nothing at the path; otherwise there must be something
}

// assignments reads the values of --set and --set-new, which come after the former.
func assignments(set, setNew []string) (list []assignment, err error) {
	for i, text := range slices.Concat(set, setNew) {
		a := assignment{flag: "--set", new: i >= len(set)}
		if a.new {
			a.flag = "--set-new"
		}
		path, value, found := strings.Cut(text, "=")
		if path == "" || !found {
			return nil, usageError{fmt.Errorf("%s is %q: want path=value, as in data.status=approved", a.flag, text)}
		}
		if a.path, a.value = path, json.RawMessage(value); !json.Valid(a.value) {
			if a.value, err = json.Marshal(value); err != nil {
				return nil, err
			}
		}
		list = append(list, a)
	}
	return list, nil
}

// assign makes the assignments, one after the other. Besides spaces around what is added, the rest stays byte for byte.
func assign(body []byte, list []assignment) ([]byte, error) {
	if len(list) > 0 && !gjson.ParseBytes(body).IsObject() || len(list) > 0 && !json.Valid(body) {
		return nil, usageError{errors.New(list[0].flag + ": the body is no JSON object")}
	}
	for _, a := range list {
		if err := a.check(body); err != nil {
			return nil, usageError{err}
		}
		changed, err := sjson.SetRawBytes(body, a.path, a.value)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s %s: %w", a.flag, a.path, err)}
		}
		if a.new && bytes.Equal(changed, body) {
			return nil, usageError{fmt.Errorf("--set-new: %s is no path to one field", a.path)}
		}
		body = changed
	}
	return body, nil
}

// check refuses a path that is not what the flag is for: a mistyped one would add a field that nobody reads.
func (a assignment) check(body []byte) error {
	known := paths(body)
	exists := slices.Contains(known, a.path)
	switch {
	case exists && a.new:
		return fmt.Errorf("--set-new: the payload has %s already; --set changes it", a.path)
	case !exists && !a.new:
		return fmt.Errorf("--set: the payload has no %s; the nearest it has is %q (--set-new adds a field)", a.path, nearest(known, a.path))
	case exists:
		return nil
	}
	for parent, more := above(a.path); more; parent, more = above(parent) {
		if at := gjson.GetBytes(body, parent); slices.Contains(known, parent) && !at.IsObject() && !at.IsArray() && at.Type != gjson.Null {
			return fmt.Errorf("--set-new: %s is no object: it has nothing below it", parent)
		}
	}
	return nil
}

// above returns the path that a path is below of.
func above(path string) (string, bool) {
	i := strings.LastIndex(path, ".")
	return path[:max(i, 0)], i > 0
}

// paths lists where a body has values, objects and arrays included.
func paths(body []byte) (list []string) {
	var walk func(path string, v gjson.Result)
	walk = func(path string, v gjson.Result) {
		if path != "" {
			list = append(list, path)
		}
		if v.IsObject() || v.IsArray() {
			v.ForEach(func(key, value gjson.Result) bool {
				walk(strings.TrimPrefix(path+"."+gjson.Escape(key.String()), "."), value)
				return true
			})
		}
	}
	walk("", gjson.ParseBytes(body))
	return list
}
