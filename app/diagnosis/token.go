package diagnosis

import (
	"crypto/hmac"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// wrongToken says what is wrong with the token in the path.
func (c Case) wrongToken() []fault {
	got := c.Delivery.Token
	form := fmt.Sprintf("Give the provider the URL that ends in /webhooks/%s/<secret>.", c.Provider)
	if got == "" {
		return []fault{{MissingToken, "The path lacks the secret at its end.", form}}
	}
	for _, k := range c.keys() {
		if k.fault != nil && hmac.Equal(k.key, []byte(got)) {
			f := *k.fault
			f.explanation = "The path ends in another secret. " + f.explanation
			return []fault{f}
		}
	}
	own := func(text string) bool { return slices.Contains(c.Secrets[c.Provider], text) }
	beginning := func(s string) bool { return len(got) >= leastMAC && strings.HasPrefix(s, got) }
	again, err := url.PathUnescape(got)
	before, after, _ := strings.Cut(got, "/")
	switch {
	case err == nil && own(again):
		return []fault{{WrongToken, "The secret in the path is percent-encoded twice.", form}}
	case own(before) && strings.Trim(after, "/") == "":
		return []fault{{WrongToken, "The path goes on with a slash after the secret.", form}}
	case own(before):
		return []fault{{WrongToken, "The path goes on after the secret.", form}}
	case slices.ContainsFunc(c.Secrets[c.Provider], beginning):
		return []fault{{WrongToken, "The secret in the path is cut off.", form}}
	}
	return []fault{{WrongToken, "The path ends in something else than a configured secret.",
		form + " Escape what is special in URLs, such as a slash or a percent sign."}}
}
