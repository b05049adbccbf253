package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"example.com/identity-webhooks/app"
)

// secretPlace is where the secrets of a provider are kept: a variable in .env, or the file that
// <NAME>_WEBHOOK_SECRET_FILE names.
type secretPlace struct {
	path     string
	variable string // in path; empty if the file contains nothing but secrets
}

// placeOf returns the place of a provider's secrets. It rewrites the file without a change, to find out whether a secret can
// be saved: the provider shows a new secret only once.
func placeOf(c app.Config, provider string) (secretPlace, error) {
	p := secretPlace{".env", app.SecretName(provider)}
	if path := c.SecretPaths[p.variable]; path != "" {
		p = secretPlace{path: path}
	} else if _, isSet := os.LookupEnv(p.variable); isSet {
		return p, usagef("%s is set in the environment, which wins over .env: unset it, or set %s_FILE to a file for secrets",
			p.variable, p.variable)
	}
	return p, p.edit(func(secrets []string) []string { return secrets })
}

// String names the place.
func (p secretPlace) String() string {
	if p.variable == "" {
		return p.path
	}
	return p.variable + " in " + p.path
}

// add saves one more secret, after the others.
func (p secretPlace) add(secret string) error {
	if secret == "" || secret != strings.TrimSpace(secret) || strings.ContainsAny(secret, ",\n\r\x00'") {
		return errors.New("save secret: it is empty, or has a character that cannot be in a list of secrets")
	}
	return p.edit(func(secrets []string) []string { return append(secrets, secret) })
}

// remove removes a secret.
func (p secretPlace) remove(secret string) error {
	return p.edit(func(secrets []string) []string {
		return slices.DeleteFunc(secrets, func(s string) bool { return s == secret })
	})
}

// edit changes the secrets, and nothing else that is in the file.
func (p secretPlace) edit(change func([]string) []string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("save secret in %s: %w", p.path, err)
		}
	}()
	path, err := filepath.EvalSymlinks(p.path)
	if err != nil {
		path = p.path // there is no file yet
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := strings.TrimPrefix(string(old), "\uFEFF")
	if p.variable == "" {
		text = strings.Join(append(change(app.SplitSecrets(text)), ""), "\n")
	} else if text, err = editVariable(text, p.variable, change); err != nil {
		return err
	}
	return replaceFile(path, text)
}

// replaceFile writes a file as a whole or not at all, and syncs it to disk. A file that was there keeps its owner and
// mode; a new one is for its owner only.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if info, statErr := os.Stat(path); err == nil && statErr == nil {
		err = errors.Join(keepOwner(f.Name(), info), os.Chmod(f.Name(), info.Mode().Perm()))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// editVariable changes the secrets of one variable in a text of NAME=value lines, and no other byte. If the variable is
// set more than once, the last line counts.
func editVariable(text, name string, change func([]string) []string) (string, error) {
	want, err := godotenv.Unmarshal(text)
	if err != nil {
		return "", errors.New("a line is not NAME=value") // the parser's error quotes the file
	}
	value := strings.Join(change(app.SplitSecrets(want[name])), ",")
	want[name] = value
	if strings.ContainsAny(value, "$# \\\"`") { // special without quotes
		value = "'" + value + "'"
	}
	line := regexp.MustCompile(`(?m)^\s*(?:export\s+)?` + name + `[ \t]*[=:][ \t]*('.*?'|".*?"|.*?)(?:[ \t]+#.*|[ \t\r]*)$`)
	if all := line.FindAllStringSubmatchIndex(text, -1); len(all) > 0 {
		last := all[len(all)-1]
		text = text[:last[2]] + value + text[last[3]:]
	} else {
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		text += name + "=" + value + "\n"
	}
	if got, err := godotenv.Unmarshal(text); err != nil || !maps.Equal(got, want) {
		return "", fmt.Errorf("%s is written in a way that cannot be edited safely: put it on one line", name)
	}
	return text, nil
}
