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

// placeOf returns the place of a provider's secrets, if the server would read what is written there.
func placeOf(c app.Config, provider string) (secretPlace, error) {
	name := app.SecretName(provider)
	if path := c.SecretPaths[provider]; path != "" {
		return secretPlace{path: path}, nil
	}
	if os.Getenv(name) != "" {
		return secretPlace{}, fmt.Errorf("%s is set in the environment, which wins over .env: unset it, or set %s_FILE to a file for secrets", name, name)
	}
	return secretPlace{".env", name}, nil
}

// String names the place.
func (p secretPlace) String() string {
	if p.variable == "" {
		return p.path
	}
	return p.variable + " in " + p.path
}

// check reports whether a secret can be kept there, before one is made that is shown only once. It changes nothing.
func (p secretPlace) check() error {
	return p.write(func(secrets []string) []string { return append(secrets, "check") }, os.Remove)
}

// add keeps one more secret, after the others.
func (p secretPlace) add(secret string) error {
	if secret == "" || secret != strings.TrimSpace(secret) || strings.ContainsAny(secret, ",\n\r\x00'") {
		return errors.New("keep secret: it is empty, or has a character that cannot be in a list of secrets")
	}
	return p.replace(func(secrets []string) []string {
		if slices.Contains(secrets, secret) {
			return secrets
		}
		return append(secrets, secret)
	})
}

// remove forgets a secret.
func (p secretPlace) remove(secret string) error {
	return p.replace(func(secrets []string) []string {
		return slices.DeleteFunc(secrets, func(s string) bool { return s == secret })
	})
}

// replace changes the secrets and no other byte of the file.
func (p secretPlace) replace(change func([]string) []string) error {
	return p.write(change, func(temporary string) error {
		path, err := p.target()
		if err == nil {
			err = os.Rename(temporary, path)
		}
		if err != nil {
			return errors.Join(err, os.Remove(temporary))
		}
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return err
		}
		return errors.Join(dir.Sync(), dir.Close())
	})
}

// target is the file behind path, which may be a link.
func (p secretPlace) target() (string, error) {
	path, err := filepath.EvalSymlinks(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return p.path, nil
	}
	return path, err
}

// write writes a changed copy of the file beside it, with the same owner and mode (a new file is for its owner only), and hands it
// to finish once it is on the disk.
func (p secretPlace) write(change func([]string) []string, finish func(temporary string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep secret in %s: %w", p.path, err)
		}
	}()
	path, err := p.target()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := editList(string(old), change)
	if p.variable != "" {
		if text, err = editVariable(string(old), p.variable, change); err != nil {
			return err
		}
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(text)
	if err == nil {
		err = temporary.Sync()
	}
	err = errors.Join(err, temporary.Close())
	if info, missing := os.Stat(path); err == nil && missing == nil {
		err = errors.Join(keepOwner(temporary.Name(), info), os.Chmod(temporary.Name(), info.Mode().Perm()))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return finish(temporary.Name())
}

// splitSecrets splits a list at commas and new lines.
func splitSecrets(text string) (list []string) {
	for secret := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if secret = strings.Trim(secret, "\uFEFF \t\r"); secret != "" {
			list = append(list, secret)
		}
	}
	return list
}

// editList changes a list of secrets. A line whose secrets stay, stays as it is.
func editList(text string, change func([]string) []string) string {
	before := splitSecrets(text)
	after := change(slices.Clone(before))
	var b strings.Builder
	for line := range strings.Lines(text) {
		have := splitSecrets(line)
		kept := slices.DeleteFunc(slices.Clone(have), func(s string) bool { return !slices.Contains(after, s) })
		switch {
		case len(kept) == len(have):
			b.WriteString(line)
		case len(kept) > 0:
			b.WriteString(strings.Join(kept, ",") + "\n")
		}
	}
	for _, s := range after {
		if !slices.Contains(before, s) {
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
				b.WriteByte('\n')
			}
			b.WriteString(s + "\n")
		}
	}
	return b.String()
}

// editVariable changes the secrets of one variable in a file of NAME=value lines. If the variable is there more than once, the last
// one counts.
func editVariable(text, name string, change func([]string) []string) (string, error) {
	parse := func(text string) (map[string]string, error) {
		return godotenv.Unmarshal(strings.TrimPrefix(text, "\uFEFF"))
	}
	want, err := parse(text)
	if err != nil {
		return "", errors.New("a line is not NAME=value") // the parser's error quotes the file
	}
	before := want[name]
	want[name] = strings.Join(change(splitSecrets(before)), ",")
	value := want[name]
	if strings.ContainsAny(value, "$# \\\"`") { // special without quotes
		value = "'" + value + "'"
	}
	lines := slices.Collect(strings.Lines(text))
	assignment := regexp.MustCompile(`^\x{FEFF}?\s*(?:export\s+)?` + name + `\s*[=:][ \t]*`)
	at := -1
	for i, line := range lines {
		if assignment.MatchString(line) {
			at = i
		}
	}
	switch {
	case want[name] == before:
		return text, nil
	case at >= 0:
		start := assignment.FindString(lines[at])
		if value != want[name] {
			lines[at] = start + value + "\n"
		} else {
			lines[at] = start + strings.Replace(lines[at][len(start):], before, value, 1)
		}
	default:
		if last := len(lines) - 1; last >= 0 && !strings.HasSuffix(lines[last], "\n") {
			lines[last] += "\n"
		}
		lines = append(lines, name+"="+value+"\n")
	}
	edited := strings.Join(lines, "")
	if got, err := parse(edited); err != nil || !maps.Equal(got, want) {
		return "", fmt.Errorf("%s is written in a way that cannot be edited safely: put it on one line", name)
	}
	return edited, nil
}
