package diagnosis

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"unicode/utf8"

	"example.com/identity-webhooks/handlers"
)

// bodyChanges are what may have been signed instead of the body that came. Each returns candidates; one that equals the body is
// left out.
var bodyChanges = []struct {
	fault fault
	of    func(body []byte) [][]byte
}{
	{fault{NewlineRemoved, "The signature fits the body with a newline at its end, which was taken off on the way.", rawBody},
		func(b []byte) [][]byte { return [][]byte{with(b, "\n"), with(b, "\r\n")} }},
	{fault{NewlineAdded, "The signature fits the body without the newline at its end, which was added on the way.",
		"Keep the bytes of the body as they come: editors and echo add a newline, and curl needs --data-binary."},
		func(b []byte) [][]byte {
			return [][]byte{bytes.TrimSuffix(b, []byte("\n")), bytes.TrimSuffix(b, []byte("\r\n")), bytes.TrimRight(b, "\r\n")}
		}},
	{fault{SpaceAdded, "The signature fits the body without the white space around it, which was added on the way.", rawBody},
		func(b []byte) [][]byte {
			return [][]byte{bytes.TrimRight(b, " \t"), bytes.TrimRight(b, " \t\r\n"), bytes.TrimSpace(b), trimLines(b)}
		}},
	{fault{SpaceRemoved, "The signature fits the body with a space at its end, which was taken off on the way.", rawBody},
		func(b []byte) [][]byte { return [][]byte{with(b, " "), with(b, "\t"), with(b, "  "), with(b, " \n")} }},
	{fault{BOMAdded, "The signature fits the body without the byte order mark at its start, which was added on the way.",
		"Save the body as UTF-8 without a byte order mark, or better keep its bytes as they come."},
		func(b []byte) [][]byte { return [][]byte{bytes.TrimPrefix(b, bom)} }},
	{fault{BOMRemoved, "The signature fits the body with a byte order mark at its start, which was taken off on the way.", rawBody},
		func(b []byte) [][]byte { return [][]byte{append(bytes.Clone(bom), b...)} }},
	{fault{LineEndings, "The signature fits the body with other line endings: LF and CRLF were exchanged on the way.", rawBody},
		func(b []byte) [][]byte {
			return [][]byte{toLF(b), bytes.ReplaceAll(toLF(b), []byte("\n"), []byte("\r\n"))}
		}},
	{fault{Charset, "The signature fits the body in another charset: UTF-8 and Latin-1 were exchanged on the way.", rawBody},
		func(b []byte) [][]byte { return [][]byte{toLatin1(b), fromLatin1(b)} }},
	{fault{JSONRewritten, "The signature fits the same JSON written in another way (spaces, order of keys or escapes): it was parsed and written again on the way.", rawBody},
		rewritings},
	{fault{BodyEncoded, "The signature fits the body in another encoding (base64, gzip or a JSON string).",
		"Verify the body in the form in which it was signed: a gateway or a log has encoded or decoded it."}, encodings},
	{fault{EmptyBodySigned, "The signature fits an empty body.",
		"Read the body once and sign what was read: something before the signing had read it to its end."},
		func([]byte) [][]byte { return [][]byte{{}} }},
}

var contentLength = fault{ContentLength, "The signature fits the body with what follows it: Content-Length is too small.",
	"Take the Content-Length out of the request, or correct it, if the body was edited."}

var bom = []byte("\xef\xbb\xbf")

// bodies are the body, which is right, and what may have been signed instead.
func (c Case) bodies() []bodyGuess {
	body := c.Delivery.Body
	list := []bodyGuess{{nil, body}}
	seen := map[[sha256.Size]byte]bool{sha256.Sum256(body): true}
	add := func(f *fault, b []byte) {
		if sum := sha256.Sum256(b); !seen[sum] {
			seen[sum] = true
			list = append(list, bodyGuess{f, b})
		}
	}
	if len(c.Extra) > 0 {
		whole := append(bytes.Clone(body), c.Extra...)
		add(&contentLength, whole)
		add(&contentLength, bytes.TrimRight(whole, "\r\n"))
	}
	for i := range bodyChanges {
		for _, b := range bodyChanges[i].of(body) {
			add(&bodyChanges[i].fault, b)
		}
	}
	return list
}

func with(b []byte, end string) []byte { return append(bytes.Clone(b), end...) }

func toLF(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

func trimLines(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	for i := range lines {
		lines[i] = bytes.TrimRight(lines[i], " \t")
	}
	return bytes.Join(lines, []byte("\n"))
}

// toLatin1 returns the body as it is if it does not fit.
func toLatin1(b []byte) []byte {
	if !utf8.Valid(b) {
		return b
	}
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

// encodings are the body taken out of an encoding, or put into one. (What gzip makes depends on who made it, so that cannot be
// done again.)
func encodings(b []byte) [][]byte {
	list := jsonStrings(b)
	list = append(list, []byte(base64.StdEncoding.EncodeToString(b)))
	if plain, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b))); err == nil && len(plain) > 0 {
		list = append(list, plain)
	}
	if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
		if plain, err := io.ReadAll(io.LimitReader(z, handlers.MaxBody+1)); err == nil && len(plain) <= handlers.MaxBody {
			list = append(list, plain)
		}
	}
	return list
}
