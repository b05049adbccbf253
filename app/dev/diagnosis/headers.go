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
	if i := slices.IndexFunc(all, func(s handlers.Scheme) bool { return len(h.Values(s.Header)) > 0 }); i > 0 {
		return all[i]
	}
	return all[0]
}

// foreign are signature headers of programs that are no provider here, and who sends them.
var foreign = map[string]string{
	"Stripe-Signature":      "Stripe",
	"Webhook-Signature":     "Standard Webhooks",
	"Svix-Signature":        "Svix",
	"X-Hub-Signature":       "GitHub (with SHA-1)",
	"X-Hub-Signature-256":   "GitHub",
	"X-Shopify-Hmac-Sha256": "Shopify",
	"X-Slack-Signature":     "Slack",
}

// noSignature says what there is instead of a signature header, and whether that explains it.
func (c Case) noSignature(s handlers.Scheme) (faults []fault, explained bool) {
	h := c.Delivery.Header
	hint := fmt.Sprintf("Send %s, and check that no proxy drops it.", s.Header)
	name, sender, setting := c.otherHeader()
	switch {
	case len(h.Values(s.Header)) > 0:
		return []fault{{"missing_header", s.Header + " is empty.", hint}}, false
	case name == "":
		return []fault{{"missing_header", s.Header + " is missing, and there is no other signature.", hint}}, false
	case setting != "":
		hint = fmt.Sprintf("Send %s, or set %s.", s.Header, setting)
	}
	f := fault{"other_header", fmt.Sprintf("%s is missing, but there is %s%s.", s.Header, name, sender), hint}
	s.Header, s.Prefix = name, ""
	m, _ := readMAC(s, h.Get(name))
	if m.macs == nil {
		return []fault{f}, false
	}
	wrong, found := c.newSearch(s, m.timestamp).explain(m)
	if found && len(wrong) == 0 {
		f.explanation += " Its MAC is right."
	}
	return append([]fault{f}, wrong...), found
}

// otherHeader finds a header that looks like a signature, who sends it, and which setting makes it count.
func (c Case) otherHeader() (name, sender, setting string) {
	for _, provider := range append([]string{c.Provider}, handlers.ProviderNames()...) {
		for _, s := range schemes(provider, nil) {
			switch {
			case s.Header == "" || c.Delivery.Header.Get(s.Header) == "":
			case provider == c.Provider:
				return s.Header, "", s.Setting
			default:
				return s.Header, ", as " + provider + " sends it", ""
			}
		}
	}
	names := slices.Sorted(maps.Keys(c.Delivery.Header))
	for _, name := range names {
		if by := foreign[name]; by != "" {
			return name, ", as " + by + " sends it", ""
		}
	}
	for _, name := range names {
		if lower := strings.ToLower(name); strings.Contains(lower, "signature") || strings.Contains(lower, "hmac") {
			return name, "", ""
		}
	}
	return "", "", ""
}

// provider returns a provider with its secrets.
func (c Case) provider(name string) (handlers.Provider, error) {
	return handlers.NewProvider(name, handlers.Settings{Secrets: c.Secrets[name], Options: c.Options})
}

// schemes are those of a provider, whatever its secrets.
func schemes(provider string, options map[string]string) []handlers.Scheme {
	p, err := handlers.NewProvider(provider, handlers.Settings{Secrets: []handlers.Secret{{Value: "any"}}, Options: options})
	if err != nil {
		return nil
	}
	return p.Schemes()
}

// fromOther finds the provider that a delivery really comes from.
func (c Case) fromOther() (f fault, found bool) {
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		p, err := c.provider(name)
		if err != nil || name == c.Provider {
			continue
		}
		if _, err := p.Verify(c.Delivery); err == nil {
			return fault{"other_provider", fmt.Sprintf("The delivery is from %s: the configured secret of %s verifies it.", name, name),
				fmt.Sprintf("Register with %s the URL that ends in /webhooks/%s.", name, name)}, true
		}
	}
	return f, false
}

// otherForm finds the one other provider whose headers and body these are, though nothing shows that it sent them.
func (c Case) otherForm(own handlers.Scheme) (f fault, found bool) {
	if c.reads(c.Provider) {
		return f, false
	}
	var like []string
	for _, name := range handlers.ProviderNames() {
		fits := func(s handlers.Scheme) bool { return c.fits(s, own) }
		if name != c.Provider && slices.ContainsFunc(schemes(name, c.Options), fits) && c.reads(name) {
			like = append(like, name)
		}
	}
	if len(like) != 1 {
		return f, false
	}
	return fault{"other_providers_form", fmt.Sprintf("Headers and body have the form of %s, not of %s.", like[0], c.Provider),
		fmt.Sprintf("If it is from %s, register the URL that ends in /webhooks/%s there, and configure its own secret.", like[0], like[0])}, true
}

// fits reports whether the headers have the form of a scheme, whoever made the signature.
func (c Case) fits(s, own handlers.Scheme) bool {
	h := c.Delivery.Header
	if s.Header == "" { // it is known by its path
		return h.Get(own.Header) == ""
	}
	m, faults := readMAC(s, h.Get(s.Header))
	_, untimed := noTimestamp(s, c.ownTimestamp(s, m.timestamp))
	return m.macs != nil && len(faults) == 0 && !untimed
}

// reads reports whether the body makes sense as one of a provider's.
func (c Case) reads(provider string) bool {
	p, err := handlers.NewProvider(provider, handlers.Settings{Secrets: []handlers.Secret{{Value: "any"}}, Options: c.Options})
	if err != nil {
		return false
	}
	_, err = p.Envelope(c.Delivery.Body)
	return err == nil
}
