package subscriptions

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config says where the providers' APIs are and who we are there. The defaults are the hosts that their pages document.
type Config struct {
	PublicURL      string        `env:"PUBLIC_URL"`
	TrustistURL    string        `env:"TRUSTIST_API_URL" envDefault:"https://api.trustistecommerce.com"`
	TrustistPath   string        `env:"TRUSTIST_API_PATH" envDefault:"/v1/onboard/webhooks"`
	TrustistKeyID  string        `env:"TRUSTIST_API_KEY_ID"`
	TrustistKey    string        `env:"TRUSTIST_API_KEY"`
	TrustGateURL   string        `env:"TRUSTGATE_API_URL" envDefault:"https://api.bytrustgate.com"`
	TrustGateKey   string        `env:"TRUSTGATE_API_KEY"`
	TrustGateAuth  string        `env:"TRUSTGATE_API_AUTH" envDefault:"bearer"`
	TRSTURL        string        `env:"TRST_API_URL" envDefault:"https://api.prod.trstinc.ca/v1"`
	TRSTKeyID      string        `env:"TRST_API_KEY_ID"`
	TRSTKey        string        `env:"TRST_API_KEY"`
	TRSTProject    string        `env:"TRST_PROJECT_ID"`
	LegalTalentURL string        `env:"LEGALTALENT_API_URL" envDefault:"https://kyc.legaltalent.ai"`
	LegalTalentKey string        `env:"LEGALTALENT_API_KEY"`
	CheckInterval  time.Duration `env:"SUBSCRIPTION_CHECK_INTERVAL" envDefault:"5m"` // 0: never
}

// String keeps the keys out of whatever prints a Config.
func (c Config) String() string { return "subscriptions of " + strings.Join(c.Configured(), ", ") }

// GoString is String.
func (c Config) GoString() string { return c.String() }

// contents is the table of contents: which variables are a provider's credentials, and who uses them.
var contents = map[string]struct {
	credentials func(Config) []credential
	open        func(Config) Provider
}{
	"trustist": {
		func(c Config) []credential {
			return []credential{{"TRUSTIST_API_KEY_ID", c.TrustistKeyID}, {"TRUSTIST_API_KEY", c.TrustistKey}}
		},
		func(c Config) Provider { return newTrustist(c) },
	},
	"trst": {
		func(c Config) []credential {
			return []credential{{"TRST_API_KEY_ID", c.TRSTKeyID}, {"TRST_API_KEY", c.TRSTKey}, {"TRST_PROJECT_ID", c.TRSTProject}}
		},
		func(c Config) Provider { return newTRST(c) },
	},
	"trustgate": {
		func(c Config) []credential { return []credential{{"TRUSTGATE_API_KEY", c.TrustGateKey}} },
		func(c Config) Provider { return newTrustGate(c) },
	},
	"legaltalent": {
		func(c Config) []credential { return []credential{{"LEGALTALENT_API_KEY", c.LegalTalentKey}} },
		func(c Config) Provider { return newLegalTalent(c) },
	},
}

// credential is a variable and its value.
type credential struct{ variable, value string }

func (c credential) absent() bool { return c.value == "" }

// Names lists the providers of this package, sorted.
func Names() []string {
	var names []string
	for name := range contents {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Configured lists the providers that have credentials, sorted.
func (c Config) Configured() []string {
	return slices.DeleteFunc(Names(), func(name string) bool {
		return slices.ContainsFunc(contents[name].credentials(c), credential.absent)
	})
}

// Provider returns a provider, with credentials or without.
func (c Config) Provider(name string) (Provider, error) {
	p, known := contents[name]
	if !known {
		return nil, fmt.Errorf("unknown provider %q: want %s", name, strings.Join(Names(), ", "))
	}
	return p.open(c), nil
}

// Open returns a provider that has credentials. The error names those that are absent.
func (c Config) Open(name string) (Provider, error) {
	p, err := c.Provider(name)
	if err != nil {
		return nil, err
	}
	var absent []string
	for _, cred := range contents[name].credentials(c) {
		if cred.absent() {
			absent = append(absent, cred.variable)
		}
	}
	if len(absent) > 0 {
		return nil, fmt.Errorf("no credentials for the API of %s: set %s", name, strings.Join(absent, " and "))
	}
	return p, nil
}

// Problems lists what is wrong with the values, each by its variable.
func (c Config) Problems() (problems []error) {
	for _, v := range []credential{
		{"TRUSTIST_API_URL", c.TrustistURL}, {"TRUSTGATE_API_URL", c.TrustGateURL}, {"TRST_API_URL", c.TRSTURL}, {"LEGALTALENT_API_URL", c.LegalTalentURL},
	} {
		if err := checkAPI(v.value); err != nil {
			problems = append(problems, fmt.Errorf("%s is no URL to call: %w", v.variable, err))
		}
	}
	if c.TrustistPath != trustistOlder && c.TrustistPath != trustistNewer {
		problems = append(problems, fmt.Errorf("TRUSTIST_API_PATH is %q: want %s, %s", c.TrustistPath, trustistOlder, trustistNewer))
	}
	if c.TrustGateAuth != "bearer" && c.TrustGateAuth != "x-api-key" {
		problems = append(problems, fmt.Errorf("TRUSTGATE_API_AUTH is %q: want bearer, x-api-key", c.TrustGateAuth))
	}
	if c.CheckInterval < 0 || c.CheckInterval > 0 && c.CheckInterval < time.Second {
		problems = append(problems, fmt.Errorf("SUBSCRIPTION_CHECK_INTERVAL is %q: want 0 for never, or 1s and more", c.CheckInterval))
	}
	for _, name := range Names() {
		creds := contents[name].credentials(c)
		if absent := slices.IndexFunc(creds, credential.absent); absent >= 0 && !slices.ContainsFunc(creds, func(c credential) bool { return !c.absent() }) {
			continue
		} else if absent >= 0 {
			problems = append(problems, fmt.Errorf("%s is not set, though other credentials of %s are", creds[absent].variable, name))
		}
	}
	return problems
}
