package diagnosis

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"example.com/identity-webhooks/handlers"
)

// toLatin1 converts UTF-8 to Latin-1. It returns the text unchanged if Latin-1 lacks one of its characters.
func toLatin1(text string) string {
	var out []byte
	for _, r := range text {
		if r > 0xff {
			return text
		}
		out = append(out, byte(r)) //nolint:gosec // it fits
	}
	return string(out)
}

// fromLatin1 converts Latin-1 to UTF-8.
func fromLatin1(text string) string {
	var out []byte
	for _, c := range []byte(text) {
		out = utf8.AppendRune(out, rune(c))
	}
	return string(out)
}

// decodings returns the decoded body if it is a JSON string, base64 or gzip.
func decodings(body string) (list []string) {
	text := strings.TrimSpace(body)
	if plain, err := jsontext.AppendUnquote(nil, text); err == nil {
		list = append(list, string(plain))
	}
	if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
		list = append(list, string(plain))
	}
	if z, err := gzip.NewReader(strings.NewReader(body)); err == nil {
		if plain, err := io.ReadAll(io.LimitReader(z, handlers.MaxBody)); err == nil {
			list = append(list, string(plain))
		}
	}
	return list
}

// Programs that write JSON differ in the order of members, in numbers, in spaces and in the characters that they escape.
// These characters occur only inside strings, so they can be replaced everywhere.
var (
	memberOptions = []jsontext.Options{
		json.JoinOptions(),
		jsontext.ReorderRawObjects(true),
		json.JoinOptions(jsontext.CanonicalizeRawInts(true), jsontext.CanonicalizeRawFloats(true)), // JavaScript
	}
	spaceOptions = []jsontext.Options{
		json.JoinOptions(), // JavaScript, Go, PHP
		json.JoinOptions(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)), // Python
		jsontext.WithIndent("  "),
		jsontext.WithIndent("    "),
		jsontext.WithIndent("\t"),
	}
	escapes = []func(string) string{
		strings.NewReplacer().Replace,
		strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace, // Go
		escapeWide, // Python
		escapeSlashes,
		func(text string) string { return escapeSlashes(escapeWide(text)) }, // PHP
	}
)

// rewritings returns the ways in which programs may have written the JSON of a body; none if it is not JSON. For a large
// body it tries no escapes: that would take hundreds of megabytes.
func rewritings(body string) (list []string) {
	escapes := escapes
	if len(body) > pairLimit {
		escapes = escapes[:1]
	}
	for _, members := range memberOptions {
		for _, spaces := range spaceOptions {
			text, err := jsontext.AppendFormat(nil, []byte(body), jsontext.AllowDuplicateNames(true), members, spaces)
			if err != nil {
				return list
			}
			for _, escape := range escapes {
				written := escape(string(text))
				list = append(list, written, written+"\n") // Go's Encoder ends with one
			}
		}
	}
	return list
}

func escapeSlashes(text string) string { return strings.ReplaceAll(text, "/", `\/`) }

// escapeWide writes characters outside ASCII as \u and their UTF-16 code.
func escapeWide(text string) string {
	var out []byte
	for _, r := range text {
		if r < utf8.RuneSelf {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return string(out)
}
