package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/caarlos0/env/v11"

	"example.com/identity-webhooks/app/subscriptions"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

// SecretName returns the name of the environment variable with the secrets of a provider.
func SecretName(provider string) string { return strings.ToUpper(provider) + "_WEBHOOK_SECRET" }

// SandboxSecretName returns the name of the environment variable with the secrets of a provider's sandbox.
func SandboxSecretName(provider string) string { return SecretName(provider) + "_SANDBOX" }

// holdsSecret matches the variables that may hold a secret. Each can be given as <NAME>_FILE.
var holdsSecret = regexp.MustCompile(`_(PASSWORD|SECRET|TOKEN|URL|ENDPOINT|KEYS?|CLIENT)(_ID|_SANDBOX)?$`)

// readFiles reads the values of the variables that <NAME>_FILE gives. Docker and systemd provide secrets as files, and unlike a file, the
// environment of a process is inherited by its children and often ends up in reports.
func (c *Config) readFiles(vars map[string]string, p *problems) {
	c.SecretPaths = map[string]string{}
	for _, name := range knownVariables() {
		path := vars[name+"_FILE"]
		if path == "" || !holdsSecret.MatchString(name) {
			continue
		}
		c.SecretPaths[name] = path
		text, err := readText(path)
		switch text = strings.TrimSpace(text); {
		case vars[name] != "":
			p.addf("%s and %s_FILE are both set: use one", name, name)
		case err != nil:
			p.addf("%s_FILE: %w", name, err)
		case text == "":
			p.addf("%s_FILE: %s is empty", name, path)
		default:
			vars[name] = text
		}
	}
}

// checkSecrets reads the secrets of all providers, and checks how strong the secrets are.
func (c *Config) checkSecrets(vars map[string]string, p *problems) {
	before := len(*p)
	c.Secrets = readSecrets(vars, p)
	c.readKeys(p)
	if len(*p) > before {
		return
	}
	var names []string
	inFile := false // perhaps one that cannot be read
	for _, provider := range handlers.ProviderNames() {
		names = append(names, handlers.Needs(provider))
		inFile = inFile || c.SecretPaths[SecretName(provider)] != ""
	}
	if len(c.Secrets) == 0 && !inFile && c.Env == Production && c.Role != RoleWorker {
		p.addf("no provider has a secret: set at least one of %s", strings.Join(names, ", "))
	}
	if _, err := c.Providers(); err != nil {
		*p = append(*p, err)
	}
	for _, weak := range append(c.weakSecrets(), c.unencrypted()...) {
		if c.Env == Production {
			*p = append(*p, errors.New(weak))
		} else {
			c.Warnings = append(c.Warnings, weak)
		}
	}
	c.Warnings = append(c.Warnings, c.weakPasswords()...)
}

// readKeys turns on the providers that sign with keys of their own, if there are credentials to get the keys. In production, their secrets
// are refused: who knows one can sign as the provider.
func (c *Config) readKeys(p *problems) {
	c.PublicKeys = map[string]*handlers.Keys{}
	for _, provider := range handlers.ProviderNames() {
		api, hasKeys := handlers.KeyAPIOf(provider)
		if !hasKeys {
			continue
		}
		if c.Env == Production && len(c.Secrets[provider]) > 0 {
			p.addf("%s is for development only: %s signs with keys of its own; set %s", SecretName(provider), handlers.ProviderTitle(provider), handlers.Needs(provider))
		}
		isMissing := func(credential string) bool { return c.APIs[provider].Credentials[credential] == "" }
		if !slices.ContainsFunc(api.Credentials, isMissing) {
			c.PublicKeys[provider] = &handlers.Keys{}
			c.Secrets[provider] = append([]handlers.Secret{}, c.Secrets[provider]...)
		}
	}
}

// readSecrets reads the secrets of each provider. A secret cannot be one of the sandbox and a real one: what it verifies would not count.
func readSecrets(vars map[string]string, p *problems) map[string][]handlers.Secret {
	secrets := map[string][]handlers.Secret{}
	for _, provider := range handlers.ProviderNames() {
		for _, variable := range []string{SecretName(provider), SandboxSecretName(provider)} {
			values := SplitSecrets(vars[variable])
			if len(values) == 0 && vars[variable] != "" {
				p.addf("%s holds no secret", variable)
			}
			for _, value := range values {
				isSandbox := variable == SandboxSecretName(provider)
				if isSandbox && slices.Contains(secrets[provider], handlers.Secret{Value: value}) {
					p.addf("%s holds a secret of %s: its events would not count", variable, SecretName(provider))
				}
				secrets[provider] = append(secrets[provider], handlers.Secret{Value: value, Sandbox: isSandbox})
			}
		}
	}
	return secrets
}

// RandomSecret returns a random secret of the form that all providers accept: letters and digits for a path and, after whsec_, 39 bytes in
// base64.
func RandomSecret() string { return "whsec_" + rand.Text() + rand.Text() }

