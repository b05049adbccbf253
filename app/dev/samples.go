package dev

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// sampleNames lists what trigger can send: the paths of the samples without .json. A name such as trustgate/v1/case.created
// is for another generation; a name such as trustgate/variants/… is another sample of the same event type.
func sampleNames(samples fs.FS) (names []string, err error) {
	err = fs.WalkDir(samples, ".", func(file string, _ fs.DirEntry, err error) error {
		provider, _, _ := strings.Cut(file, "/")
		name, isJSON := strings.CutSuffix(file, ".json")
		if isJSON && !strings.HasSuffix(name, ".want") && slices.Contains(handlers.ProviderNames(), provider) {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// findSample returns the full name of a sample, and its body. The folder below the provider's may be left out.
func findSample(samples fs.FS, name string) (string, []byte, error) {
	names, err := sampleNames(samples)
	if err != nil {
		return "", nil, err
	}
	known := slices.Clone(names)
	for _, full := range names {
		short := path.Join(path.Dir(path.Dir(full)), path.Base(full))
		if full == name || short == name && !slices.Contains(names, name) {
			body, err := fs.ReadFile(samples, full+".json")
			return full, body, err
		}
		if strings.Contains(short, "/") {
			known = append(known, short)
		}
	}
	return "", nil, usagef("there is no sample %q%s (trigger without an argument lists all)", name, didYouMean(known, name))
}

// didYouMean suggests the name that was probably meant. It returns nothing if no name is close to what was typed.
func didYouMean(names []string, typed string) string {
	nearest, distance := "", min(len(typed)/3, 3)+1 // three wrong letters at most
	for _, name := range names {
		if strings.HasSuffix(name, "."+typed) || strings.HasSuffix(name, "/"+typed) { // such as status for data.status
			nearest, distance = name, 0
		}
		if d := levenshtein.ComputeDistance(name, typed); d < distance {
			nearest, distance = name, d
		}
	}
	if nearest == "" {
		return ""
	}
	return "; did you mean " + nearest + "?"
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
	titles, err := scenarios(samples)
	if err != nil {
		return err
	}
	for _, provider := range handlers.ProviderNames() {
		words := map[string]string{}
		for _, name := range names {
			if strings.HasPrefix(name, provider+"/") {
				words[name] = meanings[name]
			}
		}
		printGroup(w, provider, words)
	}
	printGroup(w, "scenarios (trigger --scenario <name>)", titles)
	return nil
}

// printGroup prints names with a few words on each, below a title.
func printGroup(w io.Writer, title string, words map[string]string) {
	fmt.Fprintln(w, newPainter(w).paint(bold, title))
	t := newTable(w, column{}, column{rank: 1, min: 10})
	t.indent, t.headless = 2, true
	var rows [][]string
	for _, name := range sortedKeys(words) {
		rows = append(rows, []string{name, words[name]})
	}
	t.print(rows...)
	fmt.Fprintln(w)
}

// meanings returns the start of the catalogue's text about each event type, by the name of its sample.
func meanings(samples fs.FS) (map[string]string, error) {
	catalogue, err := jobs.Catalogue(samples)
	words := map[string]string{}
	for _, c := range catalogue {
		first, _, _ := strings.Cut(c.Meaning, ";")
		first, _, _ = strings.Cut(first, ". ")
		words[strings.TrimSuffix(c.File, ".json")] = strings.TrimSuffix(first, ".")
	}
	return words, err
}
