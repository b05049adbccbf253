package dev

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// assignment puts a value at a path of a payload, as in data.flags.0=pep.
type assignment struct {
	path  string
	value json.RawMessage
}

// parseAssignment reads path=value. A value that is not JSON is text.
func parseAssignment(text string) (a assignment, err error) {
	path, value, found := strings.Cut(text, "=")
	if path == "" || !found {
		return a, fmt.Errorf("%q: want path=value, as in data.status=approved", text)
	}
	a = assignment{path, json.RawMessage(value)}
	if !json.Valid(a.value) {
		a.value, err = json.Marshal(value)
	}
	return a, err
}

// assign changes fields of a body that exist (set), and then adds fields that do not (setNew). The rest of the body stays
// byte for byte.
func assign(body []byte, set, setNew []string) ([]byte, error) {
	if len(set)+len(setNew) > 0 && (!json.Valid(body) || !gjson.ParseBytes(body).IsObject()) {
		return nil, UsageError{errors.New("--set and --set-new need a body that is a JSON object")}
	}
	for _, flag := range []struct {
		name   string
		values []string
		check  func(body []byte, path string) error
	}{{"--set", set, mustExist}, {"--set-new", setNew, mustNotExist}} {
		for _, text := range flag.values {
			a, err := parseAssignment(text)
			if err == nil {
				err = flag.check(body, a.path)
			}
			changed := body
			if err == nil {
				changed, err = sjson.SetRawBytes(body, a.path, a.value)
			}
			if err == nil && flag.name == "--set-new" && bytes.Equal(changed, body) {
				err = fmt.Errorf("%q is not the path of one field", a.path)
			}
			if err != nil {
				return nil, UsageError{fmt.Errorf("%s: %w", flag.name, err)}
			}
			body = changed
		}
	}
	return body, nil
}

// mustExist refuses a path that the body does not have: a mistyped one would add a field that nobody reads.
func mustExist(body []byte, path string) error {
	known := paths(body)
	if _, found := known[path]; found {
		return nil
	}
	return fmt.Errorf("the payload has no %s; did you mean %s? (--set-new adds a field)", path, nearest(sortedKeys(known), path))
}

// mustNotExist refuses a path that the body has, and one below a value that can hold nothing.
func mustNotExist(body []byte, path string) error {
	known := paths(body)
	if _, found := known[path]; found {
		return fmt.Errorf("the payload already has %s; --set changes it", path)
	}
	for i, r := range path {
		if parent, found := known[path[:i]]; r == '.' && found && !parent.IsObject() && !parent.IsArray() && parent.Type != gjson.Null {
			return fmt.Errorf("%s is not an object", path[:i])
		}
	}
	return nil
}

// paths are all values in a body, objects and lists included, by their path.
func paths(body []byte) map[string]gjson.Result {
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