// SplitSecrets splits a list of secrets at commas and newlines.
func SplitSecrets(text string) (values []string) {
	for value := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

// weakSecrets describes each variable whose value can be guessed.
func (c *Config) weakSecrets() (list []string) {
	check := func(name, value string) {
		if why := weakness(value); value != "" && why != "" {
			list = append(list, fmt.Sprintf("%s %s, so it can be guessed", name, why))
		}
	}
	check("ADMIN_PASSWORD", c.AdminPassword)
	check("CALLBACK_SECRET", c.CallbackSecret)
	for _, provider := range handlers.ProviderNames() {
		for _, s := range c.Secrets[provider] {
			name := SecretName(provider)
			if s.Sandbox {
				name = SandboxSecretName(provider)
			}
			check(name, s.Value)
		}
	}
	return slices.Compact(list)
}

// weakPasswords describes the stores whose password can be guessed. That is only a warning, and only in production: the store may be
// reachable through a private network alone, and it may not ask for a password at all.
func (c *Config) weakPasswords() (list []string) {
	for _, v := range [][2]string{{"DATABASE_URL", c.DatabaseURL}, {"REDIS_URL", c.RedisURL}} {
		u, err := url.Parse(v[1])
		if err != nil || c.Env != Production {
			continue
		}
		if password, isSet := u.User.Password(); isSet && weakness(password) != "" {
			list = append(list, fmt.Sprintf("%s: the password %s, so it can be guessed", v[0], weakness(password)))
		}
	}
	return list
}

// unencrypted describes the URLs at which personal data would be sent over the internet in plain text. Private addresses, names without a
// dot and names that are reserved for private networks are allowed.
func (c *Config) unencrypted() (list []string) {
	for _, v := range [][2]string{{"CALLBACK_URL", c.CallbackURL}, {"SLACK_WEBHOOK_URL", c.SlackURL}} {
		u, err := url.Parse(v[1])
		if err != nil || u.Scheme != "http" || !subscriptions.IsPublic(u.Hostname()) || privateName.MatchString(u.Hostname()) {
			continue
		}
		list = append(list, v[0]+" is http://, and its host is not private: use https://, since personal data is sent there")
	}
	return list
}

var privateName = regexp.MustCompile(`\.(localhost|local|internal|svc|home\.arpa)\.?$`)

// weaknesses say why a secret can be guessed. A value is its text or, after whsec_, the bytes that the text stands for.
var weaknesses = []struct {
	why string
	is  func(secret, value string) bool
}{
	{"is shorter than 16 bytes", func(secret, _ string) bool { return len(secret) < 16 }},
	{"looks like a placeholder", func(secret, _ string) bool { return placeholder.MatchString(secret) }},
	{"has fewer than 5 different characters", func(_, value string) bool { return differentBytes(value) < 5 }},
	{"is a sequence", isSequence},
}

// placeholder matches example values that must be replaced.
var placeholder = regexp.MustCompile(`(?i)change[-_]?me|replace[-_]|your[-_]|placeholder|xxxxxx|password|^<.*>$`)

// weakness returns why a secret can be guessed; empty if it cannot.
func weakness(secret string) string {
	value, encoded := strings.CutPrefix(secret, "whsec_")
	if key, err := base64.StdEncoding.DecodeString(value); encoded && err == nil {
		value = string(key)
	}
	for _, w := range weaknesses {
		if w.is(secret, value) {
			return w.why
		}
	}
	return ""
}

func differentBytes(value string) int {
	seen := map[byte]bool{}
	for _, b := range []byte(value) {
		seen[b] = true
	}
	return len(seen)
}

// isSequence reports whether most bytes follow the one before them, as in 12345678 and abcdefgh.
func isSequence(_, value string) bool {
	steps := 0
	for i := 1; i < len(value); i++ {
		if d := int(value[i]) - int(value[i-1]); d >= -1 && d <= 1 {
			steps++
		}
	}
	return 4*steps >= 3*(len(value)-1)
}

// misspelt describes the variables that are not read but resemble one that is.
func misspelt(vars map[string]string) (list []string) {
	known := knownVariables()
	for _, name := range known {
		if holdsSecret.MatchString(name) {
			known = append(known, name+"_FILE")
		}
	}
	for name := range vars {
		if slices.Contains(known, name) {
			continue
		}
		for _, meant := range known {
			// In a short name two letters make another word: HOME is not a misspelt ROLE.
			if levenshtein.ComputeDistance(name, meant) <= min(2, len(meant)/6) {
				list = append(list, fmt.Sprintf("%s is not read: did you mean %s?", name, meant))
				break
			}
		}
	}
	slices.Sort(list)
	return list
}

// knownVariables lists all variables that are read.
func knownVariables() (names []string) {
	fields, err := env.GetFieldParams(&Config{})
	if err != nil {
		panic(err) // the tags are constants
	}
	for _, f := range fields {
		names = append(names, f.Key)
	}
	for _, provider := range handlers.ProviderNames() {
		names = append(names, SecretName(provider), SandboxSecretName(provider), sandboxOption(provider).Name)
		for _, o := range handlers.ProviderOptions(provider) {
			names = append(names, o.Name)
		}
	}
	for provider, api := range jobs.NewRegistry().APIs() {
		names = append(append(names, apiURL(provider)), api.Credentials...)
	}
	return names
}
