package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
)

// post sends a delivery and returns the answer's status, and the answer on one line.
func post(ctx context.Context, to string, header http.Header, body []byte) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", withoutURL(err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, "", withoutURL(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return 0, "", err
	}
	if text = bytes.TrimSpace(text); !json.Valid(text) || bytes.ContainsRune(text, '\n') {
		return resp.StatusCode, resp.Status, nil // a proxy's page of HTML explains nothing here
	}
	return resp.StatusCode, resp.Status + " " + string(text), nil
}

// withoutURL takes the URL out of an error: Trustist's ends in its secret.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// serverAt is the server that a flag names, by its URL without a slash at the end, or by that of its webhooks.
func serverAt(flag, server string) (*url.URL, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--%s is %q: want http://host or https://host", flag, server)}
	}
	u.Path, _, _ = strings.Cut(u.Path, "/webhooks")
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// webhooksAt is what the paths of all webhooks begin with at a server that a flag names.
func webhooksAt(flag, server string) (string, error) {
	u, err := serverAt(flag, server)
	if err != nil {
		return "", err
	}
	return u.String() + "/webhooks/", nil
}

// signer returns a provider with the secret to sign with: the given one or, where that is empty, the configured one.
func signer(c app.Config, provider, secret string) (handlers.Provider, error) {
	secrets := c.Secrets[provider]
	if secret != "" {
		secrets = []string{secret}
	}
	p, err := handlers.NewProvider(provider, secrets, c.Settings())
	if err != nil {
		return nil, fmt.Errorf("%w: set %s or --secret", err, app.SecretName(provider))
	}
	return p, nil
}

// advice says what to do about an answer that is not 200.
func advice(status int, provider string) string {
	switch status {
	case http.StatusUnauthorized:
		return fmt.Sprintf(": sign with the server's %s (--secret does); its log and GET /api/rejections say what was wrong", app.SecretName(provider))
	case http.StatusNotFound:
		return fmt.Sprintf(": it has no %s, or another one than was used here", app.SecretName(provider))
	case http.StatusServiceUnavailable:
		return ": its database does not answer in time; its log says more"
	}
	return ""
}
