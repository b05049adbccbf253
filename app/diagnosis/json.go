package diagnosis

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// spacings are how programs space JSON.
var spacings = [][]jsontext.Options{
	{}, // JavaScript, Go, PHP
	{jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)}, // Python
	{jsontext.WithIndent("  ")},
	{jsontext.WithIndent("    ")},
	{jsontext.WithIndent("\t")},
	{jsontext.SpaceAfterColon(true)},
	{jsontext.SpaceAfterComma(true)},
}

// wordings are what programs make of strings, numbers and the order of keys.
var wordings = [][]jsontext.Options{
	{jsontext.PreserveRawStrings(true)},
	{jsontext.PreserveRawStrings(true), jsontext.ReorderRawObjects(true)},
	{},
	{jsontext.ReorderRawObjects(true)},
	{jsontext.CanonicalizeRawInts(true), jsontext.CanonicalizeRawFloats(true)},
	{jsontext.CanonicalizeRawInts(true), jsontext.CanonicalizeRawFloats(true), jsontext.ReorderRawObjects(true)},
}

// escapes are what programs put for characters. All of these stand only inside strings, so that they can be replaced in the whole
// text.
var escapes = []func([]byte) []byte{
	func(b []byte) []byte { return b },
	escapeHTML,  // Go
	escapeASCII, // Python
	escapeSlash,
	func(b []byte) []byte { return escapeSlash(escapeASCII(b)) }, // PHP
}

// rewritings are the ways in which the JSON of a body may have been written before. None, if it is not JSON. Of a large body they
// are only the commonest, or they would take hundreds of megabytes.
func rewritings(body []byte) (list [][]byte) {
	if !utf8.Valid(body) || !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil
	}
	wordings, escapes := wordings, escapes
	if len(body) > pairLimit {
		wordings, escapes = wordings[:2], escapes[:1]
	}
	for _, words := range wordings {
		for _, spaces := range spacings {
			text, err := jsontext.AppendFormat(nil, body, append(append([]jsontext.Options{jsontext.AllowDuplicateNames(true)}, words...), spaces...)...)
			if err != nil {
				return list
			}
			for _, escape := range escapes {
				b := escape(text)
				list = append(list, b, with(b, "\n")) // Go's Encoder ends with one
			}
		}
	}
	return list
}

// escapeHTML also escapes the two separators that JavaScript takes for line ends.
func escapeHTML(b []byte) []byte {
	return escapeRunes(b, func(r rune) bool { return r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' })
}

func escapeASCII(b []byte) []byte {
	return escapeRunes(b, func(r rune) bool { return r >= utf8.RuneSelf })
}

func escapeRunes(b []byte, chosen func(rune) bool) []byte {
	var out []byte
	for _, r := range string(b) {
		switch {
		case !chosen(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// escapeSlash escapes each slash that is not escaped yet.
func escapeSlash(b []byte) []byte {
	var out []byte
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && i+1 < len(b):
			out = append(out, b[i], b[i+1])
			i++
		case b[i] == '/':
			out = append(out, '\\', '/')
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// jsonStrings are the body as a JSON string, and what is in it if it is one already: some programs encode twice.
func jsonStrings(b []byte) (list [][]byte) {
	if quoted, err := jsontext.AppendQuote(nil, b); err == nil {
		list = append(list, quoted)
	}
	if plain, err := jsontext.AppendUnquote(nil, bytes.TrimSpace(b)); err == nil {
		list = append(list, plain)
	}
	return list
}
