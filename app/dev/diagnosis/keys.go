package diagnosis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// keyTable are the keys that a sender, or somebody who copied the secret, may have made of it.
var keyTable = []struct {
	fault fault
	of    func(secret string) []string
}{
	{fault{"secret_prefix", "The sender used the secret without its whsec_.", "Use the whole secret as the key, with whsec_, on both sides."},
		func(s string) []string { return []string{strings.TrimPrefix(s, "whsec_")} }},
	{fault{"secret_prefix", "The sender used the secret with a whsec_ before it, which the configured one lacks.",
		"Configure the secret as the provider shows it, with whsec_."},
		func(s string) []string { return []string{"whsec_" + strings.TrimPrefix(s, "whsec_")} }},
	{fault{"secret_decoded", "The sender decoded the secret from base64, as Standard Webhooks does.", "Use the text of the secret as the key, verbatim."},
		func(s string) (keys []string) {
			for _, e := range base64s {
				keys = append(keys, decoded(s, e.DecodeString)...)
			}
			return keys
		}},
	{fault{"secret_decoded", "The sender decoded the secret from hex.", "Use the text of the secret as the key, verbatim."},
		func(s string) []string { return decoded(s, hex.DecodeString) }},
	{fault{"secret_whitespace", "The configured secret has white space or quotes around it, which the sender's does not have.",
		"Remove them from the variable or the file. Docker takes quotes in a .env file literally."},
		func(s string) []string { return []string{strings.TrimSpace(s), strings.Trim(s, " \t\r\n\"'`")} }},
	{fault{"secret_whitespace", "The sender's secret has a newline, a space or quotes around it, which the configured one does not have.",
		"Remove them at the sender. echo adds a newline, printf does not."},
		func(s string) []string {
			return []string{s + "\n", s + "\r\n", s + " ", " " + s, "\n" + s, `"` + s + `"`, "'" + s + "'"}
		}},
	{fault{"secret_case", "The sender's secret differs from the configured one in upper and lower case.", "Copy the secret again."},
		func(s string) []string { return []string{strings.ToLower(s), strings.ToUpper(s)} }},
	{fault{"empty_secret", "The sender used an empty secret.", "Set the secret at the sender: the variable that it reads is empty or has another name."},
		func(string) []string { return []string{""} }},
}

// base64s are the ways to write base64.
var base64s = []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}

// decoded returns what is in a secret, with and without its prefix.
func decoded(secret string, decode func(string) ([]byte, error)) (keys []string) {
	for _, text := range []string{secret, strings.TrimPrefix(secret, "whsec_")} {
		if key, err := decode(text); err == nil {
			keys = append(keys, string(key))
		}
	}
	return keys
}

// keyChanges are the secrets that may have been used instead of the right ones.
func (c Case) keyChanges() (list []change) {
	add := func(f fault, of func(secret string) []string) {
		list = append(list, change{f, keyKind, func(a attempt) (attempts []attempt) {
			for _, key := range of(string(a.key)) {
				b := a
				b.key = []byte(key)
				attempts = append(attempts, b)
			}
			return attempts
		}})
	}
	own := values(c.Secrets[c.Provider])
	add(fault{"other_secret", fmt.Sprintf("The signature was made with the configured secret of %s, not with the one that was given.", c.Provider),
		"Leave the flag out, or give the secret that the provider signs with."}, func(string) []string { return values(c.Spare) })
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if name != c.Provider {
			add(fault{"other_secret", fmt.Sprintf("The signature was made with the configured secret of %s.", name),
				fmt.Sprintf("Configure the secret that %s signs with. The two may have been swapped.", c.Provider)}, func(string) []string { return values(c.Secrets[name]) })
		}
	}
	for _, k := range keyTable {
		add(k.fault, k.of)
	}
	add(fault{"secret_comma", "The secret contains a comma, and was taken for several secrets.",
		"Choose a secret without commas: in the configuration they separate the active secrets."},
		func(string) []string { return []string{strings.Join(own, ","), strings.Join(own, ", ")} })
	return list
}

func values(secrets []handlers.Secret) (list []string) {
	for _, s := range secrets {
		list = append(list, s.Value)
	}
	return list
}

// wrongToken says what is wrong with the token in the path.
func (c Case) wrongToken() fault {
	got, own := c.Delivery.Token, values(c.Secrets[c.Provider])
	hint := fmt.Sprintf("Register the URL that ends in /webhooks/%s/<secret>.", c.Provider)
	if got == "" {
		return fault{"missing_token", "The path lacks the secret at its end.", hint}
	}
	for _, k := range c.keyChanges() {
		for _, secret := range own {
			if slices.ContainsFunc(k.of(attempt{key: []byte(secret)}), func(a attempt) bool { return string(a.key) == got }) {
				k.fault.explanation = "The path ends in another secret. " + k.fault.explanation
				return k.fault
			}
		}
	}
	before, after, _ := strings.Cut(got, "/")
	switch again, err := url.PathUnescape(got); {
	case err == nil && slices.Contains(own, again):
		return fault{"wrong_token", "The secret in the path is percent-encoded twice.", hint}
	case slices.Contains(own, before) && strings.Trim(after, "/") == "":
		return fault{"wrong_token", "The path has a slash after the secret.", hint}
	case slices.Contains(own, before):
		return fault{"wrong_token", "The path goes on after the secret.", hint}
	case slices.ContainsFunc(own, func(s string) bool { return len(got) >= leastMAC && strings.HasPrefix(s, got) }):
		return fault{"wrong_token", "The secret in the path is cut off.", hint}
	}
	return fault{"wrong_token", "The path does not end in a configured secret.", hint + " Escape characters that are special in URLs, such as / and %."}
}
