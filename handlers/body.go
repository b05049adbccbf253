package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	oldjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object one level deep. Its keys are matched exactly: encoding/json would take "Event" for "event",
// which blurs the generations of a payload.
type object map[string]jsontext.Value

// lastOfTwo takes the last of two members of one name, as most programs do.
var lastOfTwo = jsontext.AllowDuplicateNames(true)

// decode reads a body's top level. The error is ErrUnreadable.
func decode(body []byte) (object, error) {
	if !utf8.Valid(body) {
		return nil, unreadable("it is not valid UTF-8")
	}
	var o object
	if err := json.Unmarshal(body, &o, lastOfTwo); err != nil {
		return nil, unreadable("it is not a JSON object%s", where(err))
	}
	if o == nil {
		return nil, unreadable("it is null, not a JSON object")
	}
	return o, nil
}

// where says what is wrong with a body's JSON and at which byte. The error itself would quote the names of its members.
func where(err error) string {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Sprintf(": %v, at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return ""
}

// has reports whether the object has a member of this name that is not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// object returns a member that is an object.
func (o object) object(name string) (object, error) {
	if !o.has(name) {
		return nil, unreadable("%s is missing", name)
	}
	var inner object
	if err := json.Unmarshal(o[name], &inner, lastOfTwo); err != nil {
		return nil, unreadable("%s is not an object", name)
	}
	return inner, nil
}

// maxText is the longest ID or type that is stored, in bytes.
const maxText = 255

// text returns a member that is a string fit to be an ID or a type; empty if it is missing or null.
func (o object) text(name string) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(o[name], &s); err != nil {
		return "", unreadable("%s is not a string", name)
	}
	if len(s) > maxText {
		return "", unreadable("%s is longer than %d bytes", name, maxText)
	}
	if strings.ContainsRune(s, 0) {
		return "", unreadable("%s contains a NUL character", name)
	}
	return s, nil
}

// need is text that must not be empty.
func (o object) need(name string) (string, error) {
	s, err := o.text(name)
	if err == nil && s == "" {
		return "", unreadable("%s is missing", name)
	}
	return s, err
}

// time returns a member that is an RFC 3339 time with up to nine digits of a second.
func (o object) time(name string) (time.Time, error) {
	s, err := o.need(name)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if year := t.UTC().Year(); err != nil || year < 1 || year > 9999 { // in UTC its year may have five digits
		return time.Time{}, unreadable("%s is not an RFC 3339 time", name)
	}
	return t, nil
}

// unreadable makes an ErrUnreadable. The text must not quote the body.
func unreadable(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnreadable}, args...)...)
}

// bodyID is the external ID of an event that has no other: the hash of its bytes.
func bodyID(body []byte) string {
	h := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(h[:])
}

// derivedID is the external ID of an event that the provider gives none: a hash of what makes it this event.
func derivedID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x1f")))
	return "key:" + hex.EncodeToString(h[:])
}

// canonical returns the hash of a JSON value that does not depend on its spacing or the order of its keys.
func canonical(values ...jsontext.Value) (string, error) {
	h := sha256.New()
	for _, raw := range values {
		d := oldjson.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if len(raw) > 0 {
			if err := d.Decode(&v); err != nil {
				return "", unreadable("a part of it is not JSON")
			}
		}
		b, err := oldjson.Marshal(v) // sorts keys
		if err != nil {
			return "", unreadable("a part of it is not JSON")
		}
		h.Write(b)
		h.Write([]byte{0x1f})
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
