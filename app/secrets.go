package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"

	"example.com/identity-webhooks/handlers"
)

// devSecrets is where development secrets are kept.
var devSecrets = filepath.Join("data", "secrets.env")

// LoadConfig reads .env, if there is one, and the environment, which wins. In development, where no provider has a secret,
// it uses random ones that are made once, so that the server and the commands beside it agree.
func LoadConfig() (Config, error) {
	environ, err := Environ()
	if err != nil {
		return Config{}, err
	}
	c, err := ReadConfig(environ)
	c.Loaded = true
	if err != nil || len(c.Secrets) > 0 || c.Env != Development {
		return c, err
	}
	vars, err := developmentSecrets(devSecrets)
	if err != nil {
		return c, fmt.Errorf("development secrets: %w", err)
	}
	c.SecretsFile = devSecrets
	if c.Secrets, err = readSecrets(vars); err == nil && len(c.Secrets) == 0 {
		err = fmt.Errorf("development secrets: %s holds none: delete it, and new ones are made", devSecrets)
	}
	return c, err
}

// Environ is the environment, with what .env adds to it.
func Environ() ([]string, error) {
	environ := os.Environ()
	file, err := readEnv(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for name, value := range file {
		if _, set := os.LookupEnv(name); !set {
			environ = append(environ, name+"="+value)
		}
	}
	return environ, nil
}

// readEnv reads a file of NAME=value lines. The errors of godotenv quote the file, and with it secrets: this one says where
// the first line is that does not fit.
func readEnv(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	vars, ok := parseEnv(string(b))
	if ok {
		return vars, nil
	}
	lines := strings.SplitAfter(string(b), "\n")
	fit := len(lines)
	for !ok { // a value in quotes may go over many lines, so that a shorter text can fit less
		fit--
		_, ok = parseEnv(strings.Join(lines[:fit], ""))
	}
	return nil, fmt.Errorf("%s, line %d: want NAME=value", path, fit+1)
}

// parseEnv reads lines of NAME=value. For godotenv a last line without = is the value of a variable without a name.
func parseEnv(text string) (vars map[string]string, ok bool) {
	vars, err := godotenv.Unmarshal(text)
	_, nameless := vars[""]
	return vars, err == nil && !nameless
}

// developmentSecrets reads the file at path, which it makes if there is none.
func developmentSecrets(path string) (map[string]string, error) {
	vars, err := readEnv(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return vars, err
	}
	var b strings.Builder
	b.WriteString("# Random secrets for development. In production set these variables yourself.\n")
	for _, p := range handlers.ProviderNames() {
		fmt.Fprintf(&b, "%s=dev_%s\n", SecretName(p), strings.ToLower(rand.Text()))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if err := writeOnce(path, b.String()); err != nil {
		return nil, err
	}
	return readEnv(path)
}

// writeOnce writes a file of mode 0600, unless there is one. It is linked into place whole, so that of several that start at
// once one makes the file and all read it.
func writeOnce(path, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // a process ID is no name: in containers all have 1
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Link(temp.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(temp.Name()))
}
