package diagnosis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const secretPrefix = "whsec_"

// keyChanges are the keys that a sender, or somebody who copied the secret, may have made of it.
var keyChanges = []struct {
	fault fault
	of    func(secret string) []string
}{
	{fault{SecretPrefix, "The sender used the secret without its whsec_.", "Use the whole secret as the key, whsec_ included, at both ends."},
		func(s string) []string { return []string{strings.TrimPrefix(s, secretPrefix)} }},
	{fault{SecretPrefix, "The sender used the secret with a whsec_ before it, which the configured one lacks.", "Configure the secret as the provider shows it, whsec_ included."},
		func(s string) []string { return []string{secretPrefix + strings.TrimPrefix(s, secretPrefix)} }},
	{fault{SecretDecoded, "The sender decoded the secret from base64, as Standard Webhooks does.", "Use the text of the secret as the key, verbatim."},
		func(s string) []string { return fromBase64(s, strings.TrimPrefix(s, secretPrefix)) }},
	{fault{SecretDecoded, "The sender decoded the secret from hex.", "Use the text of the secret as the key, verbatim."},
		func(s string) []string { return fromHex(s, strings.TrimPrefix(s, secretPrefix)) }},
	{fault{SecretWhitespace, "The configured secret has white space or quotes around it, which the sender's has not.", "Take them out of the variable or the file; a .env file for Docker takes quotes literally."},
		func(s string) []string { return []string{strings.TrimSpace(s), strings.Trim(s, " \t\r\n\"'`")} }},
	{fault{SecretWhitespace, "The sender's secret has a newline, a space or quotes around it, which the configured one has not.", "Take them out at the sender; echo adds a newline where printf does not."},
		func(s string) []string {
			return []string{s + "\n", s + "\r\n", s + " ", " " + s, "\n" + s, `"` + s + `"`, "'" + s + "'"}
		}},
	{fault{SecretCase, "The sender's secret differs from the configured one in upper and lower case.", "Copy the secret again."},
		func(s string) []string { return []string{strings.ToLower(s), strings.ToUpper(s)} }},
}

var (
	emptySecret = fault{EmptySecret, "The sender used an empty secret.", "Set the secret at the sender: the variable it reads it from is empty or has another name."}
	secretComma = fault{SecretComma, "The secret contains a comma, and was taken for several secrets.", "Choose a secret without commas: in the configuration they separate the active secrets."}
)

// keys are the secrets that are right, and those that may have been used instead.
func (c Case) keys() []keyGuess {
	own := c.Secrets[c.Provider]
	var list []keyGuess
	seen := map[string]bool{}
	add := func(f *fault, keys ...string) {
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				list = append(list, keyGuess{f, []byte(k)})
			}
		}
	}
	add(nil, own...)
	add(&fault{OtherSecret, fmt.Sprintf("The signature was made with the configured secret of %s, not with the one that was given.", c.Provider),
		"Leave the flag out, or give the secret that the provider signs with."}, c.Spare...)
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		add(&fault{OtherSecret, fmt.Sprintf("The signature was made with the configured secret of %s.", name),
			fmt.Sprintf("Configure the secret that %s signs with; the two may have been swapped.", c.Provider)}, c.Secrets[name]...)
	}
	for i := range keyChanges {
		for _, s := range own {
			add(&keyChanges[i].fault, keyChanges[i].of(s)...)
		}
	}
	add(&secretComma, strings.Join(own, ","), strings.Join(own, ", "))
	add(&emptySecret, "")
	return list
}

func fromBase64(texts ...string) (keys []string) {
	for _, t := range texts {
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			if key, err := e.DecodeString(t); err == nil {
				keys = append(keys, string(key))
			}
		}
	}
	return keys
}

func fromHex(texts ...string) (keys []string) {
	for _, t := range texts {
		if key, err := hex.DecodeString(t); err == nil {
			keys = append(keys, string(key))
		}
	}
	return keys
}
