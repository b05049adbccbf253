package dev

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/app/payload"
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
		return nil, usagef("--set and --set-new need a body that is a JSON object")
	}
	for i, text := range slices.Concat(set, setNew) {
		var err error
		if body, err = setField(body, text, i >= len(set)); err != nil {
			return nil, usage(err)
		}
	}
	return body, nil
}

// setField changes a field that exists, or adds a new one. To take one for the other is a mistake: a mistyped path would add a
// field that nobody reads.
func setField(body []byte, text string, isNew bool) ([]byte, error) {
	a, err := parseAssignment(text)
	if err != nil {
		return nil, err
	}
	fields := payload.Paths(body)
	_, exists := fields[a.path]
	switch {
	case exists && isNew:
		return nil, fmt.Errorf("the payload already has %s; --set changes it", a.path)
	case !exists && !isNew:
		return nil, fmt.Errorf("the payload has no %s%s (--set-new adds a field)", a.path, didYouMean(sortedKeys(fields), a.path))
	}
	for i, r := range a.path {
		if parent, found := fields[a.path[:i]]; r == '.' && found && parent.Type != gjson.JSON && parent.Type != gjson.Null {
			return nil, fmt.Errorf("%s is not an object", a.path[:i])
		}
	}
	changed, err := sjson.SetRawBytes(body, a.path, a.value)
	if err == nil && isNew && bytes.Equal(changed, body) {
		err = fmt.Errorf("%q is not the path of one field", a.path)
	}
	return changed, err
}
