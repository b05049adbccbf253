package diagnosis

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/identity-webhooks/handlers"
)

const rawBody = "Keep the bytes of the body as they come, and verify those, before a framework, proxy or editor rewrites them."

var bom = []byte("\xef\xbb\xbf")

// bodyTable are the bodies that may have been signed instead of the one that came.
var bodyTable = []struct {
	fault fault
	of    func(body []byte) [][]byte
}{
	{fault{"newline_removed", "The signature is that of the body with a newline at its end, which was removed on the way.", rawBody},
		func(b []byte) [][]byte { return ending(b, "\n", "\r\n") }},
	{fault{"newline_added", "The signature is that of the body without the newline at its end, which was added on the way.",
		"Keep the bytes of the body as they come: editors and echo add a newline, and curl needs --data-binary."},
		func(b []byte) [][]byte {
			return [][]byte{bytes.TrimSuffix(b, []byte("\n")), bytes.TrimSuffix(b, []byte("\r\n")), bytes.TrimRight(b, "\r\n")}
		}},
	{fault{"space_added", "The signature is that of the body without the white space around it, which was added on the way.", rawBody},
		func(b []byte) [][]byte {
			lines := bytes.Split(b, []byte("\n"))
			for i := range lines {
				lines[i] = bytes.TrimRight(lines[i], " \t")
			}
			return [][]byte{bytes.TrimRight(b, " \t"), bytes.TrimRight(b, " \t\r\n"), bytes.TrimSpace(b), bytes.Join(lines, []byte("\n"))}
		}},
	{fault{"space_removed", "The signature is that of the body with a space at its end, which was removed on the way.", rawBody},
		func(b []byte) [][]byte { return ending(b, " ", "\t", "  ", " \n") }},
	{fault{"bom_added", "The signature is that of the body without the byte order mark at its start, which was added on the way.",
		"Save the body as UTF-8 without a byte order mark, or better keep its bytes as they come."},
		func(b []byte) [][]byte { return [][]byte{bytes.TrimPrefix(b, bom)} }},
	{fault{"bom_removed", "The signature is that of the body with a byte order mark at its start, which was removed on the way.", rawBody},
		func(b []byte) [][]byte { return [][]byte{append(bytes.Clone(bom), b...)} }},
	{fault{"line_endings", "The signature is that of the body with other line endings: LF and CRLF were exchanged on the way.", rawBody},
		func(b []byte) [][]byte {
			lf := bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
			return [][]byte{lf, bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))}
		}},
	{fault{"charset", "The signature is that of the body in another charset: UTF-8 and Latin-1 were exchanged on the way.", rawBody},
		func(b []byte) [][]byte { return [][]byte{toLatin1(b), fromLatin1(b)} }},
	{fault{"json_rewritten",
		"The signature is that of the same JSON written in another way (spaces, order of members or escapes): it was parsed and written again on the way.", rawBody},
		rewritings},
	{fault{"body_encoded", "The signature is that of the body in another encoding (base64, gzip or a JSON string).",
		"Verify the body in the form in which it was signed: a gateway or a log has encoded or decoded it."}, encodings},
	{fault{"empty_body_signed", "The signature is that of an empty body.", "Read the body once and sign what was read: something had read it before it was signed."},
		func([]byte) [][]byte { return [][]byte{{}} }},
}

func (c Case) bodyChanges() (list []change) {
	add := func(f fault, of func([]byte) [][]byte) {
		list = append(list, change{f, bodyKind, func(a attempt) (attempts []attempt) {
			for _, body := range of(a.body) {
				b := a
				b.body = body
				attempts = append(attempts, b)
			}
			return attempts
		}})
	}
	if len(c.Extra) > 0 {
		whole := append(bytes.Clone(c.Delivery.Body), c.Extra...)
		add(fault{"content_length", "The signature is that of the body with what follows it: Content-Length is too small.",
			"Remove Content-Length from the request, or correct it, if the body was edited."},
			func([]byte) [][]byte { return [][]byte{whole, bytes.TrimRight(whole, "\r\n")} })
	}
	for _, b := range bodyTable {
		add(b.fault, b.of)
	}
	return list
}

