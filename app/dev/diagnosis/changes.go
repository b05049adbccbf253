package diagnosis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"example.com/identity-webhooks/handlers"
)

const (
	verifyBytes = "Verify the bytes of the body as they arrive, before a framework, proxy or editor rewrites them."
	bom         = "\xef\xbb\xbf"
)

// bodyChanges lead from the body that arrived to the one that may have been signed.
var bodyChanges = []change{
	{inBody, fault{"newline_removed", "A newline was removed from the end of the body on the way.", verifyBytes},
		followed("\n", "\r\n")},
	{inBody, fault{"newline_added", "A newline was added to the end of the body on the way.",
		"Verify the bytes of the body as they arrive: editors and echo add a newline, and curl needs --data-binary."},
		func(b string) []string {
			return []string{strings.TrimSuffix(b, "\n"), strings.TrimSuffix(b, "\r\n"), strings.TrimRight(b, "\r\n")}
		}},
	{inBody, fault{"space_added", "White space was added around the body on the way.", verifyBytes},
		func(b string) []string { return []string{strings.TrimRight(b, " \t"), strings.TrimSpace(b)} }},
	{inBody, fault{"space_removed", "A space was removed from the end of the body on the way.", verifyBytes},
		followed(" ", "\t")},
	{inBody, fault{"bom_added", "A byte order mark was added to the start of the body on the way.",
		"Save the body as UTF-8 without a byte order mark."},
		func(b string) []string { return []string{strings.TrimPrefix(b, bom)} }},
	{inBody, fault{"bom_removed", "A byte order mark was removed from the start of the body on the way.", verifyBytes},
		func(b string) []string { return []string{bom + b} }},
	{inBody, fault{"line_endings", "The line endings of the body were changed on the way, to CRLF or to LF.", verifyBytes},
		func(b string) []string {
			lf := strings.ReplaceAll(b, "\r\n", "\n")
			return []string{lf, strings.ReplaceAll(lf, "\n", "\r\n")}
		}},
	{inBody, fault{"charset", "The charset of the body was changed on the way, to Latin-1 or to UTF-8.", verifyBytes},
		func(b string) []string { return []string{toLatin1(b), fromLatin1(b)} }},
	{inBody, fault{"json_rewritten", "The body was parsed and written again on the way: " +
		"its JSON means the same, but spaces, the order of members or escapes differ.", verifyBytes}, rewritings},
	{inBody, fault{"body_encoded", "The body was encoded after it was signed, as base64, gzip or a JSON string.",
		"Verify the body in the form in which it was signed: a gateway or a log has encoded it."}, decodings},
	{inBody, fault{"empty_body_signed", "The sender signed an empty body.",
		"The body was probably read before it was signed. The sender must read it once and sign what it read."}, always("")},
}

// keyTable are the changes that lead from the configured secret to the key that may have been used.
var keyTable = []change{
	{inKey, fault{"secret_prefix", "Either the sender or the configuration lacks the whsec_ in front of the secret.",
		"Use the whole secret as the provider shows it, with whsec_, on both sides."},
		func(s string) []string { return []string{strings.TrimPrefix(s, "whsec_"), "whsec_" + s} }},
	{inKey, fault{"secret_decoded", "The sender decoded the secret from base64, as Standard Webhooks does, or from hex.",
		"Use the text of the secret as the key, unchanged."}, decoded},
	{inKey, fault{"secret_whitespace", "Either the sender or the configuration has white space or quotes around the secret.",
		"Remove them. echo adds a newline, printf does not, and Docker takes quotes in a .env file literally."},
		func(s string) []string {
			return []string{strings.Trim(s, " \t\r\n\"'`"), s + "\n", s + "\r\n", s + " ", " " + s, `"` + s + `"`, "'" + s + "'"}
		}},
	{inKey, fault{"secret_case", "The sender's secret differs from ours in upper and lower case only.", "Copy the secret again."},
		func(s string) []string { return []string{strings.ToLower(s), strings.ToUpper(s)} }},
	{inKey, fault{"empty_secret", "The sender used an empty secret.",
		"Set the secret at the sender: the variable that it reads is empty or has another name."}, always("")},
}

// notDecoded is the change for schemes whose secrets are in base64. It leads to the secret whose key is the text of the other one.
var notDecoded = change{inKey, fault{"secret_not_decoded", "The sender used the text of the secret as the key.",
	"Remove whsec_ and decode the rest from base64: the result is the key."},
	func(s string) (texts []string) {
		for _, text := range []string{s, strings.TrimPrefix(s, "whsec_"), "whsec_" + s} {
			texts = append(texts, base64.StdEncoding.EncodeToString([]byte(text)))
		}
		return texts
	}}

// keyOf returns the key that a secret stands for. If it should be in base64 and is not, that is the secret itself.
func keyOf(s handlers.Scheme, secret string) string {
	if key := decodeBase64(strings.TrimPrefix(secret, "whsec_")); s.Base64Key && key != nil {
		return string(key)
	}
	return secret
}

