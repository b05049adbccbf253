package handlers

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reading is an envelope that is being read. It continues after an error, so that the envelope holds as much as the body says. Only members
// that identify the event can make a body unreadable; any other invalid member is left out with a warning.
type reading struct {
	Envelope
	inUTC bool  // the provider documents that times without a zone are in UTC
	err   error // why the body is unreadable or contradictory; the first error counts
}

// object is a JSON object one level deep. Its names are matched exactly: encoding/json takes "Event" for "event", which blurs the
// generations of a payload. A nil object has no members.
type object map[string]jsontext.Value

// tolerant takes the last of two members with the same name, as most programs do, and allows invalid UTF-8.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// readBody starts reading a body that should be a JSON object. If it is not valid, the object has the members before the error.
func readBody(body []byte, generation string) (*reading, object) {
	r := &reading{Envelope: Envelope{Generation: generation}}
	o, err := readObject(bytes.TrimPrefix(body, []byte("\ufeff")))
	if err != nil {
		r.unreadable(err.Error())
	}
	return r, o
}

// result is what a provider's envelope function returns.
func (r *reading) result() (Envelope, error) { return r.Envelope, r.err }

// unreadable marks the body as unreadable. The text must not quote the body.
func (r *reading) unreadable(text string) { r.fault(fmt.Errorf("%w: %s", ErrUnreadable, text)) }

func (r *reading) fault(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reading) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// readObject reads the members of an object. With an error it returns those before the error.
func readObject(text []byte) (object, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text), tolerant)
	if d.PeekKind() != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, syntaxError(err)
	}
	o := object{}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return o, syntaxError(err)
		}
		key := name.String() // the token is valid until the next read
		value, err := d.ReadValue()
		if err != nil {
			return o, syntaxError(err)
		}
		end := d.InputOffset()
		o[key] = text[end-int64(len(value)) : end]
	}
	if _, err := d.ReadToken(); err != nil { // the closing brace
		return o, syntaxError(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return o, errors.New("something follows the JSON object")
	}
	return o, nil
}

// syntaxError says what is wrong with a body's JSON and where. The original error would quote the names of members.
func syntaxError(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it is not JSON at byte %d", syntax.ByteOffset)
	}
	return errors.New("its JSON ends too early")
}

// has reports whether the object has a member of this name that is not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// object returns a member that is an object, or nil.
func (o object) object(name string) object {
	if o[name].Kind() != '{' {
		return nil
	}
	inner, _ := readObject(o[name]) // it is valid: it was read before, as a part of the body
	return inner
}

// maxText is the longest ID or type that is stored, in bytes.
const maxText = 255

// text returns a member as an ID or a type: a string, or a number as it is written. It is empty if the member is missing or null. The fault
// says why the member cannot be used.
func (o object) text(name string) (text, fault string) {
	if !o.has(name) {
		return "", ""
	}
	switch o[name].Kind() {
	case '"':
		if json.Unmarshal(o[name], &text) != nil { // strict: a lone surrogate or a wrong byte would become U+FFFD, and two IDs one
			return "", name + " contains invalid characters"
		}
	case '0':
		text = string(o[name])
	default:
		return "", name + " is not a string"
	}
	switch {
	case len(text) > maxText:
		return "", fmt.Sprintf("%s is longer than %d bytes", name, maxText)
	case strings.ContainsRune(text, 0):
		return "", name + " contains a NUL character"
	}
	return text, ""
}

// need returns a text that is required: without it the body is unreadable.
func (r *reading) need(o object, name string) string {
	text, fault := o.text(name)
	if text == "" {
		r.unreadable(cmp.Or(fault, name+" is missing"))
	}
	return text
}

// optional returns a text that may be missing. An invalid one is left out with a warning.
func (r *reading) optional(o object, name string) string {
	text, fault := o.text(name)
	if fault != "" {
		r.warn("%s: left out", fault)
	}
	return text
}

// time returns the first of the named members that exists, as a time. It is zero, with a warning, if there is none or it is not a time.
func (r *reading) time(o object, names ...string) time.Time {
	for _, name := range names {
		if !o.has(name) {
			continue
		}
		at, fault := readTime(o[name])
		if fault != "" && !(fault == noZone && r.inUTC) {
			r.warn("%s %s", name, fault)
		}
		return at
	}
	r.warn("%s is missing", names[0])
	return time.Time{}
}

// layouts are the formats in which providers write times. In each, the seconds may have a fraction.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05"}

// noZone is the fault of a time that is usable if it is in UTC.
const noZone = "has no time zone: taken as UTC"

// readTime reads a time in one of the layouts, with a space or a T in the middle, or a Unix time in seconds or milliseconds, as a number or
// a string. The fault says what is wrong with it; the time may still be usable.
func readTime(raw jsontext.Value) (at time.Time, fault string) {
	text := string(raw)
	if raw.Kind() == '"' && json.Unmarshal(raw, &text, tolerant) != nil {
		return time.Time{}, "is not a time"
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		return readUnixTime(number)
	}
	text = strings.ToUpper(text)
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for i, layout := range layouts {
		at, err := time.Parse(layout, text)
		if year := at.UTC().Year(); err != nil || year < 1 || year > 9999 { // converting to UTC may leave that range
			continue
		}
		if i == len(layouts)-1 {
			return at, noZone
		}
		return at, ""
	}
	return time.Time{}, "is not a time"
}

// readUnixTime reads a number above 1e11, which as seconds would be after the year 5138, as milliseconds.
func readUnixTime(seconds float64) (at time.Time, fault string) {
	if seconds > 1e11 {
		seconds /= 1000
	}
	if !(seconds > 0 && seconds < 253402300800) { // the year 10000; NaN is refused as well
		return time.Time{}, "is not a time"
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))), ""
}

// bodyID returns the external ID of an event that has no other: the hash of the body.
func bodyID(body []byte) string {
	h := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(h[:])
}

// derivedID returns the external ID of an event without an ID of the provider: the hash of what identifies it.
func derivedID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x1f")))
	return "key:" + hex.EncodeToString(h[:])
}

// canonicalHash returns a hash of JSON values that does not depend on their spacing or the order of their members.
func canonicalHash(values ...jsontext.Value) string {
	h := sha256.New()
	for _, raw := range values {
		var v any
		d := stdjson.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		sorted := []byte(raw)
		if d.Decode(&v) == nil || len(raw) == 0 {
			sorted, _ = stdjson.Marshal(v) // it sorts members, and what was decoded can be encoded
		}
		h.Write(sorted)
		h.Write([]byte{0x1f})
	}
	return hex.EncodeToString(h.Sum(nil))
}
