package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gofrs/flock"
	"github.com/joho/godotenv"

	"example.com/identity-webhooks/handlers"
)

// devSecrets is the file with the development secrets.
var devSecrets = filepath.Join("data", "secrets.env")

// LoadConfig reads the configuration from the environment and from .env, if it exists. The environment wins. In development, if no provider
// has a secret, it uses random secrets from a file, so that the server and the other commands use the same ones. Errors are UsageErrors.
func LoadConfig() (Config, error) {
	environ, err := Environ()
	if err != nil {
		return Config{}, err
	}
	c, err := ReadConfig(environ)
	if err != nil {
		return c, UsageError{err}
	}
	if c.hasSecret() || c.Env != Development {
		return c, nil
	}
	vars, err := developmentSecrets(devSecrets)
	if err != nil {
		return c, UsageError{fmt.Errorf("development secrets: %w", err)}
	}
	var p problems
	c.SecretsFile, c.Secrets = devSecrets, readSecrets(vars, &p)
	if len(p) > 0 {
		return c, UsageError{errors.Join(p...)}
	}
	return c, nil
}

// hasSecret reports whether any provider has a secret, and not only keys of its own.
func (c *Config) hasSecret() bool {
	for _, secrets := range c.Secrets {
		if len(secrets) > 0 {
			return true
		}
	}
	return false
}

// Environ returns the environment plus the variables that only .env sets. Errors are UsageErrors.
func Environ() ([]string, error) {
	environ := os.Environ()
	file, err := readEnv(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, UsageError{err}
	}
	for name, value := range file {
		if _, set := os.LookupEnv(name); !set {
			environ = append(environ, name+"="+value)
		}
	}
	return environ, nil
}

// readText reads a file of UTF-8 text, without its byte order mark. It waits at most two seconds for a pipe.
func readText(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()                                        //nolint:errcheck // it is only read
	_ = f.SetReadDeadline(time.Now().Add(2 * time.Second)) // regular files have no deadline and need none
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return "", err
	}
	text := strings.TrimPrefix(string(b), "\uFEFF")
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("%s is not UTF-8 text: UTF-16 must be saved as UTF-8", path)
	}
	return text, nil
}

// readEnv reads a file of NAME=value lines. The errors of godotenv quote the file, which contains secrets, so this one only gives the
// number of the first invalid line.
func readEnv(path string) (map[string]string, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	vars, ok := parseEnv(text)
	if ok {
		return vars, nil
	}
	lines := strings.SplitAfter(text, "\n")
	fit := len(lines)
	for !ok { // a quoted value may span lines, so a shorter text may still be invalid
		fit--
		_, ok = parseEnv(strings.Join(lines[:fit], ""))
	}
	return nil, fmt.Errorf("%s, line %d: want NAME=value", path, fit+1)
}

// parseEnv reads lines of NAME=value. godotenv reads a last line without = as the value of a variable without a name.
func parseEnv(text string) (vars map[string]string, ok bool) {
	vars, err := godotenv.Unmarshal(text)
	_, nameless := vars[""]
	return vars, err == nil && !nameless
}

// developmentSecrets reads the file at path. First it adds a random secret for each provider that has none. It locks the file, so that
// processes that start at the same time use the same secrets.
func developmentSecrets(path string) (vars map[string]string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(path, flock.SetPermissions(0o600)) // it creates the file
	if err := lock.Lock(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if vars, err = readEnv(path); err != nil {
		return nil, err
	}
	var missing strings.Builder
	for _, provider := range handlers.ProviderNames() {
		if name := SecretName(provider); vars[name] == "" {
			vars[name] = RandomSecret()
			fmt.Fprintf(&missing, "%s=%s\n", name, vars[name])
		}
	}
	if missing.Len() == 0 {
		return vars, nil
	}
	return vars, appendTo(path, "# Random secrets for development. In production set these variables yourself.\n"+missing.String())
}

// appendTo appends lines to a file. If the last line of the file has no newline, it adds one first.
func appendTo(path, lines string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	if b, err := io.ReadAll(f); err == nil && len(b) > 0 && b[len(b)-1] != '\n' {
		lines = "\n" + lines
	}
	_, err = f.WriteString(lines)
	return errors.Join(err, f.Close())
}
