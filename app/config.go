package app

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// Config is the configuration of the program. It is read once, at the start. The variables are described in .env.example.
type Config struct {
	Addr           string     `env:"ADDR" envDefault:":8080"`
	AdminAddr      string     `env:"ADMIN_ADDR" envDefault:"127.0.0.1:8081"`
	TLSCert        string     `env:"TLS_CERT_FILE"` // for Addr; plain HTTP if empty
	TLSKey         string     `env:"TLS_KEY_FILE"`
	AdminPassword  string     `env:"ADMIN_PASSWORD"`
	Mask           string     `env:"MASK_PERSONAL_DATA" envDefault:"off"` // see MaskPersonalData
	Proxies        string     `env:"TRUSTED_PROXIES"`                     // unparsed: see TrustedProxies
	DatabaseURL    string     `env:"DATABASE_URL" envDefault:"sqlite:data/webhooks.db"`
	RedisURL       string     `env:"REDIS_URL"`
	QueuePrefix    string     `env:"QUEUE_PREFIX"`                       // if empty, made from the database's installation ID
	Retention      string     `env:"PAYLOAD_RETENTION" envDefault:"30d"` // unparsed: see PayloadRetention
	Keys           string     `env:"ENCRYPTION_KEYS"`                    // unparsed, and empty afterwards: see EncryptionKeys
	Env            string     `env:"APP_ENV" envDefault:"development"`
	Role           string     `env:"ROLE" envDefault:"all"`
	CallbackURL    string     `env:"CALLBACK_URL"`
	CallbackSecret string     `env:"CALLBACK_SECRET"`
	SMTPURL        string     `env:"SMTP_URL"`
	MailFrom       string     `env:"MAIL_FROM"`
	SlackURL       string     `env:"SLACK_WEBHOOK_URL"`
	LogLevel       slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat      string     `env:"LOG_FORMAT"` // "text" or "json"; the default depends on APP_ENV
	TraceURL       string     `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`

	// API is for managing our subscriptions at the providers.
	API subscriptions.Config

	// MaskPersonalData hides names, e-mail addresses and payloads in the inspector until somebody clicks.
	MaskPersonalData bool `env:"-"`
	// PayloadRetention is how long payloads are kept; 0 is forever.
	PayloadRetention time.Duration `env:"-"`
	// EncryptionKeys encrypt the stored bodies; the first one those of new events.
	EncryptionKeys []models.Key `env:"-"`
	// TrustedProxies are the networks whose X-Forwarded-For header is trusted.
	TrustedProxies []netip.Prefix `env:"-"`
	// Secrets are the active secrets of each provider that has any. The list of a provider with PublicKeys may be empty.
	Secrets map[string][]handlers.Secret `env:"-"`
	// PublicKeys are the keys of each provider that signs with keys of its own, if there are credentials to get them. At first there is none.
	PublicKeys map[string]*handlers.Keys `env:"-"`
	// SecretPaths are the files that …_FILE variables name, by the variable without _FILE.
	SecretPaths map[string]string `env:"-"`
	// SecretsFile is the file that development secrets came from; empty otherwise.
	SecretsFile string `env:"-"`
	// Options are the values of all providers' options, by environment variable.
	Options map[string]string `env:"-"`
	// APIs are the APIs of the providers with events that need a read.
	APIs map[string]jobs.APISettings `env:"-"`
	// ApplySandbox names the providers whose sandbox events count as real ones.
	ApplySandbox map[string]bool `env:"-"`
	// Warnings are problems that do not prevent the start.
	Warnings []string `env:"-"`
}

// The values of Config.Env and Config.Role.
const (
	Development  = "development"
	Production   = "production"
	RoleAll      = "all"
	RoleReceiver = "receiver"
	RoleWorker   = "worker"
)

// UsageError is a mistake in the command line or the configuration. Nothing was done.
type UsageError struct{ Err error }

// Error implements error.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e UsageError) Unwrap() error { return e.Err }

// ExitCode returns the program's exit code for this error.
func (e UsageError) ExitCode() int { return 2 }

var queuePrefix = regexp.MustCompile(`^[a-z0-9_:-]{1,50}$`)