func ending(b []byte, ends ...string) (list [][]byte) {
	for _, end := range ends {
		list = append(list, append(bytes.Clone(b), end...))
	}
	return list
}

// toLatin1 returns the body as it is if it does not fit.
func toLatin1(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		if r > 0xff {
			return b
		}
		out = append(out, byte(r)) //nolint:gosec // it fits
	}
	return out
}

func fromLatin1(b []byte) (out []byte) {
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// encodings are the body in an encoding, and what is in it if it is one. (What gzip makes of a text differs between programs.)
func encodings(b []byte) (list [][]byte) {
	trimmed := bytes.TrimSpace(b)
	if quoted, err := jsontext.AppendQuote(nil, b); err == nil {
		list = append(list, quoted)
	}
	if plain, err := jsontext.AppendUnquote(nil, trimmed); err == nil {
		list = append(list, plain)
	}
	list = append(list, []byte(base64.StdEncoding.EncodeToString(b)))
	if plain, err := base64.StdEncoding.DecodeString(string(trimmed)); err == nil && len(plain) > 0 {
		list = append(list, plain)
	}
	if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		if plain, err := io.ReadAll(io.LimitReader(z, handlers.MaxBody)); err == nil {
			list = append(list, plain)
		}
	}
	return list
}

// formats are how programs write JSON: spaces, and whether they sort members. Strings and numbers stay as they are, or become what
// JavaScript writes.
var formats = func() (list [][]jsontext.Options) {
	for _, words := range [][]jsontext.Options{
		{jsontext.PreserveRawStrings(true)},
		{jsontext.PreserveRawStrings(true), jsontext.ReorderRawObjects(true)},
		{},
		{jsontext.ReorderRawObjects(true)},
		{jsontext.CanonicalizeRawInts(true), jsontext.CanonicalizeRawFloats(true)},
	} {
		for _, spaces := range [][]jsontext.Options{
			{}, // JavaScript, Go, PHP
			{jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)}, // Python
			{jsontext.WithIndent("  ")},
			{jsontext.WithIndent("    ")},
			{jsontext.WithIndent("\t")},
			{jsontext.SpaceAfterColon(true)},
		} {
			list = append(list, append(append([]jsontext.Options{jsontext.AllowDuplicateNames(true)}, words...), spaces...))
		}
	}
	return list
}()

// escapes are what programs write for some characters. These stand only inside strings, so they can be replaced everywhere.
var escapes = []func(b []byte) []byte{
	func(b []byte) []byte { return b },
	func(b []byte) []byte { // Go; the last two count as line ends in JavaScript
		return escapeRunes(b, func(r rune) bool { return r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' })
	},
	escapeASCII, // Python
	escapeSlash,
	func(b []byte) []byte { return escapeSlash(escapeASCII(b)) }, // PHP
}

// rewritings are the ways in which the JSON of a body may have been written before; none if it is not JSON. For a large body these are
// only the most common ones, or they would take hundreds of megabytes.
func rewritings(body []byte) (list [][]byte) {
	formats, escapes := formats, escapes
	if len(body) > pairLimit {
		formats, escapes = formats[:12], escapes[:1]
	}
	for _, options := range formats {
		text, err := jsontext.AppendFormat(nil, body, options...)
		if err != nil {
			return list
		}
		for _, escape := range escapes {
			b := escape(text)
			list = append(list, b, append(bytes.Clone(b), '\n')) // Go's Encoder ends with one
		}
	}
	return list
}

func escapeASCII(b []byte) []byte {
	return escapeRunes(b, func(r rune) bool { return r >= utf8.RuneSelf })
}

func escapeRunes(b []byte, chosen func(rune) bool) (out []byte) {
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
	plain := bytes.ReplaceAll(b, []byte(`\/`), []byte("/"))
	return bytes.ReplaceAll(plain, []byte("/"), []byte(`\/`))
}
