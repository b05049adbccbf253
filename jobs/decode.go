package jobs

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/tidwall/gjson"
)

// Limits on what is kept of a payload in rows and lists. The body in the inbox is complete.
const (
	maxDepth    = 64       // levels of objects and arrays
	maxText     = 4 << 10  // bytes of a text
	maxList     = 1000     // elements of a list
	maxListText = 16 << 10 // bytes of all texts of a list
	maxNotes    = 50
)

// decode fills payload, a pointer to a plain struct, from a JSON object. It is tolerant. A member of another type is coerced if that is
// unambiguous ("81" for 81, 5 for "5", an object for its "id"), and dropped otherwise. Texts and lists that are too long are cut off. Each
// of these adds a note. null counts as absent, except for a *string, where it is an empty text. The only error is a body that is not a JSON
// object. Notes and errors contain no payload text except words.
//
// The json tag of a field is a gjson path: "hits.#" is the length of hits. Names are case-sensitive.
//
// A field tagged oneof:"approved rejected" holds a word, which is trimmed and lower-cased. There is a note if the word is missing (unless
// the json tag has omitempty) or not in the list, which has in_review for "In Review". oneof:"*" allows all words. The caller decides what
// an unknown word means.
func decode(body []byte, payload any) (notes []string, err error) {
	body, cut := shallow(body)
	if !gjson.ValidBytes(body) {
		return nil, fmt.Errorf("%w: payload is not JSON", ErrPermanent)
	}
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return nil, fmt.Errorf("%w: payload is not a JSON object", ErrPermanent)
	}
	var d decoder
	if cut {
		d.note("", "nested deeper than %d levels", maxDepth)
	}
	d.object(reflect.ValueOf(payload).Elem(), root, "")
	return d.notes, nil
}

type decoder struct{ notes []string }

func (d *decoder) note(at, format string, args ...any) {
	if len(d.notes) < maxNotes {
		d.notes = append(d.notes, strings.TrimSpace(at+" "+fmt.Sprintf(format, args...)))
	}
}

// object fills a struct. It visits missing members too, so that a missing word is noted.
func (d *decoder) object(v reflect.Value, from gjson.Result, at string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			d.object(v.Field(i), from, at)
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		member, path := from.Get(name), strings.TrimPrefix(at+"."+name, ".")
		if words, isWord := f.Tag.Lookup("oneof"); isWord {
			v.Field(i).SetString(d.word(member, path, strings.Fields(words), option == "omitempty"))
		} else {
			d.value(v.Field(i), member, path)
		}
	}
}

// value fills v, and reports whether there is a value.
func (d *decoder) value(v reflect.Value, from gjson.Result, at string) bool {
	absent := !from.Exists() || from.Type == gjson.Null
	switch v.Kind() {
	case reflect.Pointer:
		return d.pointer(v, from, at)
	case reflect.Struct:
		if !absent && !from.IsObject() {
			d.note(at, "is %s, want an object", kind(from))
			from = gjson.Result{}
		}
		d.object(v, from, at)
		return true
	}
	if absent {
		return false
	}
	switch v.Kind() {
	case reflect.Slice:
		return d.list(v, from, at)
	case reflect.String:
		s, ok := d.text(from, at)
		v.SetString(s)
		return ok
	case reflect.Bool:
		v.SetBool(d.truth(from, at))
		return true
	case reflect.Int:
		f, ok := d.number(from, at)
		v.SetInt(int64(math.Round(min(max(f, math.MinInt32), math.MaxInt32)))) // what an integer column holds
		return ok
	case reflect.Float64:
		f, ok := d.number(from, at)
		v.SetFloat(min(max(f, -math.MaxFloat64), math.MaxFloat64))
		return ok
	}
	panic("cannot decode into " + v.Type().String())
}

// pointer leaves v nil if the member is absent. For an object, an empty array counts as absent, since some languages write it for an empty
// object; any other value that is not an object becomes an empty object.
func (d *decoder) pointer(v reflect.Value, from gjson.Result, at string) bool {
	p := reflect.New(v.Type().Elem())
	switch {
	case !from.Exists():
		return false
	case from.Type == gjson.Null:
		if p.Elem().Kind() != reflect.String {
			return false
		}
	case p.Elem().Kind() == reflect.Struct && from.IsArray() && !from.Get("0").Exists():
		d.note(at, "is an array, want an object")
		return false
	default:
		if !d.value(p.Elem(), from, at) {
			return false
		}
	}
	v.Set(p)
	return true
}

// list fills a slice. A single text counts as a list of one.
func (d *decoder) list(v reflect.Value, from gjson.Result, at string) bool {
	isText := v.Type().Elem().Kind() == reflect.String
	if !from.IsArray() {
		d.note(at, "is %s, want an array", kind(from))
		if !isText || from.Type != gjson.String {
			return false
		}
	}
	items, size := reflect.MakeSlice(v.Type(), 0, 0), 0
	from.ForEach(func(_, element gjson.Result) bool {
		if items.Len() == maxList || size > maxListText {
			d.note(at, "is a long list, cut off")
			return false
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if d.value(item, element, at+"[]") {
			items = reflect.Append(items, item)
		}
		if isText {
			size += item.Len()
		}
		return true
	})
	v.Set(items)
	return true
}

// shallow removes a byte order mark and replaces what is nested deeper than maxDepth with null, so that later steps may use recursion. cut
// reports whether anything was replaced.
func shallow(body []byte) (_ []byte, cut bool) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var kept []byte
	depth, from, inText := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth++; depth == maxDepth+1 {
				kept, cut = append(append(kept, body[from:i]...), "null"...), true
			}
		case c == '}' || c == ']':
			if depth == maxDepth+1 {
				from = i + 1
			}
			depth--
		}
	}
	if !cut {
		return body, false
	}
	return append(kept, body[from:]...), true
}