// ReadConfig reads the configuration from the environment, given in the form of os.Environ. Spaces and newlines around a value are
// dropped, and an empty variable counts as not set. A variable that may hold a secret can be given as <NAME>_FILE, the path of a file. The
// error lists all problems, one per line, and shows no password or secret.
func ReadConfig(environ []string) (Config, error) {
	vars := map[string]string{}
	for name, value := range env.ToMap(environ) {
		if value = strings.TrimSpace(value); name != "" && value != "" {
			vars[name] = value
		}
	}
	var c Config
	var p problems
	c.readFiles(vars, &p)
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		p = append(p, parseProblems(err, vars)...)
	} else {
		p = append(p, c.API.Problems()...)
	}
	p.oneOf("APP_ENV", c.Env, Development, Production)
	p.oneOf("ROLE", c.Role, RoleAll, RoleReceiver, RoleWorker)
	p.oneOf("MASK_PERSONAL_DATA", c.Mask, "off", "on")
	c.MaskPersonalData = c.Mask == "on"
	if c.LogFormat == "" {
		c.LogFormat = map[bool]string{true: "json", false: "text"}[c.Env == Production]
	}
	p.oneOf("LOG_FORMAT", c.LogFormat, "text", "json")
	c.readOptions(vars, &p)
	c.readAPIs(vars, &p)
	c.checkAddresses(&p)
	c.checkTLS(&p)
	c.checkStores(&p)
	if _, err := jobs.NewClients(c.Clients()); err != nil {
		p = append(p, err)
	}
	c.checkSecrets(vars, &p)
	c.checkPrivacy(&p)
	c.Warnings = append(c.Warnings, misspelt(vars)...)
	return c, errors.Join(p...)
}

// problems is a list of errors. Each is one line that names its variable.
type problems []error

func (p *problems) addf(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (p *problems) oneOf(name, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.addf("%s is %q: want %s", name, value, strings.Join(allowed, ", "))
	}
}

// parseProblems splits an error of env and names the variable in each part.
func parseProblems(err error, vars map[string]string) []error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []error{err}
	}
	var p problems
	for _, e := range all.Errors {
		switch field, _ := errors.AsType[env.ParseError](e); field.Name {
		case "LogLevel":
			p.addf("LOG_LEVEL is %q: want debug, info, warn, error", vars["LOG_LEVEL"])
		case "CheckInterval":
			p.addf("SUBSCRIPTION_CHECK_INTERVAL is %q: want a duration such as 5m, or 0 for never", vars["SUBSCRIPTION_CHECK_INTERVAL"])
		default:
			p = append(p, e)
		}
	}
	return p
}

// readOptions reads each provider's options and whether to apply its sandbox events.
func (c *Config) readOptions(vars map[string]string, p *problems) {
	c.Options, c.ApplySandbox = map[string]string{}, map[string]bool{}
	read := func(o handlers.Option) string {
		value := cmp.Or(vars[o.Name], o.Default)
		p.oneOf(o.Name, value, o.Values...)
		return value
	}
	for _, provider := range handlers.ProviderNames() {
		for _, o := range handlers.ProviderOptions(provider) {
			c.Options[o.Name] = read(o)
		}
		if read(sandboxOption(provider)) == "on" {
			c.ApplySandbox[provider] = true
		}
	}
}

func sandboxOption(provider string) handlers.Option {
	return handlers.Option{Name: strings.ToUpper(provider) + "_SANDBOX", Default: "off", Values: []string{"off", "on"}}
}

// readAPIs reads how to reach the APIs of the providers with events that need a read.
func (c *Config) readAPIs(vars map[string]string, p *problems) {
	c.APIs = map[string]jobs.APISettings{}
	for provider, api := range jobs.NewRegistry().APIs() {
		name := apiURL(provider)
		s := jobs.APISettings{URL: strings.TrimSuffix(cmp.Or(vars[name], api.URL), "/"), Credentials: map[string]string{}}
		for _, credential := range api.Credentials {
			s.Credentials[credential] = vars[credential]
		}
		if !subscriptions.IsSafe(s.URL) {
			p.addf("%s: want https://host, since credentials are sent there", name)
		}
		if missing := api.Missing(s); len(missing) > 0 && len(missing) < len(api.Credentials) {
			p.addf("%s is not set, but other credentials of %s are", missing[0], provider)
		}
		c.APIs[provider] = s
	}
}

// apiURL returns the name of the variable with the base URL of a provider's API.
func apiURL(provider string) string { return strings.ToUpper(provider) + "_API_URL" }

