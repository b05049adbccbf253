package diagnosis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

// message is what may have been signed: the body between two texts.
type message struct {
	fault         fault
	before, after string
}

// ownTimestamp is the timestamp that belongs to a scheme's signature; empty if there is none.
func (c Case) ownTimestamp(s handlers.Scheme, inSignature string) string {
	if s.Pairs {
		return inSignature
	}
	return c.Delivery.Header.Get(s.Timestamp)
}

// messageChanges are what may have been signed instead of the scheme's messages. The timestamp may also stand in the signature.
func (c Case) messageChanges(s handlers.Scheme, inSignature string) (list []change) {
	for _, m := range c.messages(s, inSignature) {
		list = append(list, change{m.fault, messageKind, func(a attempt) []attempt {
			a.before, a.after, a.digest = []byte(m.before), []byte(m.after), hmacOf
			return []attempt{a}
		}})
	}
	return list
}

func (c Case) messages(s handlers.Scheme, inSignature string) (list []message) {
	const asDocumented = "Sign as the provider's documentation says."
	h, body := c.Delivery.Header, c.Delivery.Body
	add := func(cause Cause, explanation, hint, before, after string) {
		list = append(list, message{fault{cause, explanation, hint}, before, after})
	}
	chosen := asDocumented
	if s.Setting != "" {
		chosen = "If the provider really signs like that, set " + s.Setting + ". Otherwise sign as its documentation says."
	}
	if !slices.Contains(s.Messages, "{body}") {
		add("signed_without_timestamp", "Only the body was signed, without the timestamp and a dot before it.", chosen, "", "")
	}
	times := distinct(c.ownTimestamp(s, inSignature), inSignature, h.Get("X-Webhook-Timestamp"), h.Get("Webhook-Timestamp"), h.Get("Svix-Timestamp"))
	for _, t := range times {
		if !slices.Contains(s.Messages, "{timestamp}.{body}") {
			add("signed_with_timestamp", "The timestamp, a dot and the body were signed, not only the body.", chosen, t+".", "")
		}
		for _, id := range c.ids() {
			add("signed_id_timestamp_body", "An ID, the timestamp and the body were signed, with dots between them, as Standard Webhooks does.",
				asDocumented, id+"."+t+".", "")
		}
		for _, other := range distinct(t+"000", cutMilliseconds(t)) {
			add("timestamp_unit", "The signed timestamp counts in another unit (seconds or milliseconds) than the header.",
				"Sign the text of the header, in seconds.", other+".", "")
		}
	}
	for _, t := range memberTexts(body, "timestamp", "created", "created_at", "Timestamp") {
		if !slices.Contains(times, t) {
			add("other_content", "The time in the body was signed, not the one in the header.", "Sign the text of the header.", t+".", "")
		}
	}
	const joined = "Timestamp, ID and body were joined in another way before they were signed."
	for _, t := range times {
		for _, m := range [][2]string{{t, ""}, {t + ":", ""}, {"v0:" + t + ":", ""}, {"", t}, {"", "." + t}} {
			add("other_content", joined, asDocumented, m[0], m[1])
		}
	}
	for _, id := range c.ids() {
		add("other_content", joined, asDocumented, id+".", "")
	}
	return list
}

// ids are what a sender may have signed as the ID of the delivery or the event.
func (c Case) ids() []string {
	h := c.Delivery.Header
	return distinct(append([]string{h.Get("Webhook-Id"), h.Get("Svix-Id"), h.Get("X-Webhook-Id")}, memberTexts(c.Delivery.Body, "event_id", "id")...)...)
}

// memberTexts are the values of members of a body, as they are written.
func memberTexts(body []byte, names ...string) (list []string) {
	if gjson.ValidBytes(body) {
		for _, name := range names {
			list = append(list, strings.Trim(gjson.GetBytes(body, name).Raw, `"`))
		}
	}
	return distinct(list...)
}

// distinct leaves out empty and repeated texts.
func distinct(texts ...string) (list []string) {
	for _, t := range texts {
		if t != "" && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}

// noTimestamp says why the timestamp of a signature cannot be read.
func noTimestamp(s handlers.Scheme, text string) (f fault, found bool) {
	name := s.Timestamp
	if s.Pairs {
		name = "t in " + s.Header
	}
	if _, ok := unixSeconds(text); ok || name == "" {
		return f, false
	}
	inSeconds := fmt.Sprintf("Send %s as Unix seconds, in digits only.", name)
	_, notRFC3339 := time.Parse(time.RFC3339, text)
	switch {
	case text == "":
		return fault{"missing_timestamp", name + " is missing or empty.", "Keep it: a proxy, or whoever saved the delivery, may have dropped it."}, true
	case cutMilliseconds(text) != "":
		return fault{"timestamp_unit", name + " is in milliseconds, not in seconds.", inSeconds}, true
	case notRFC3339 == nil:
		return fault{"malformed_timestamp", name + " is a date, not Unix seconds.", inSeconds}, true
	}
	return fault{"malformed_timestamp", name + " is not a whole number of Unix seconds.", inSeconds}, true
}

// stale says how far a timestamp that can be read is off.
func stale(s handlers.Scheme, text string, now time.Time) (f fault, found bool) {
	seconds, ok := unixSeconds(text)
	age := now.Sub(time.Unix(seconds, 0)).Truncate(time.Second)
	zone := ""
	if near := age.Abs().Round(30 * time.Minute); near > 0 && near <= 14*time.Hour && (age.Abs()-near).Abs() <= time.Minute {
		zone = " That is close to a time zone's offset: a local time may have been taken for UTC."
	}
	switch {
	case ok && s.MaxAge > 0 && age > s.MaxAge:
		return fault{"too_old", fmt.Sprintf("The timestamp is %s old, and %s is the limit.%s", age, s.MaxAge, zone),
			"Check both clocks, or whether it was delivered again. For a saved delivery, give the time when it came with --at."}, true
	case ok && s.MaxAhead > 0 && -age > s.MaxAhead:
		return fault{"from_the_future", fmt.Sprintf("The timestamp is %s ahead of our clock, and %s is the limit.%s", -age, s.MaxAhead, zone),
			"Check both clocks. For a saved delivery, give the time when it came with --at."}, true
	}
	return f, false
}

// unixSeconds reads what package handlers accepts as a timestamp.
func unixSeconds(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && len(text) <= 12 && isDigits(text)
}

// cutMilliseconds returns the seconds of a time of our century in milliseconds or smaller units; empty if it is none.
func cutMilliseconds(text string) string {
	if isDigits(text) && (len(text) == 13 || len(text) == 16 || len(text) == 19) {
		return text[:10]
	}
	return ""
}

func isDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
