package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// answer is how a server answered a delivery.
type answer struct {
	status int
	code   string // accepted, duplicate or the error code; empty if the answer is not from our server
	text   string // the status and the body, on one line
}

// deliver sends a signed delivery to a server whose webhooks are below base. An error does not show the URL, which may end
// in a secret.
func deliver(ctx context.Context, base string, signed handlers.Request) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+signed.Path, bytes.NewReader(signed.Body))
	if err != nil {
		return answer{}, withoutURL(err)
	}
	req.Header = signed.Header.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, text, err := exchange(req) //nolint:bodyclose // exchange closes it
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, text: clean(resp.Status)}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		a.text += fmt.Sprintf(", a redirect to %s://%s, which is not followed: it would take the signature to that server", to.Scheme, clean(to.Host))
	}
	var body struct{ Status, Error string }
	if text = bytes.TrimSpace(text); json.Unmarshal(text, &body) == nil && !bytes.ContainsRune(text, '\n') {
		a.code, a.text = body.Status+body.Error, a.text+" "+shorten(clean(string(text)), 500)
	}
	return a, nil
}

// signer returns a provider with the secret to sign with: the given one or, if that is empty, the configured one.
func signer(c app.Config, provider, secret string) (handlers.Provider, error) {
	if err := checkProvider(provider); err != nil {
		return nil, err
	}
	s := handlers.Settings{Secrets: c.Secrets[provider], Options: c.Options}
	if secret != "" {
		s.Secrets = []handlers.Secret{{Value: secret}}
	}
	if len(s.Secrets) == 0 {
		return nil, usagef("there is no secret for %s: set %s or use --secret-file", provider, app.SecretName(provider))
	}
	p, err := handlers.NewProvider(provider, s)
	return p, usage(err)
}

// readSecret reads the secret in the file that --secret-file names. It is no flag itself, since every user of the computer can see the
// arguments of a command.
func readSecret(cmd *cobra.Command, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := readInput(cmd, file)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = errors.New("--secret-file contains no secret")
	}
	return string(bytes.TrimSpace(text)), usage(err)
}

func checkProvider(name string) error {
	if slices.Contains(handlers.ProviderNames(), name) {
		return nil
	}
	return usagef("there is no provider %q: want %s", name, strings.Join(handlers.ProviderNames(), ", "))
}

// serverURL checks the value of a flag, the URL of a server, and returns it without a slash at the end. It also accepts the
// URL to which a provider sends, and cuts off /webhooks and what follows.
func serverURL(flag, value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usagef("--%s is %q: want http://host or https://host", flag, clean(value))
	}
	u.Path, _, _ = strings.Cut(u.Path, "/webhooks")
	u.Path, u.RawPath, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/"), "", "", ""
	return u.String(), nil
}

// webhookURL returns the URL to which a provider sends, and the same URL without a secret, for people to see.
func webhookURL(base, name string, p handlers.Provider) (full, shown string) {
	base = strings.TrimSuffix(base, "/") + "/webhooks/"
	full = base + p.Sign(nil, time.Time{}).Path
	if handlers.TokenInPath(name) {
		return full, base + name + "/<its secret>"
	}
	return full, full
}

// advice says what to do about an unexpected answer. The text is empty, or follows the answer in a message.
func advice(a answer, provider string) string {
	secret := app.SecretName(provider)
	switch a.status {
	case http.StatusOK:
		return ": it must not accept this delivery"
	case http.StatusUnauthorized:
		return fmt.Sprintf(": sign with the server's %s (or --secret-file); its log and /api/rejections say what was wrong", secret)
	case http.StatusNotFound:
		return fmt.Sprintf(": the server has no %s, or a different one. "+
			"If you added the provider or its secret after the server started, restart it", secret)
	case http.StatusServiceUnavailable:
		return ": its database does not answer in time; its log says more"
	}
	return ""
}

// sleep waits for d. If ctx ends before that, it returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
