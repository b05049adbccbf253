package subscriptions

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// TargetURL is where a provider is to call us. The public URL may include /webhooks and what follows; the result ends in the
// provider's path and, if the provider is known by a path token, in the secret. The error says why no provider would accept it.
func TargetURL(public, provider, secret string) (string, error) {
	u, err := url.Parse(public)
	switch {
	case err != nil || u.Host == "":
		return "", errors.New("not a URL: want https://host")
	case u.Scheme != "https":
		return "", errors.New("providers send to https only")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it must have no user, query or fragment")
	case !isPublic(u.Hostname()):
		return "", fmt.Errorf("%s is not public, and providers do not send to localhost or private networks; use ngrok", u.Hostname())
	}
	base, _, _ := strings.Cut(u.Path, "/webhooks")
	u.Path, u.RawPath = strings.TrimSuffix(base, "/")+"/webhooks/"+provider, ""
	if handlers.TokenInPath(provider) {
		return u.String() + "/" + url.PathEscape(secret), nil
	}
	return u.String(), nil
}

// carrierNAT is shared address space (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// isPublic reports whether a host can be on the internet. A name without a dot, or under one of the domains that are reserved for
// private use, cannot.
func isPublic(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		return ip.IsGlobalUnicast() && !ip.IsPrivate() && !carrierNAT.Contains(ip)
	}
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(host), "."), ".")
	last := labels[len(labels)-1]
	return len(labels) > 1 && last != "" && !strings.ContainsAny(last[:1], "0123456789") &&
		!slices.Contains([]string{"localhost", "local", "internal", "test", "invalid"}, last)
}

// checkAPI refuses an API URL that would show credentials to the network: http is only for this computer.
func checkAPI(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("want https://host")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("want https, since credentials are sent there")
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
