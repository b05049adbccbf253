package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/app/diagnosis"
)

// maxRequest is the largest request that is read, in bytes. It is well above what the server takes, so that one that is too large
// for it can be told.
const maxRequest = 16 << 20

// read returns the delivery that the flags or the input give.
func (v *verify) read(stdin io.Reader, stderr io.Writer) (diagnosis.Request, error) {
	if len(v.headers) == 0 && v.body == "" {
		raw, err := readInput(v.request, "--request", stdin, stderr)
		if err != nil {
			return diagnosis.Request{}, err
		}
		return parse(raw)
	}
	if v.request != "-" {
		return diagnosis.Request{}, usageError{errors.New("--request is the whole delivery: leave out --header and --body")}
	}
	if v.body == "" {
		return diagnosis.Request{}, usageError{errors.New("--header wants --body, too: a file, or - for the standard input")}
	}
	if slices.ContainsFunc(v.headers, func(h string) bool { return !strings.Contains(h, ":") || strings.ContainsAny(h, "\r\n") }) {
		return diagnosis.Request{}, usageError{errors.New("--header wants Name: value, each in a flag of its own")}
	}
	body, err := readInput(v.body, "--body", stdin, stderr)
	if err != nil {
		return diagnosis.Request{}, err
	}
	return parse(slices.Concat([]byte(strings.Join(append(v.headers, "", ""), "\n")), body))
}

func parse(raw []byte) (diagnosis.Request, error) {
	r, err := diagnosis.ParseRequest(raw)
	if err != nil {
		return r, usageError{err}
	}
	return r, nil
}

// readInput reads a file, or the standard input for "-".
func readInput(name, flag string, stdin io.Reader, stderr io.Writer) ([]byte, error) {
	in := stdin
	if name == "-" {
		if f, isFile := stdin.(*os.File); isFile && isatty.IsTerminal(f.Fd()) {
			fmt.Fprintln(stderr, "Paste the delivery, then press Ctrl+D at the start of a line.")
		}
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", flag, err)}
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(in, maxRequest+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if b.Len() > maxRequest {
		return nil, usageError{fmt.Errorf("%s: larger than %d MiB", flag, maxRequest>>20)}
	}
	return b.Bytes(), nil
}

// secrets returns a case with the secrets to verify with. Those of the configuration are tried even where others are given.
func (v *verify) secrets(provider string) (diagnosis.Case, error) {
	if v.secretEnv == "" && v.secretFile == "" {
		c, err := loadConfig()
		return diagnosis.Case{Secrets: c.Secrets, Settings: c.Settings()}, err
	}
	environ, err := app.Environ()
	if err != nil {
		return diagnosis.Case{}, usageError{err}
	}
	given, err := v.given(environ)
	if err != nil {
		return diagnosis.Case{}, err
	}
	// In production a configuration without any secret is wrong, but this one need not be configured.
	if name := app.SecretName(provider); lookup(environ, name) == "" && lookup(environ, name+"_FILE") == "" {
		environ = append(environ, name+"="+strings.Join(given, ","))
	}
	c, err := app.ReadConfig(environ)
	if err != nil {
		return diagnosis.Case{}, usageError{err}
	}
	d := diagnosis.Case{Secrets: c.Secrets, Settings: c.Settings()}
	d.Spare, d.Secrets[provider] = d.Secrets[provider], given
	return d, nil
}

// given returns the secrets of --secret-env and --secret-file.
func (v *verify) given(environ []string) (list []string, err error) {
	if v.secretEnv != "" {
		for name := range strings.SplitSeq(v.secretEnv, ",") {
			found := app.SplitSecrets(lookup(environ, strings.TrimSpace(name)))
			if len(found) == 0 {
				return nil, usageError{errors.New("--secret-env: a variable that it names holds no secret; it wants names, not secrets")}
			}
			list = append(list, found...)
		}
	}
	if v.secretFile != "" {
		text, err := os.ReadFile(v.secretFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--secret-file: %w", err)}
		}
		found := app.SplitSecrets(string(text))
		if len(found) == 0 {
			return nil, usageError{errors.New("--secret-file holds no secret")}
		}
		list = append(list, found...)
	}
	return list, nil
}

// lookup returns the value of a variable, empty if there is none.
func lookup(environ []string, name string) string {
	for _, pair := range environ {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}
