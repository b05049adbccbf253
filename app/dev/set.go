package dev

import (
	"encoding/json"
	"fmt"
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

// assign makes the changes that --set asks for. The rest of the body stays byte for byte. A field that the body lacks needs
// a + before its path: otherwise a mistyped path would add a field that nobody reads.
func assign(body []byte, set []string) ([]byte, error) {
	if len(set) > 0 && (!json.Valid(body) || !gjson.ParseBytes(body).IsObject()) {
		return nil, usagef("--set needs a body that is a JSON object")
	}
	for _, text := range set {
		text, mayAdd := strings.CutPrefix(text, "+")
		a, err := parseAssignment(text)
		if err != nil {
			return nil, usage(err)
		}
		fields := payload.Paths(body)
		if _, exists := fields[a.path]; !exists && !mayAdd {
			return nil, usagef("the payload has no %s%s (--set +%s adds it)", a.path, didYouMean(sortedKeys(fields), a.path), text)
		}
		if body, err = sjson.SetRawBytes(body, a.path, a.value); err != nil {
			return nil, usagef("set %s: %w", a.path, err)
		}
	}
	return body, nil
}
