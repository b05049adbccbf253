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

// secretPlace is where the secrets of a provider are kept: a variable in .env, or the file that <NAME>_WEBHOOK_SECRET_FILE names.
type secretPlace struct {
	path     string
	variable string // in path; empty if the whole file is secrets
}

// placeOf returns the place of a provider's secrets. The error says why a secret cannot be kept there, before one is made that is
// shown only once.
func placeOf(c app.Config, provider string) (secretPlace, error) {
	p := secretPlace{".env", app.SecretName(provider)}
	if path := c.SecretPaths[provider]; path != "" {
		p = secretPlace{path: path}
	} else if _, isSet := os.LookupEnv(p.variable); isSet {
		return p, usagef("%s is set in the environment, which wins over .env: unset it, or set %s_FILE to a file for secrets",
			p.variable, p.variable)
	}
	return p, p.edit(func(secrets []string) []string { return append(secrets, "a-test") }, func(temporary, _ string) error {
		return os.Remove(temporary)
	})
}

// String names the place.
func (p secretPlace) String() string {
	if p.variable == "" {
		return p.path
	}
	return p.variable + " in " + p.path
}

// add keeps one more secret, after the others.
func (p secretPlace) add(secret string) error {
	if secret == "" || secret != strings.TrimSpace(secret) || strings.ContainsAny(secret, ",\n\r\x00'") {
		return errors.New("save secret: it is empty, or has a character that cannot be in a list of secrets")
	}
	return p.edit(func(secrets []string) []string {
		if slices.Contains(secrets, secret) {
			return secrets
		}
		return append(secrets, secret)
	}, replace)
}

// remove forgets a secret.
func (p secretPlace) remove(secret string) error {
	return p.edit(func(secrets []string) []string {
		return slices.DeleteFunc(secrets, func(s string) bool { return s == secret })
	}, replace)
}

// edit writes a copy of the file with changed secrets beside it, and calls finish with both.
func (p secretPlace) edit(change func([]string) []string, finish func(temporary, path string) error) (err error) {
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
	text := strings.Join(append(change(splitSecrets(string(old))), ""), "\n")
	if p.variable != "" {
		if text, err = editVariable(string(old), p.variable, change); err != nil {
			return err
		}
	}
	temporary, err := writeBeside(path, text)
	if err != nil {
		return err
	}
	return finish(temporary, path)
}

// writeBeside writes a new file in the folder of another one, with its owner and mode. If there is no other one, the new file is for
// its owner only.
func writeBeside(path, text string) (temporary string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if info, statErr := os.Stat(path); err == nil && statErr == nil {
		err = errors.Join(keepOwner(f.Name(), info), os.Chmod(f.Name(), info.Mode().Perm()))
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// replace renames the temporary file to path, and makes sure that this is on the disk.
func replace(temporary, path string) error {
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// splitSecrets splits a list at commas and newlines.
func splitSecrets(text string) (list []string) {
	for secret := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if secret = strings.Trim(secret, "\uFEFF \t\r"); secret != "" {
			list = append(list, secret)
		}
	}
	return list
}

// editVariable changes the secrets of one variable in a text of NAME=value lines, and no other byte. If the variable is there more
// than once, the last one counts.
func editVariable(text, name string, change func([]string) []string) (string, error) {
	parse := func(text string) (map[string]string, error) {
		return godotenv.Unmarshal(strings.TrimPrefix(text, "\uFEFF"))
	}
	want, err := parse(text)
	if err != nil {
		return "", errors.New("a line is not NAME=value") // the parser's error quotes the file
	}
	want[name] = strings.Join(change(splitSecrets(want[name])), ",")
	value := want[name]
	if strings.ContainsAny(value, "$# \\\"`") { // special without quotes
		value = "'" + value + "'"
	}
	line := regexp.MustCompile(`(?m)^\x{FEFF}?\s*(?:export\s+)?` + name + `[ \t]*[=:][ \t]*('.*?'|".*?"|.*?)(?:[ \t]+#.*|[ \t\r]*)$`)
	edited := text
	if all := line.FindAllStringSubmatchIndex(text, -1); len(all) > 0 {
		last := all[len(all)-1]
		edited = text[:last[2]] + value + text[last[3]:]
	} else {
		if text != "" && !strings.HasSuffix(text, "\n") {
			edited += "\n"
		}
		edited += name + "=" + value + "\n"
	}
	if got, err := parse(edited); err != nil || !maps.Equal(got, want) {
		return "", fmt.Errorf("%s is written in a way that cannot be edited safely: put it on one line", name)
	}
	return edited, nil
}
