package subscriptions

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// TargetURL is the URL at which a provider is to call us: public, with or without /webhooks and what follows, plus the
// provider's path and, where it is known by one, the secret. The error says why no provider would take it.
func TargetURL(public, provider, secret string) (string, error) {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" {
		return "", errors.New("it is no URL: want https://host")
	}
	if err := checkPublic(u); err != nil {
		return "", err
	}
	base, _, _ := strings.Cut(u.Path, "/webhooks")
	u.Path, u.RawPath = strings.TrimSuffix(base, "/")+"/webhooks/"+provider, ""
	target := u.String()
	if handlers.TokenInPath(provider) {
		target += "/" + url.PathEscape(secret)
	}
	return target, nil
}

// checkPublic refuses what providers refuse: all want HTTPS in production, and a host that is public.
func checkPublic(u *url.URL) error {
	switch host := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); {
	case u.Scheme != "https":
		return errors.New("providers send to https only")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("it must have no user, query or fragment")
	case !publicHost(host):
		return fmt.Errorf("%s is not public: providers do not send to localhost or private networks; ngrok gives it a public name", u.Hostname())
	}
	return nil
}

var (
	// carrierNAT is shared address space, which is not public either (RFC 6598).
	carrierNAT = netip.MustParsePrefix("100.64.0.0/10")
	// privateSuffixes are those of names that only a private network resolves.
	privateSuffixes = []string{".localhost", ".local", ".internal", ".lan", ".home.arpa", ".intranet", ".corp", ".test", ".invalid"}
)

func publicHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		return ip.IsGlobalUnicast() && !ip.IsPrivate() && !carrierNAT.Contains(ip)
	}
	dot := strings.LastIndex(host, ".")
	if dot < 1 || dot == len(host)-1 || strings.ContainsAny(host[dot+1:dot+2], "0123456789") { // 127.1 is an address to some
		return false
	}
	for _, suffix := range privateSuffixes {
		if strings.HasSuffix(host, suffix) {
			return false
		}
	}
	return true
}

// checkAPI refuses an API URL that would show credentials to the network. Only to this computer they may go by http.
func checkAPI(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want https://host")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return errors.New("want https: it takes credentials")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
