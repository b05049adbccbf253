package cli

import (
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// publicURL is where the world reaches the webhooks of a provider.
type publicURL struct {
	Provider string `json:"provider"`
	URL      string `json:"url"` // Trustist's ends in its secret
	Hidden   string `json:"-"`   // the same without a secret, to be shown
}

// publicURLs returns the URLs of all providers that have a secret, by name, at a server that the world reaches at base.
func publicURLs(base string, c app.Config) ([]publicURL, error) {
	active, err := c.Providers()
	if err != nil {
		return nil, err
	}
	base = strings.TrimSuffix(base, "/") + "/webhooks/"
	var urls []publicURL
	for _, name := range slices.Sorted(maps.Keys(active)) {
		u := publicURL{Provider: name, URL: base + active[name].Sign(nil, time.Time{}).Path, Hidden: base + name}
		if handlers.TokenInPath(name) {
			u.Hidden += "/<its secret>"
		}
		urls = append(urls, u)
	}
	return urls, nil
}
