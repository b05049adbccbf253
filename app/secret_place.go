package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SecretPlace is where a provider's secrets are kept: a variable in .env, or the file that its …_FILE names. A running server
// reads them again and again.
type SecretPlace struct {
	Path     string
	variable string // in Path; empty if all of Path is secrets
}

// SecretPlace returns the place of a provider's secrets. The error says why what is written there would not be read.
func (c *Config) SecretPlace(provider string) (SecretPlace, error) {
	name := SecretName(provider)
	if path := c.SecretPaths[provider]; path != "" {
		return SecretPlace{Path: path}, nil
	}
	if _, set := os.LookupEnv(name); set {
		return SecretPlace{}, fmt.Errorf("%s is set in the environment, which wins over .env: unset it, or set %s_FILE to a file to keep secrets in", name, name)
	}
	return SecretPlace{".env", name}, nil
}

// String names the place for people.
func (p SecretPlace) String() string {
	if p.variable == "" {
		return p.Path
	}
	return p.variable + " in " + p.Path
}

// Check reports whether a secret can be kept there, before one is made that is shown only once. It changes nothing.
func (p SecretPlace) Check() error {
	path, _, err := p.edited(func(secrets []string) []string { return append(secrets, "check") })
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("keep secret: %w", err)
	}
	return errors.Join(temp.Close(), os.Remove(temp.Name()))
}

// Add keeps one more secret, after the others, which stay active.
func (p SecretPlace) Add(secret string) error {
	if secret == "" || secret != strings.TrimSpace(secret) || strings.ContainsAny(secret, ",\n\r\x00'\"\\") {
		return errors.New("the secret has a character that separates secrets, or is empty")
	}
	return p.change(func(secrets []string) []string {
		if slices.Contains(secrets, secret) {
			return secrets
		}
		return append(secrets, secret)
	})
}

// Remove forgets secrets.
func (p SecretPlace) Remove(gone ...string) error {
	return p.change(func(secrets []string) []string {
		return slices.DeleteFunc(secrets, func(s string) bool { return slices.Contains(gone, s) })
	})
}

// change replaces the secrets, and no other byte of the file. The new file takes the old one's place whole, with mode 0600.
func (p SecretPlace) change(f func([]string) []string) error {
	path, text, err := p.edited(f)
	if err != nil {
		return err
	}
	if err := replaceFile(path, text); err != nil {
		return fmt.Errorf("keep secret: %w", err)
	}
	return nil
}

// edited returns the file behind Path, which may be a link, and its text with the secrets changed.
func (p SecretPlace) edited(f func([]string) []string) (path, text string, err error) {
	path, err = filepath.EvalSymlinks(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = p.Path, nil
	}
	if err != nil {
		return "", "", fmt.Errorf("keep secret: %w", err)
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("keep secret: %w", err)
	}
	if p.variable == "" {
		return path, editList(string(old), f), nil
	}
	if text, err = editVariable(string(old), p.variable, f); err != nil {
		return "", "", fmt.Errorf("keep secret in %s: %w", p.Path, err)
	}
	return path, text, nil
}

// replaceFile writes a file of mode 0600 beside the old one, and moves it there when it is on the disk.
func replaceFile(path, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
