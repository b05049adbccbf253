package subscriptions

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/handlers"
)

// Config has the addresses of the providers' APIs, and our credentials.
type Config struct {
	PublicURL     string        `env:"PUBLIC_URL"`
	CheckInterval time.Duration `env:"SUBSCRIPTION_CHECK_INTERVAL" envDefault:"5m"` // 0: never

	LegalTalent LegalTalentConfig
	TRST        TRSTConfig
	TrustGate   TrustGateConfig
	Trustist    TrustistConfig
}

// contents has the providers whose API is documented.
var contents = map[string]func(Config) Provider{
	"legaltalent": func(c Config) Provider { return newLegalTalent(c.LegalTalent) },
	"trst":        func(c Config) Provider { return newTRST(c.TRST) },
	"trustgate":   func(c Config) Provider { return newTrustGate(c.TrustGate) },
	"trustist":    func(c Config) Provider { return newTrustist(c.Trustist) },
}

// Names lists the providers of this package, sorted.
func Names() []string { return slices.Sorted(maps.Keys(contents)) }

// Provider returns a provider. Its credentials may be missing.
func (c Config) Provider(name string) (Provider, error) {
	open, known := contents[name]
	if !known {
		return Provider{}, fmt.Errorf("there is no API for webhooks of %q: want %s", name, strings.Join(Names(), ", "))
	}
	return open(c), nil
}

// Configured returns the providers that have credentials, sorted by name.
func (c Config) Configured() (list []Provider) {
	for _, name := range Names() {
		if p := contents[name](c); p.CheckCredentials() == nil {
			list = append(list, p)
		}
	}
	return list
}

// Problems lists what is wrong with the values, each by its variable.
func (c Config) Problems() (problems []error) {
	if c.CheckInterval < 0 || c.CheckInterval > 0 && c.CheckInterval < time.Second {
		problems = append(problems, fmt.Errorf("SUBSCRIPTION_CHECK_INTERVAL is %q: want 0 for never, or at least 1s", c.CheckInterval))
	}
	for _, name := range Names() {
		p := contents[name](c)
		if !IsSafe(p.api.base) {
			problems = append(problems, fmt.Errorf("%s: want https://host, since credentials are sent there", p.api.variable))
		}
		problems = append(problems, p.problems...)
		if missing := p.missing(); len(missing) > 0 && len(missing) < len(p.credentials) {
			problems = append(problems, fmt.Errorf("%s is not set, but other credentials of %s are", missing[0], name))
		}
	}
	return problems
}

// String keeps the keys out of whatever prints a Config.
func (c Config) String() string { return "subscriptions.Config" }

// oneOf returns a problem unless the value of a variable is allowed.
func oneOf(variable, value string, allowed ...string) []error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return []error{fmt.Errorf("%s is %q: want %s", variable, value, strings.Join(allowed, ", "))}
}

// TargetURL returns the URL to which a provider is to send: the public URL plus /webhooks/<provider>. If the public URL
// already contains /webhooks, it is cut off there. If the provider does not sign, the result ends in the secret. The error
// says why providers would not accept the public URL.
func TargetURL(public, provider, secret string) (string, error) {
	u, err := url.Parse(public)
	switch {
	case err != nil || u.Host == "":
		return "", errors.New("not a URL: want https://host")
	case u.Scheme != "https":
		return "", errors.New("providers send to https only")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it must have no user, query or fragment")
	case !IsPublic(u.Hostname()):
		return "", fmt.Errorf("%s is not public, and providers do not send to localhost or private networks; use ngrok", u.Hostname())
	}
	base, _, _ := strings.Cut(u.Path, "/webhooks")
	u.Path, u.RawPath = strings.TrimSuffix(base, "/")+"/webhooks/"+provider, ""
	if handlers.TokenInPath(provider) {
		return u.String() + "/" + url.PathEscape(secret), nil
	}
	return u.String(), nil
}

// IsPublic reports whether a host can be on the internet: an address that is not private, or a name with a dot.
func IsPublic(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsGlobalUnicast() && !ip.IsPrivate()
	}
	return strings.Contains(strings.TrimSuffix(host, "."), ".")
}

// IsSafe reports whether credentials may be sent to a URL: over https, or to this computer.
func IsSafe(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback())
}
