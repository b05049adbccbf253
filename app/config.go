package app

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
)

// Config is everything that is set from outside. The README has the table of its variables.
type Config struct {
	Addr               string     `env:"ADDR" envDefault:":8080"`
	AdminAddr          string     `env:"ADMIN_ADDR" envDefault:"127.0.0.1:8081"`
	AdminPassword      string     `env:"ADMIN_PASSWORD"`
	DatabaseURL        string     `env:"DATABASE_URL" envDefault:"sqlite:data/webhooks.db"`
	RedisURL           string     `env:"REDIS_URL"`
	Env                string     `env:"APP_ENV" envDefault:"development"`
	Role               string     `env:"ROLE" envDefault:"all"`
	TrustGateFallback  string     `env:"TRUSTGATE_SIGNATURE_FALLBACK" envDefault:"timestamp.body"`
	LegalTalentContent string     `env:"LEGALTALENT_SIGNED_CONTENT" envDefault:"either"`
	TrustGateSandbox   string     `env:"TRUSTGATE_SANDBOX" envDefault:"off"`
	LogLevel           slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat          string     `env:"LOG_FORMAT"`

	// API is what the subscriptions at the providers are managed with.
	API subscriptions.Config

	// Secrets are the active secrets of each provider that has any.
	Secrets map[string][]string `env:"-"`
	// SecretPaths are the files that …_SECRET_FILE names, by provider.
	SecretPaths map[string]string `env:"-"`
	// SecretsFile is where development secrets came from; empty otherwise.
	SecretsFile string `env:"-"`
	// Loaded says that LoadConfig has made it, and can read again what has changed.
	Loaded bool `env:"-"`
}

// The values of Config.Env and Config.Role.
const (
	Development  = "development"
	Production   = "production"
	RoleAll      = "all"
	RoleReceiver = "receiver"
	RoleWorker   = "worker"
)

// ReadConfig reads the configuration from the environment, given as os.Environ gives it. An empty variable counts as not
// set. The error lists all problems, one per line.
func ReadConfig(environ []string) (Config, error) {
	vars := env.ToMap(environ)
	maps.DeleteFunc(vars, func(name, value string) bool { return name == "" || value == "" })

	var c Config
	var problems []error
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		problems = append(problems, parseProblems(err, vars)...)
	}
	oneOf := func(name, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			problems = append(problems, fmt.Errorf("%s is %q: want %s", name, value, strings.Join(allowed, ", ")))
		}
	}
	oneOf("APP_ENV", c.Env, Development, Production)
	oneOf("ROLE", c.Role, RoleAll, RoleReceiver, RoleWorker)
	oneOf("TRUSTGATE_SIGNATURE_FALLBACK", c.TrustGateFallback, handlers.FormTimestampBody, handlers.FormBody, handlers.FormOff)
	oneOf("LEGALTALENT_SIGNED_CONTENT", c.LegalTalentContent, handlers.FormEither, handlers.FormBody, handlers.FormTimestampBody)
	oneOf("TRUSTGATE_SANDBOX", c.TrustGateSandbox, "off", "on")
	if c.LogFormat == "" {
		c.LogFormat = map[bool]string{true: "json", false: "text"}[c.Env == Production]
	}
	oneOf("LOG_FORMAT", c.LogFormat, "text", "json")
	problems = append(problems, c.checkAddresses()...)
	if err := c.API.Problems(); c.API.TrustistURL != "" { // empty where env stopped at an earlier problem
		problems = append(problems, err...)
	}
	if (c.Role == RoleReceiver || c.Role == RoleWorker) && (c.RedisURL == "" || strings.HasPrefix(c.DatabaseURL, "sqlite:")) {
		problems = append(problems, fmt.Errorf("ROLE is %q: separate roles share their work through Postgres and Redis; set DATABASE_URL and REDIS_URL", c.Role))
	}
	secrets, err := readSecrets(vars)
	c.Secrets, c.SecretPaths = secrets, secretPaths(vars)
	problems = append(problems, err)
	if err == nil && len(secrets) == 0 && c.Env == Production && c.Role != RoleWorker {
		problems = append(problems, errors.New("no provider has a secret: set at least one of "+strings.Join(secretNames(), ", ")))
	}
	return c, errors.Join(problems...)
}

