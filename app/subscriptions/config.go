package subscriptions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Config says where the providers' APIs are and who we are there.
type Config struct {
	PublicURL     string        `env:"PUBLIC_URL"`
	CheckInterval time.Duration `env:"SUBSCRIPTION_CHECK_INTERVAL" envDefault:"5m"` // 0: never

	LegalTalent LegalTalentConfig
	TRST        TRSTConfig
	TrustGate   TrustGateConfig
	Trustist    TrustistConfig
}

// contents are the providers whose API is documented.
var contents = map[string]func(Config) Provider{
	"legaltalent": func(c Config) Provider { return newLegalTalent(c.LegalTalent) },
	"trst":        func(c Config) Provider { return newTRST(c.TRST) },
	"trustgate":   func(c Config) Provider { return newTrustGate(c.TrustGate) },
	"trustist":    func(c Config) Provider { return newTrustist(c.Trustist) },
}

// credential is a variable and its value.
type credential struct{ variable, value string }

// Names lists the providers of this package, sorted.
func Names() []string { return slices.Sorted(maps.Keys(contents)) }

// Provider returns a provider, with credentials or without.
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

// CheckCredentials names the credentials that are missing.
func (p Provider) CheckCredentials() error {
	if missing := p.missing(); len(missing) > 0 {
		return fmt.Errorf("no credentials for the API of %s: set %s", p.Name, strings.Join(missing, " and "))
	}
	return nil
}

func (p Provider) missing() (variables []string) {
	for _, c := range p.credentials {
		if c.value == "" {
			variables = append(variables, c.variable)
		}
	}
	return variables
}

// Problems lists what is wrong with the values, each by its variable.
func (c Config) Problems() (problems []error) {
	if c.CheckInterval < 0 || c.CheckInterval > 0 && c.CheckInterval < time.Second {
		problems = append(problems, fmt.Errorf("SUBSCRIPTION_CHECK_INTERVAL is %q: want 0 for never, or at least 1s", c.CheckInterval))
	}
	for _, name := range Names() {
		p := contents[name](c)
		if err := checkAPI(p.api.base); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", p.api.variable, err))
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

// GoString is String.
func (c Config) GoString() string { return c.String() }

// oneOf is a problem if a value is none of those that are allowed.
func oneOf(variable, value string, allowed ...string) []error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return []error{fmt.Errorf("%s is %q: want %s", variable, value, strings.Join(allowed, ", "))}
}
