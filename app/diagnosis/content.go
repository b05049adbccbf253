package diagnosis

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

const followDocs = "Have it signed as the provider's documentation says."

var (
	withoutTimestamp = fault{WithoutTimestamp, "Only the body was signed, not the timestamp, a dot and the body.", followDocs}
	withTimestamp    = fault{WithTimestamp, "The timestamp, a dot and the body were signed, not the body alone.", followDocs}
	withID           = fault{WithID, "An ID, the timestamp and the body were signed, with dots between them, as Standard Webhooks does.", followDocs}
	timestampUnit    = fault{TimestampUnit, "The timestamp that was signed counts in another unit (seconds or milliseconds) than the header.", "Sign the header's own text, in seconds."}
	bodysTimestamp   = fault{OtherContent, "The time that the body names was signed, not that of the header.", "Sign the text of the header."}
	otherContent     = fault{OtherContent, "Timestamp, ID and body were joined in another way before they were signed.", followDocs}
)

// contents are what a scheme signs, and what may have been signed instead. Besides the header's, the timestamp may be one that
// stands in the signature itself.
func (c Case) contents(s handlers.Scheme, inSignature string) []contentGuess {
	h, body := c.Delivery.Header, c.Delivery.Body
	var list []contentGuess
	add := func(f *fault, before, after string) { list = append(list, contentGuess{f, before, after}) }
	of := func(form string) bool { return slices.Contains(s.Contents, form) }

	own := ""
	if s.Timestamp != "" {
		own = h.Get(s.Timestamp)
	}
	if of(handlers.FormBody) {
		add(nil, "", "")
	}
	if of(handlers.FormTimestampBody) && own != "" {
		add(nil, own+".", "")
	}
	if !of(handlers.FormBody) {
		add(chosen(withoutTimestamp, s), "", "")
	}
	times := filled(own, inSignature, h.Get("X-Webhook-Timestamp"), h.Get("Webhook-Timestamp"), h.Get("Svix-Timestamp"))
	for _, t := range times {
		if !of(handlers.FormTimestampBody) {
			add(chosen(withTimestamp, s), t+".", "")
		}
		for _, id := range ids(h, body) {
			add(&withID, id+"."+t+".", "")
		}
		add(&timestampUnit, t+"000.", "")
		if seconds, found := cutMilliseconds(t); found {
			add(&timestampUnit, seconds+".", "")
		}
	}
	for _, t := range bodyTimes(body) {
		if !slices.Contains(times, t) {
			add(&bodysTimestamp, t+".", "")
		}
	}
	for _, t := range times {
		add(&otherContent, t, "")
		add(&otherContent, t+":", "")
		add(&otherContent, "v0:"+t+":", "")
		add(&otherContent, "", t)
		add(&otherContent, "", "."+t)
	}
	for _, id := range ids(h, body) {
		add(&otherContent, id+".", "")
	}
	return list
}

// chosen names the setting that makes a content right.
func chosen(f fault, s handlers.Scheme) *fault {
	if s.Setting != "" {
		f.hint = "If the provider signs like that, set " + s.Setting + "; otherwise have it signed as the documentation says."
	}
	return &f
}

// ids are what a sender may have signed as the ID of the delivery or the event.
func ids(h http.Header, body []byte) []string {
	found := []string{h.Get("Webhook-Id"), h.Get("Svix-Id"), h.Get("X-Webhook-Id")}
	if gjson.ValidBytes(body) {
		for _, name := range []string{"event_id", "id"} {
			if id := gjson.GetBytes(body, name); id.Type == gjson.String {
				found = append(found, id.Str)
			}
		}
	}
	return filled(found...)
}

// bodyTimes are the times that a body names, as they are written.
func bodyTimes(body []byte) []string {
	var found []string
	if gjson.ValidBytes(body) {
		for _, name := range []string{"timestamp", "created", "created_at", "Timestamp"} {
			found = append(found, strings.Trim(gjson.GetBytes(body, name).Raw, `"`))
		}
	}
	return filled(found...)
}

// filled leaves out empty and repeated texts.
func filled(texts ...string) (list []string) {
	for _, t := range texts {
		if t != "" && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}
