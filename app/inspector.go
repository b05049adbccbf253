package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"example.com/identity-webhooks/app/payload"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/handlers/inspector"
	"example.com/identity-webhooks/jobs"
)

// inspectorConfig connects the inspector with the rest of the program. Only in development can it send samples to the public server.
func (a *App) inspectorConfig(
	c Config, active map[string]handlers.Provider, registry *jobs.Registry, rejections *handlers.Rejections, samples fs.FS,
) (inspector.Config, error) {
	i := inspector.Config{
		Store: a.store, Providers: active, Rejections: rejections, Subscriptions: a.watch.States, Translate: registry.Translate,
		PublicURL: publicURL(c.PublicScheme(), a.Addr()), Wake: a.relay.Wake, Mask: c.MaskPersonalData, Log: a.log,
	}
	i.Queues = func(ctx context.Context) (list []inspector.Queue, err error) {
		figures, err := a.queue.Figures(ctx)
		for _, f := range figures {
			list = append(list, inspector.Queue(f))
		}
		return list, err
	}
	catalogue, err := jobs.Catalogue(samples)
	if err != nil {
		return i, err
	}
	for _, s := range catalogue {
		body, err := fs.ReadFile(samples, s.File)
		if err != nil {
			return i, fmt.Errorf("read sample: %w", err)
		}
		i.Catalogue = append(i.Catalogue, inspector.Sample{Provider: s.Provider, Generation: s.Generation, Type: s.Type, Meaning: s.Meaning, Body: body})
	}
	if c.Env == Development {
		i.Send = sampleSender(i.PublicURL, active)
	}
	return i, nil
}

// publicURL returns the URL at which this machine reaches the public server.
func publicURL(scheme, addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return scheme + "://" + addr
}

// sampleSender returns a function that makes a new event from a sample and delivers it to our own public server, signed as the provider
// would. It returns the event's ID.
func sampleSender(url string, active map[string]handlers.Provider) func(context.Context, string, []byte) (string, error) {
	client := http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second} // no proxy: it stays on this machine
	return func(ctx context.Context, provider string, sample []byte) (string, error) {
		p := active[provider]
		if p == nil {
			return "", fmt.Errorf("%s is not set", handlers.Needs(provider))
		}
		body, err := payload.Renew(p, sample, time.Now())
		if err != nil {
			return "", err
		}
		envelope, err := p.Envelope(body)
		if err != nil {
			return "", err
		}
		signed := p.Sign(body, time.Now())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/webhooks/"+signed.Path, bytes.NewReader(signed.Body))
		if err != nil {
			return "", fmt.Errorf("the URL for %s is not valid", provider) // the error would show a token
		}
		req.Header = signed.Header.Clone()
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			if certificate, isWrong := errors.AsType[*tls.CertificateVerificationError](err); isWrong {
				return "", fmt.Errorf("the certificate of the public server is not valid for %s: %w", url, certificate.Err)
			}
			return "", fmt.Errorf("the public server at %s does not answer", url)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err != nil || resp.StatusCode != http.StatusOK {
			return "", fmt.Errorf("the receiver answered %s %s", resp.Status, strings.TrimSpace(string(answer)))
		}
		return envelope.ExternalID, nil
	}
}
