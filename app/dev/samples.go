package dev

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/google/uuid"
	"github.com/tidwall/sjson"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// sampleNames lists what trigger can send: the paths of the samples without .json. A name such as trustgate/v1/case.created
// is of another generation, one such as trustgate/variants/… is another case of the same event type.
func sampleNames(samples fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(samples, ".", func(file string, _ fs.DirEntry, err error) error {
		provider, rest, nested := strings.Cut(file, "/")
		if err != nil || !nested || !slices.Contains(handlers.ProviderNames(), provider) {
			return err
		}
		if path.Ext(rest) == ".json" && !strings.HasSuffix(rest, ".want.json") {
			names = append(names, strings.TrimSuffix(file, ".json"))
		}
		return nil
	})
	return names, err
}

// findSample returns the full name of a sample, and its body. The folder below the provider's may be left out.
func findSample(samples fs.FS, name string) (string, []byte, error) {
	names, err := sampleNames(samples)
	if err != nil {
		return "", nil, err
	}
	provider, event, _ := strings.Cut(name, "/")
	for _, full := range names {
		if full == name || path.Dir(path.Dir(full)) == provider && path.Base(full) == event && !slices.Contains(names, name) {
			body, err := fs.ReadFile(samples, full+".json")
			return full, body, err
		}
	}
	return "", nil, UsageError{fmt.Errorf("there is no sample %q; did you mean %s? (trigger without an argument lists all)", name, nearest(names, name))}
}

// nearest returns the name that is most like another; empty if there are none.
func nearest(names []string, name string) string {
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int {
		return levenshtein.ComputeDistance(a, name) - levenshtein.ComputeDistance(b, name)
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// listSamples prints the samples by provider, with a few words on each event type, and the scenarios.
func listSamples(w io.Writer, samples fs.FS) error {
	names, err := sampleNames(samples)
	if err != nil {
		return err
	}
	meanings, err := meanings(samples)
	if err != nil {
		return err
	}
	group := func(title string, rows [][]string) {
		if len(rows) == 0 {
			return
		}
		fmt.Fprintln(w, newPainter(w).paint(bold, title))
		t := newTable(w, column{}, column{rank: 1, min: 10})
		t.indent, t.headless = 2, true
		t.print(rows...)
	}
	for _, provider := range handlers.ProviderNames() {
		var types, variants [][]string
		for _, name := range names {
			switch {
			case !strings.HasPrefix(name, provider+"/"):
			case meanings[name] == "":
				variants = append(variants, []string{name, ""})
			default:
				types = append(types, []string{name, meanings[name]})
			}
		}
		group(provider, types)
		group("  variants", variants)
		fmt.Fprintln(w)
	}
	scenarios, err := scenarios(samples)
	var rows [][]string
	for _, s := range scenarios {
		rows = append(rows, []string{s.name, s.title})
	}
	group("scenarios (trigger --scenario <name>)", rows)
	return err
}

// meanings are the first words of what the catalogue says about each event type, by the name of its sample.
func meanings(samples fs.FS) (map[string]string, error) {
	catalogue, err := jobs.Catalogue(samples)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	for _, c := range catalogue {
		first, _, _ := strings.Cut(c.Meaning, ";")
		first, _, _ = strings.Cut(first, ". ")
		words[strings.TrimSuffix(c.File, ".json")] = strings.TrimSuffix(first, ".")
	}
	return words, nil
}

// renew makes a new event of a sample: another ID, and times moved so that the newest is at. Everything else stays, and so
// does whom the event is about. The result is on one line, as providers send it.
func renew(p handlers.Provider, sample []byte, at time.Time) ([]byte, error) {
	body, err := compact(sample)
	if err != nil {
		return nil, err
	}
	e, _ := p.Envelope(body) // what can be read of it is enough
	if !e.Derived {
		return renewID(moveTimes(body, at.Sub(newestTime(body))), e.ExternalID, newID(e.ExternalID)), nil
	}
	body = moveTimes(body, at.Sub(newestTime(body)))
	derived := func(body []byte) string { e, _ := p.Envelope(body); return e.ExternalID }
	if derived(body) != e.ExternalID {
		return body, nil // the times make it another event
	}
	all := paths(body)
	for _, field := range sortedKeys(all) {
		value := all[field]
		if isID := strings.HasSuffix(strings.ToLower(field), "id"); isID && value.Str != "" {
			if changed, err := sjson.SetBytes(body, field, newID(value.Str)); err == nil && derived(changed) != e.ExternalID {
				return changed, nil
			}
		}
	}
	return body, nil
}

// compact brings JSON on one line.
func compact(body []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return nil, errors.New("the body is not JSON")
	}
	return b.Bytes(), nil
}

// renewID replaces an ID by another wherever a body has it.
func renewID(body []byte, old, id string) []byte {
	for field, value := range paths(body) {
		if changed, err := sjson.SetBytes(body, field, id); err == nil && old != "" && value.Str == old {
			body = changed
		}
	}
	return body
}

// newID returns a new ID that looks like an old one: with its prefix, such as evt_, or a UUID.
func newID(old string) string {
	id := uuid.NewString()
	if prefix, _, found := strings.Cut(old, "_"); found {
		return prefix + "_" + strings.ReplaceAll(id, "-", "")[:12]
	}
	return id
}

// times matches the times in a body that is on one line: texts, and seconds since 1970.
var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"|"created":\d{10}\b`)

// readTime reads a match of times.
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
	for _, match := range times.FindAll(body, -1) {
		if t, _, err := readTime(match); err == nil && t.After(newest) {
			newest = t
		}
	}
	return newest
}

// moveTimes moves all times in a body by the same amount.
func moveTimes(body []byte, by time.Duration) []byte {
	return times.ReplaceAllFunc(body, func(match []byte) []byte {
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