// keyChanges returns the changes of keyTable and those that depend on the other secrets.
func (c Case) keyChanges() (list []change) {
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		secrets, hint := c.Secrets[name], "Configure the right secret for each provider: the two may have been swapped."
		if name == c.Provider {
			secrets, hint = c.Spare, "Verify with that secret, or configure the other one at the sender."
		}
		list = append(list, change{inKey, fault{"other_secret",
			fmt.Sprintf("The sender used the configured secret of %s.", name), hint}, always(values(secrets)...)})
	}
	own := values(c.Secrets[c.Provider])
	return append(append(list, keyTable...), change{inKey, fault{"secret_comma",
		"The secret contains a comma, so it was read as several secrets.",
		"Choose a secret without commas: in the configuration they separate the active secrets."},
		always(strings.Join(own, ","), strings.Join(own, ", "))})
}

// messageChanges returns the changes that lead from what the scheme signs to what may have been signed.
func (c Case) messageChanges(s handlers.Scheme, readings []reading) []change {
	var times, timed, withID, otherUnit, other []string
	for _, r := range readings {
		times = append(times, c.timestamp(s, r), r.timestamp)
	}
	times = distinct(append(times, c.headers("-Timestamp")...))
	ids := distinct(append(c.headers("-Id"), c.members("event_id", "id")...))
	for _, t := range times {
		timed = append(timed, t+".{body}")
		otherUnit = append(otherUnit, t+"000.{body}", inMilliseconds.ReplaceAllString(t, "$1.{body}"))
		other = append(other, t+"{body}", t+":{body}", "v0:"+t+":{body}", "{body}"+t, "{body}."+t)
		for _, id := range ids {
			withID = append(withID, id+"."+t+".{body}")
		}
	}
	for _, text := range append(ids, c.members("timestamp", "created", "created_at", "Timestamp")...) {
		other = append(other, text+".{body}")
	}
	if slices.Contains(s.Messages, "{timestamp}.{body}") {
		timed = nil
	}
	const documented = "Sign as the provider's documentation says."
	chosen := documented
	if s.Setting != "" {
		chosen = "If the provider really signs like that, set " + s.Setting + ". Otherwise sign as its documentation says."
	}
	withTime := fault{"signed_with_timestamp", "The timestamp, a dot and the body were signed, not only the body.", chosen}
	otherID := fault{"signed_id_timestamp_body",
		"An ID, the timestamp and the body were signed, with dots between them, as Standard Webhooks does.", documented}
	if s.SignsID() {
		withTime = fault{"signed_without_id", "The timestamp, a dot and the body were signed, without the event's ID before them.", chosen}
		otherID = fault{"other_id", fmt.Sprintf("Another ID was signed than the one in %s.", s.ID),
			"Sign the ID that is sent. It is the same in all retries of an event."}
	}
	return []change{
		{inMessage, fault{"signed_without_timestamp",
			"Only the body was signed, without the timestamp and a dot before it.", chosen}, always("{body}")},
		{inMessage, withTime, always(timed...)},
		{inMessage, otherID, always(withID...)},
		{inMessage, fault{"timestamp_unit",
			"The signed timestamp is in another unit (seconds or milliseconds) than the one that was sent.",
			"Sign the timestamp as it is sent, in seconds."}, always(otherUnit...)},
		{inMessage, fault{"other_content",
			"The body was signed with another time or an ID in front, or joined with the timestamp in another way.", documented},
			always(other...)},
	}
}

// headers returns the values of the headers whose names end in a text.
func (c Case) headers(ending string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Delivery.Header)) {
		if strings.HasSuffix(name, ending) {
			list = append(list, c.Delivery.Header.Get(name))
		}
	}
	return list
}

// members returns the values of members of the body as they are written.
func (c Case) members(names ...string) (list []string) {
	for _, value := range gjson.GetManyBytes(c.Delivery.Body, names...) {
		list = append(list, strings.Trim(value.Raw, `"`))
	}
	return list
}

// distinct returns the first eight texts that are different and not empty.
func distinct(texts []string) (list []string) {
	for _, t := range texts {
		if t != "" && !slices.Contains(list, t) && len(list) < 8 {
			list = append(list, t)
		}
	}
	return list
}

// followed returns a function that returns a text with each of the endings.
func followed(endings ...string) func(string) []string {
	return func(text string) (list []string) {
		for _, ending := range endings {
			list = append(list, text+ending)
		}
		return list
	}
}

// decoded returns the keys that a secret may encode in hex or base64, with its prefix and without.
func decoded(secret string) (keys []string) {
	for _, text := range []string{secret, strings.TrimPrefix(secret, "whsec_")} {
		if key, err := hex.DecodeString(text); err == nil {
			keys = append(keys, string(key))
		}
		if key := decodeBase64(text); key != nil {
			keys = append(keys, string(key))
		}
	}
	return keys
}

// decodeBase64 decodes all variants of base64. It returns nil if text is not base64.
func decodeBase64(text string) []byte {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if raw, err := e.DecodeString(text); err == nil {
			return raw
		}
	}
	return nil
}
