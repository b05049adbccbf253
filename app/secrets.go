package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/caarlos0/env/v11"

	"example.com/identity-webhooks/handlers"
)

// SecretName returns the name of the environment variable with the secrets of a provider. With the suffix _FILE, the variable names a file
// that contains them; with _SANDBOX, it contains those of the provider's sandbox.
func SecretName(provider string) string { return strings.ToUpper(provider) + "_WEBHOOK_SECRET" }

// checkSecrets reads the secrets of all providers, and checks them and the admin password.
func (c *Config) checkSecrets(vars map[string]string, p *problems) {
	before := len(*p)
	c.SecretPaths = map[string]string{}
	for _, provider := range handlers.ProviderNames() {
		if path := vars[SecretName(provider)+"_FILE"]; path != "" {
			c.SecretPaths[provider] = path
		}
	}
	c.Secrets = readSecrets(vars, p)
	if len(*p) > before {
		return
	}
	if len(c.Secrets) == 0 && c.Env == Production && c.Role != RoleWorker {
		var names []string
		for _, provider := range handlers.ProviderNames() {
			names = append(names, SecretName(provider))
		}
		p.addf("no provider has a secret: set at least one of %s", strings.Join(names, ", "))
	}
	if _, err := c.Providers(); err != nil {
		*p = append(*p, err)
	}
	for _, weak := range c.weakSecrets() {
		if c.Env == Production {
			*p = append(*p, errors.New(weak))
		} else {
			c.Warnings = append(c.Warnings, weak)
		}
	}
}

// readSecrets reads the secrets of each provider.
func readSecrets(vars map[string]string, p *problems) map[string][]handlers.Secret {
	secrets := map[string][]handlers.Secret{}
	for _, provider := range handlers.ProviderNames() {
		name := SecretName(provider)
		file, sandbox := name+"_FILE", name+"_SANDBOX"
		if vars[name] != "" && vars[file] != "" {
			p.addf("%s and %s are both set: use one", name, file)
			continue
		}
		for _, variable := range []string{name, file, sandbox} {
			text := vars[variable]
			if text == "" {
				continue
			}
			if variable == file {
				var err error
				if text, err = readText(text); err != nil {
					p.addf("%s: %w", variable, err)
					continue
				}
			}
			values := SplitSecrets(text)
			if len(values) == 0 {
				p.addf("%s holds no secret", variable)
			}
			for _, value := range values {
				secrets[provider] = append(secrets[provider], handlers.Secret{Value: value, Sandbox: variable == sandbox})
			}
		}
	}
	return secrets
}

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
		if why := weakness(value); why != "" {
			list = append(list, fmt.Sprintf("%s %s, so it can be guessed", name, why))
		}
	}
	if c.AdminPassword != "" {
		check("ADMIN_PASSWORD", c.AdminPassword)
	}
	for _, provider := range handlers.ProviderNames() {
		for _, s := range c.Secrets[provider] {
			name := SecretName(provider)
			if s.Sandbox {
				name += "_SANDBOX"
			}
			check(name, s.Value)
		}
	}
	return slices.Compact(list)
}

// placeholders are parts of example values that must be replaced.
var placeholders = []string{"changeme", "change-me", "change_me", "replace-", "replace_", "your-", "your_", "placeholder", "xxxxxx"}

// weakness returns why a secret can be guessed; empty if it cannot.
func weakness(secret string) string {
	lower := strings.ToLower(secret)
	switch {
	case len(secret) < 16:
		return "is shorter than 16 bytes"
	case slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(lower, p) }),
		strings.HasPrefix(secret, "<") && strings.HasSuffix(secret, ">"):
		return "looks like a placeholder"
	}
	return ""
}

// misspelt describes the variables that are not read but resemble one that is.
func misspelt(vars map[string]string) (list []string) {
	known := knownVariables()
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
		name := SecretName(provider)
		names = append(names, name, name+"_FILE", name+"_SANDBOX", sandboxOption(provider).Name)
		for _, o := range handlers.ProviderOptions(provider) {
			names = append(names, o.Name)
		}
	}
	return names
}
