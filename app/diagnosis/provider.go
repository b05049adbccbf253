package diagnosis

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// fromOther finds the provider that a delivery does come from.
func (c Case) fromOther() (f fault, found bool) {
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		p, err := handlers.NewProvider(name, c.Secrets[name], c.Settings)
		if err != nil || name == c.Provider {
			continue
		}
		if _, err := p.Verify(c.Delivery); err == nil {
			return fault{OtherProvider, fmt.Sprintf("The delivery is from %s, whose configured secret verifies it.", name),
				fmt.Sprintf("Give %s the URL that ends in /webhooks/%s.", name, name)}, true
		}
	}
	return f, false
}

// formOfOther finds the one other provider whose headers and body these are, though nothing shows that it sent them. A body that
// fits the provider in question settles that it is not another's.
func (c Case) formOfOther(own handlers.Scheme) (f fault, found bool) {
	if c.reads(c.Provider) {
		return f, false
	}
	var like []string
	for _, name := range handlers.ProviderNames() {
		fits := func(s handlers.Scheme) bool { return c.fits(s, own) }
		if name != c.Provider && slices.ContainsFunc(schemes(name, c.Settings), fits) && c.reads(name) {
			like = append(like, name)
		}
	}
	if len(like) != 1 {
		return f, false
	}
	return fault{OtherProvidersForm, fmt.Sprintf("Headers and body have the form of %s, not of %s.", like[0], c.Provider),
		fmt.Sprintf("If it is from %s, give that the URL that ends in /webhooks/%s, and its own secret.", like[0], like[0])}, true
}

// fits reports whether the headers have the form of a scheme, whoever made the MAC.
func (c Case) fits(s, own handlers.Scheme) bool {
	h := c.Delivery.Header
	if s.Signature == "" { // it is known by its path
		return h.Get(own.Signature) == ""
	}
	if h.Get(s.Signature) == "" {
		return false
	}
	_, faults := readMAC(s.Signature, h.Get(s.Signature), s.Prefix)
	_, untimed := noTimestamp(s, h)
	return len(faults) == 0 && !untimed
}

// reads reports whether a provider can read the body. Since nobody else's envelope is to be read, it signs it first.
func (c Case) reads(provider string) bool {
	p, err := handlers.NewProvider(provider, []string{"k"}, c.Settings)
	if err != nil {
		return false
	}
	q := p.Sign(c.Delivery.Body, c.Delivery.ReceivedAt)
	_, escaped, _ := strings.Cut(q.Path, "/")
	token, err := url.PathUnescape(escaped)
	if err != nil {
		return false
	}
	_, err = p.Verify(handlers.Delivery{Header: q.Header, Token: token, Body: c.Delivery.Body, ReceivedAt: c.Delivery.ReceivedAt})
	return err == nil
}

func schemes(provider string, s handlers.Settings) []handlers.Scheme {
	p, err := handlers.NewProvider(provider, []string{"k"}, s)
	if err != nil {
		return nil
	}
	return p.Schemes()
}