// parseProblems takes env's errors apart, and names the variable in each.
func parseProblems(err error, vars map[string]string) []error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []error{err}
	}
	var problems []error
	for _, e := range all.Errors {
		var p env.ParseError
		if errors.As(e, &p) && p.Name == "LogLevel" {
			e = fmt.Errorf("LOG_LEVEL is %q: want debug, info, warn, error", vars["LOG_LEVEL"])
		} else if p.Name == "CheckInterval" {
			e = fmt.Errorf("SUBSCRIPTION_CHECK_INTERVAL is %q: want a duration such as 5m, or 0 for never", vars["SUBSCRIPTION_CHECK_INTERVAL"])
		}
		problems = append(problems, e)
	}
	return problems
}

func (c *Config) checkAddresses() (problems []error) {
	for name, addr := range map[string]string{"ADDR": c.Addr, "ADMIN_ADDR": c.AdminAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			problems = append(problems, fmt.Errorf("%s is %q: want host:port or :port", name, addr))
		}
	}
	host, _, err := net.SplitHostPort(c.AdminAddr)
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) && c.AdminPassword == "" {
		problems = append(problems, fmt.Errorf("ADMIN_ADDR is %q, which others can reach: set ADMIN_PASSWORD, or use 127.0.0.1", c.AdminAddr))
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

// SecretName is the environment variable with the secrets of a provider.
func SecretName(provider string) string { return strings.ToUpper(provider) + "_WEBHOOK_SECRET" }

func secretNames() (names []string) {
	for _, p := range handlers.ProviderNames() {
		names = append(names, SecretName(p))
	}
	return names
}

// readSecrets reads each provider's variable, or the file that its …_FILE names. Several secrets are separated by commas or,
// in a file, by new lines.
func readSecrets(vars map[string]string) (map[string][]string, error) {
	secrets := map[string][]string{}
	var problems []error
	for _, provider := range handlers.ProviderNames() {
		name := SecretName(provider)
		text, path := vars[name], vars[name+"_FILE"]
		if text != "" && path != "" {
			problems = append(problems, fmt.Errorf("%s and %s_FILE are both set: use one", name, name))
			continue
		}
		if path != "" {
			name += "_FILE"
			b, err := os.ReadFile(path)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", name, err))
				continue
			}
			text = string(b)
		}
		if list := SplitSecrets(text); len(list) > 0 {
			secrets[provider] = list
		} else if text != "" || path != "" {
			problems = append(problems, fmt.Errorf("%s holds no secret", name))
		}
	}
	return secrets, errors.Join(problems...)
}

// SplitSecrets takes the value of a variable or a file apart: several secrets, separated by commas or new lines.
func SplitSecrets(text string) (list []string) {
	for s := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// secretPaths are the files that hold secrets.
func secretPaths(vars map[string]string) map[string]string {
	paths := map[string]string{}
	for _, provider := range handlers.ProviderNames() {
		if path := vars[SecretName(provider)+"_FILE"]; path != "" {
			paths[provider] = path
		}
	}
	return paths
}

// Settings are the choices that the handlers need.
func (c *Config) Settings() handlers.Settings {
	return handlers.Settings{TrustGateFallback: c.TrustGateFallback, LegalTalentContent: c.LegalTalentContent}
}

// Providers returns the providers that have a secret, by name.
func (c *Config) Providers() (map[string]handlers.Provider, error) {
	active := map[string]handlers.Provider{}
	for name, secrets := range c.Secrets {
		p, err := handlers.NewProvider(name, secrets, c.Settings())
		if err != nil {
			return nil, err
		}
		active[name] = p
	}
	return active, nil
}

// LogValue keeps secrets, passwords and URLs with passwords out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("env", c.Env), slog.String("role", c.Role), slog.String("addr", c.Addr), slog.String("admin_addr", c.AdminAddr),
		slog.Any("providers", slices.Sorted(maps.Keys(c.Secrets))),
	)
}

// String says no more than LogValue.
func (c Config) String() string { return c.LogValue().String() }