func (c *Config) checkAddresses(p *problems) {
	for _, v := range [][2]string{{"ADDR", c.Addr}, {"ADMIN_ADDR", c.AdminAddr}} {
		if _, _, err := net.SplitHostPort(v[1]); err != nil {
			p.addf("%s is %q: want host:port or :port", v[0], v[1])
		}
	}
	host, _, err := net.SplitHostPort(c.AdminAddr)
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) && c.AdminPassword == "" && c.SecretPaths["ADMIN_PASSWORD"] == "" {
		p.addf("ADMIN_ADDR is %q, which others can reach: set ADMIN_PASSWORD, or use 127.0.0.1", c.AdminAddr)
	}
	for text := range strings.SplitSeq(c.Proxies, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if ip, err2 := netip.ParseAddr(text); err2 == nil {
			network, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			p.addf("TRUSTED_PROXIES holds %q: want networks such as 10.0.0.0/8, separated by commas", text)
			continue
		}
		c.TrustedProxies = append(c.TrustedProxies, network.Masked())
	}
	if u, err := url.Parse(c.TraceURL); c.TraceURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		p.addf("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: want http://host:4318")
	}
	if public := c.API.PublicURL; public != "" {
		if u, err := url.Parse(public); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			p.addf("PUBLIC_URL is not a URL: want https://host")
		}
	}
}

func (c *Config) checkStores(p *problems) {
	switch scheme, _, _ := strings.Cut(c.DatabaseURL, ":"); {
	case scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql":
		p.addf("DATABASE_URL: want sqlite:<path> or postgres://<user>:<password>@<host>/<database>")
	case scheme != "sqlite" && ambiguous(c.DatabaseURL):
		p.addf("DATABASE_URL: %w", errAmbiguous)
	}
	if ambiguous(c.RedisURL) {
		p.addf("REDIS_URL: %w", errAmbiguous)
	} else if err := jobs.CheckRedisURL(c.RedisURL); err != nil {
		p.addf("REDIS_URL: %w", err)
	}
	if c.QueuePrefix != "" && !queuePrefix.MatchString(c.QueuePrefix) {
		p.addf("QUEUE_PREFIX is %q: want up to 50 of a-z, 0-9, - _ and :", c.QueuePrefix)
	}
	if (c.Role == RoleReceiver || c.Role == RoleWorker) && (c.RedisURL == "" || strings.HasPrefix(c.DatabaseURL, "sqlite:")) {
		p.addf("ROLE is %q: separate roles share their work through Postgres and Redis; set DATABASE_URL and REDIS_URL", c.Role)
	}
}

var errAmbiguous = errors.New("special characters in the user and the password must be percent-encoded, such as %40 for @ and %2F for /")

// ambiguous reports whether the user or the password in a URL seems to contain an unescaped @, /, ? or #. Part of the password would then
// be taken for a host, a port or a database, and shown in errors.
func ambiguous(rawURL string) bool {
	_, rest, _ := strings.Cut(rawURL, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	return strings.Count(authority, "@") > 1 || strings.Contains(rest[len(authority):], "@")
}

// Clients returns the settings of the clients that follow-ups use.
func (c *Config) Clients() jobs.ClientConfig {
	return jobs.ClientConfig{
		CallbackURL: c.CallbackURL, CallbackSecret: c.CallbackSecret, SMTPURL: c.SMTPURL, MailFrom: c.MailFrom, SlackURL: c.SlackURL,
	}
}

// Providers returns the providers that have a secret or keys of their own, by name.
func (c *Config) Providers() (map[string]handlers.Provider, error) {
	active := map[string]handlers.Provider{}
	var p problems
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		provider, err := handlers.NewProvider(name, handlers.Settings{Secrets: c.Secrets[name], Keys: c.PublicKeys[name], Options: c.Options})
		if err != nil {
			p.addf("%s: %w", SecretName(name), err)
			continue
		}
		active[name] = provider
	}
	return active, errors.Join(p...)
}

// LogValue keeps secrets, passwords and URLs with passwords out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("env", c.Env), slog.String("role", c.Role), slog.String("addr", c.Addr), slog.String("admin_addr", c.AdminAddr),
		slog.Any("providers", slices.Sorted(maps.Keys(c.Secrets))),
	)
}

// String shows no more than LogValue.
func (c Config) String() string { return c.LogValue().String() }
