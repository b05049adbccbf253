package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/google/uuid"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
)

// sampleNames lists what trigger can send: the paths of the samples without .json. A name like trustgate/v1/case.created is
// that of an older generation, trustgate/variants/… that of another case of the same event type.
func sampleNames(samples fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(samples, ".", func(file string, _ fs.DirEntry, err error) error {
		provider, rest, nested := strings.Cut(file, "/")
		known := slices.Contains(handlers.ProviderNames(), provider)
		if err != nil || !known || !nested || path.Ext(rest) != ".json" || strings.HasSuffix(rest, ".want.json") {
			return err
		}
		names = append(names, strings.TrimSuffix(file, ".json"))
		return nil
	})
	return names, err
}

// findSample returns the full name of a sample, and its body. A type that only the older generation has may be named
// without it.
func findSample(samples fs.FS, name string) (string, []byte, error) {
	names, err := sampleNames(samples)
	if err != nil {
		return "", nil, err
	}
	provider, event, _ := strings.Cut(name, "/")
	for _, candidate := range []string{name, provider + "/v1/" + event} {
		if slices.Contains(names, candidate) {
			body, err := fs.ReadFile(samples, candidate+".json")
			return candidate, body, err
		}
	}
	distance := func(candidate string) int { return levenshtein.ComputeDistance(candidate, name) }
	nearest := slices.MinFunc(names, func(a, b string) int { return distance(a) - distance(b) })
	guess := ""
	if distance(nearest) < len(name) { // else they have nothing in common
		guess = "; did you mean " + nearest + "?"
	}
	return "", nil, fmt.Errorf("there is no sample %q%s (without an argument, trigger lists them all)", name, guess)
}

// idFields are where samples carry what makes them one event and not another: the event's ID or, for events that have
// none, a part of the ID that is derived. Where they have neither, the new times make it another.
var idFields = []string{
	"event_id", "id", "paymentId", "standingOrderId", "invitationId", "workflow_execution_id",
}

// renew makes a new event of a sample: a new ID, and times moved so that its newest is at. The rest, and with it whom the
// event is about, stays. The result is on one line, as providers send it.
func renew(body []byte, at time.Time) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		return nil, errors.New("the body is not JSON")
	}
	body = shift(compact.Bytes(), at)
	for _, field := range idFields {
		if old := gjson.GetBytes(body, field); old.Type == gjson.String {
			prefix, _, found := strings.Cut(old.Str, "_")
			id := uuid.NewString()
			if found {
				id = prefix + "_" + strings.ReplaceAll(id, "-", "")[:12]
			}
			var err error
			if body, err = sjson.SetBytes(body, field, id); err != nil {
				return nil, err
			}
		}
	}
	return body, nil
}

var (
	timeText = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	unixText = regexp.MustCompile(`"created":(\d{10})\b`)
)

// shift moves all times in a body by the same amount, so that the newest becomes at.
func shift(body []byte, at time.Time) []byte {
	var newest time.Time
	for _, text := range timeText.FindAll(body, -1) {
		if t, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(text)); err == nil && t.After(newest) {
			newest = t
		}
	}
	by := at.Sub(newest)
	body = timeText.ReplaceAllFunc(body, func(text []byte) []byte {
		t, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(text))
		if err != nil {
			return text
		}
		return t.Add(by).UTC().AppendFormat(nil, `"`+time.RFC3339Nano+`"`)
	})
	return unixText.ReplaceAll(body, fmt.Appendf(nil, `"created":%d`, at.Unix()))
}
