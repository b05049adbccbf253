package cli

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"example.com/identity-webhooks/app/scenario"
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
	guess := ""
	if near := nearest(names, name); levenshtein.ComputeDistance(near, name) < len(name) { // else they have nothing in common
		guess = "; did you mean " + near + "?"
	}
	return "", nil, usageError{fmt.Errorf("there is no sample %q%s (without an argument, trigger lists them all)", name, guess)}
}

// nearest returns the one of the names that is most like a name, or nothing if there are none.
func nearest(names []string, name string) string {
	if len(names) == 0 {
		return ""
	}
	distance := func(candidate string) int { return levenshtein.ComputeDistance(candidate, name) }
	return slices.MinFunc(names, func(a, b string) int { return distance(a) - distance(b) })
}

// renew makes a new event of a sample: a new ID, and times moved so that its newest is at. The rest, and with it whom the
// event is about, stays. The result is on one line, as providers send it.
func renew(body []byte, at time.Time) ([]byte, error) {
	body, err := scenario.RenewID(body)
	if err != nil {
		return nil, err
	}
	return scenario.MoveTimes(body, at.Sub(scenario.NewestTime(body))), nil
}
