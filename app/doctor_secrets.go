package app

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
)

// shortSecret is how many bytes a secret should have at least.
const shortSecret = 16

// placeholders are words of secrets that nobody has chosen.
var placeholders = []string{"changeme", "change-me", "change_me", "placeholder", "example", "password", "secret", "replace", "dummy", "12345", "xxxx", "your"}

// checkSecrets finds secrets that can be guessed.
func checkSecrets(c Config) (checks []Check) {
	bad := Warning
	if c.Env == Production {
		bad = Problem
	}
	weak := func(name, secret string) {
		if why := weakness(secret); why != "" {
			checks = append(checks, Check{"secrets", bad, name + " holds a secret that " + why, "use a long random one, such as of: openssl rand -hex 32"})
		}
	}
	for _, provider := range slices.Sorted(maps.Keys(c.Secrets)) {
		for _, secret := range c.Secrets[provider] {
			weak(SecretName(provider), secret)
		}
	}
	if c.AdminPassword != "" {
		weak("ADMIN_PASSWORD", c.AdminPassword)
	}
	if len(checks) == 0 && len(c.Secrets) > 0 {
		checks = append(checks, Check{"secrets", Fine, fmt.Sprintf("none is a placeholder or shorter than %d bytes", shortSecret), ""})
	}
	return checks
}

// weakness says what is wrong with a secret; empty if nothing is.
func weakness(secret string) string {
	secret = strings.ToLower(strings.TrimPrefix(secret, "whsec_"))
	for _, word := range placeholders {
		if strings.Contains(secret, word) {
			return fmt.Sprintf("looks like a placeholder, with %q in it", word)
		}
	}
	if len(secret) < shortSecret {
		return fmt.Sprintf("is shorter than %d bytes", shortSecret)
	}
	return ""
}

// checkModes finds files with secrets that other users of the machine can read.
func checkModes() (checks []Check) {
	if runtime.GOOS == "windows" {
		return nil // modes say nothing there
	}
	for _, file := range []string{".env", devSecrets} {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			checks = append(checks, Check{"files", Warning, err.Error(), "make it readable for the server"})
		case info.Mode().Perm()&0o077 != 0:
			checks = append(checks, Check{"files", Warning, fmt.Sprintf("%s has mode %04o: others can read it", file, info.Mode().Perm()), "chmod 600 " + file})
		default:
			checks = append(checks, Check{"files", Fine, file + " is for its owner only", ""})
		}
	}
	return checks
}
