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
	environ := os.Environ()
	file, err := godotenv.Read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf(".env cannot be read: %w", err)
	}
	for name, value := range file {
		if _, set := os.LookupEnv(name); !set {
			environ = append(environ, name+"="+value)
		}
	}
	c, err := ReadConfig(environ)
	if err != nil || len(c.Secrets) > 0 || c.Env != Development {
		return c, err
	}
	vars, err := developmentSecrets(devSecrets)
	if err != nil {
		return c, fmt.Errorf("development secrets: %w", err)
	}
	c.SecretsFile = devSecrets
	c.Secrets, err = readSecrets(vars)
	return c, err
}

// developmentSecrets reads the file at path, which it makes if there is none.
func developmentSecrets(path string) (map[string]string, error) {
	vars, err := godotenv.Read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return vars, err
	}
	var b strings.Builder
	b.WriteString("# Random secrets for development. In production set these variables yourself.\n")
	for _, p := range handlers.ProviderNames() {
		fmt.Fprintf(&b, "%s=dev_%s\n", secretName(p), strings.ToLower(rand.Text()))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	// Linked into place whole, so that of two processes that start at once one makes the file and both read it.
	temp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(temp, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	err = os.Link(temp, path)
	if rm := os.Remove(temp); rm != nil || err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(err, rm)
	}
	return godotenv.Read(path)
}
