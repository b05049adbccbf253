package inspector

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// maxShown is how many bytes of a payload are shown. The admin API has all of it.
	maxShown = 256 << 10
	// maxLines is how many lines a payload has on a page.
	maxLines = 4000
	// maxIndent is how deeply a payload may be nested. A deeper one is not indented, because its lines would become too long.
	maxIndent = 64
)

// line is a line of a payload: the indentation, a key with its colon, a value and its kind, and the comma.
type line struct{ Indent, Key, Value, Kind, Tail string }

// payload is the body of an event, indented for people.
type payload struct {
	Lines []line
	Cut   bool // there is more
}

// jsonLine matches the lines that json.Indent makes.
var jsonLine = regexp.MustCompile(`^( *)("(?:[^"\\]|\\.)*": )?(.*?)(,?)$`)

func readPayload(body []byte, masked bool) payload {
	var p payload
	if p.Cut = len(body) > maxShown; p.Cut {
		body = body[:maxShown]
	}
	pretty, isJSON := indent(body)
	for text := range strings.SplitSeq(pretty, "\n") {
		if p.Cut = p.Cut || len(p.Lines) == maxLines; len(p.Lines) == maxLines {
			break
		}
		l := line{Value: text, Kind: "s"}
		if m := jsonLine.FindStringSubmatch(text); isJSON && m != nil {
			l = line{m[1], m[2], m[3], kind(m[3]), m[4]}
		}
		if masked && l.Kind != "p" {
			l.Value, l.Kind = mask, "m"
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}

// indent indents JSON. Anything else stays as it is, except for bytes that are not text.
func indent(body []byte) (text string, isJSON bool) {
	var b bytes.Buffer
	if depth(body) <= maxIndent && utf8.Valid(body) && json.Indent(&b, body, "", "  ") == nil {
		return strings.TrimSpace(b.String()), true
	}
	return strings.ToValidUTF8(string(body), "\uFFFD"), false
}

// depth returns how deeply JSON is nested.
func depth(body []byte) (deepest int) {
	now, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}', c == ']':
			now--
		}
	}
	return deepest
}

// kind returns the CSS class of a value: s for a string, n for a number, w for true, false and null, p for brackets.
func kind(value string) string {
	switch {
	case value == "" || strings.ContainsAny(value[:1], "{}[]"):
		return "p"
	case value[0] == '"':
		return "s"
	case value == "true", value == "false", value == "null":
		return "w"
	}
	return "n"
}
