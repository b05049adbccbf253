package diagnosis

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// nearest is the scheme whose header is there, or the provider's first.
func nearest(p handlers.Provider, h http.Header) handlers.Scheme {
	all := p.Schemes()
	for _, s := range all {
		if len(h.Values(s.Signature)) > 0 {
			return s
		}
	}
	return all[0]
}

func repeated(s handlers.Scheme, h http.Header) (f fault, found bool) {
	for _, name := range []string{s.Signature, s.Timestamp} {
		if n := len(h.Values(name)); name != "" && n > 1 {
			return fault{RepeatedHeader, fmt.Sprintf("%s comes %d times, and which of them counts would be a guess.", name, n),
				"Have it sent once: a proxy may have added its own."}, true
		}
	}
	return f, false
}

// foreign are signature headers of others, and who sends them.
var foreign = map[string]string{
	"Stripe-Signature":      "Stripe",
	"Webhook-Signature":     "Standard Webhooks",
	"Svix-Signature":        "Svix",
	"X-Hub-Signature":       "GitHub (with SHA-1)",
	"X-Hub-Signature-256":   "GitHub",
	"X-Shopify-Hmac-Sha256": "Shopify",
	"X-Slack-Signature":     "Slack",
}

// noSignature says what there is instead of a signature header, and whether its MAC is explained.
func (c Case) noSignature(s handlers.Scheme) (faults []fault, explained bool) {
	h := c.Delivery.Header
	keep := fmt.Sprintf("Have %s sent, and see that no proxy drops it.", s.Signature)
	if len(h.Values(s.Signature)) > 0 {
		return []fault{{MissingHeader, s.Signature + " is empty.", keep}}, false
	}
	name, sender, setting := c.otherHeader()
	if name == "" {
		return []fault{{MissingHeader, s.Signature + " is missing, and there is no other signature.", keep}}, false
	}
	f := fault{OtherHeader, fmt.Sprintf("%s is missing, but there is %s%s.", s.Signature, name, sender), keep}
	if setting != "" {
		f.hint = fmt.Sprintf("Have %s sent, or set %s.", s.Signature, setting)
	}
	m, _ := readMAC(name, h.Get(name), "")
	if m.bytes == nil {
		return []fault{f}, false
	}
	wrong, found := c.newSearch(s, m).explain(m)
	if found && len(wrong) == 0 {
		f.explanation += " Its MAC is right."
	}
	return append([]fault{f}, wrong...), found
}

// otherHeader finds a header that looks like a signature, says whose it is, and which setting makes it count.
func (c Case) otherHeader() (name, sender, setting string) {
	for _, provider := range handlers.ProviderNames() {
		for _, s := range schemes(provider, handlers.Settings{}) {
			if s.Signature == "" || c.Delivery.Header.Get(s.Signature) == "" {
				continue
			}
			if provider == c.Provider {
				return s.Signature, "", s.Setting
			}
			return s.Signature, ", as " + provider + " sends it", ""
		}
	}
	names := slices.Sorted(maps.Keys(c.Delivery.Header))
	for _, name := range names {
		if by, known := foreign[name]; known {
			return name, ", as " + by + " sends it", ""
		}
	}
	for _, name := range names {
		lower := strings.ToLower(name)
		if strings.Contains(lower, "signature") || strings.Contains(lower, "hmac") {
			return name, "", ""
		}
	}
	return "", "", ""
}
