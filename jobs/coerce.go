package jobs

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// unreadable replaces a word that exists but cannot be read. No translation expects this word.
const unreadable = "(unreadable)"

// word reads a word, and notes one that is missing or not in the list of known words.
func (d *decoder) word(from gjson.Result, at string, known []string, optional bool) string {
	word := ""
	if from.Exists() && from.Type != gjson.Null {
		text, ok := d.text(from, at)
		if !ok {
			return unreadable
		}
		word = strings.ToLower(strings.TrimSpace(text))
		if listed := strings.ReplaceAll(word, " ", "_"); slices.Contains(known, listed) {
			word = listed
		}
	}
	switch {
	case word == "" && !optional:
		d.note(at, "is missing")
	case word != "" && known[0] != "*" && !slices.Contains(known, word):
		d.note(at, "has the unknown value %.40q", word)
	}
	return word
}

func (d *decoder) text(from gjson.Result, at string) (string, bool) {
	if from.Type == gjson.String {
		return d.clean(from.Str, at), true
	}
	d.note(at, "is %s, want text", kind(from))
	switch {
	case from.Type == gjson.Number:
		return d.clean(from.Raw, at), true
	case from.IsObject() && from.Get("id").Exists():
		return d.text(from.Get("id"), at+".id")
	}
	return "", false
}

// clean returns a text that every database accepts, of at most maxText bytes.
func (d *decoder) clean(s, at string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	if len(s) > maxText {
		d.note(at, "is a long text, cut off")
	}
	return cutOff(s, maxText)
}

// cutOff returns at most the first n bytes of a text, without splitting a character.
func cutOff(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

func (d *decoder) number(from gjson.Result, at string) (float64, bool) {
	if from.Type == gjson.Number {
		return from.Num, true
	}
	d.note(at, "is %s, want a number", kind(from))
	f, err := strconv.ParseFloat(strings.TrimSpace(from.Str), 64) // Str is empty if it is not a text
	if err != nil && !math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// truth reads a boolean. A value that cannot be read is false.
func (d *decoder) truth(from gjson.Result, at string) bool {
	if from.IsBool() {
		return from.Bool()
	}
	d.note(at, "is %s, want true or false", kind(from))
	return strings.EqualFold(strings.TrimSpace(from.Str), "true") || from.Type == gjson.Number && from.Num == 1
}

func kind(r gjson.Result) string {
	switch {
	case r.IsObject():
		return "an object"
	case r.IsArray():
		return "an array"
	case r.Type == gjson.String:
		return "text"
	case r.Type == gjson.Number:
		return "a number"
	}
	return strings.ToLower(r.Type.String())
}
