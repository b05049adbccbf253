package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/identity-webhooks/app"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// player sends messages to a server, one after the other, and tells what came of each.
type player struct {
	*trigger // what the flags ask for
	painter
	config    app.Config
	base      string // what all paths of webhooks begin with
	admin     *adminClient
	stdout    io.Writer
	w         io.Writer // for what people read: nothing is printed there with --json
	reached   bool      // the admin API told what came of an event
	customers []int64   // whom the events were about
}

// base is where the flags want webhooks to be sent.
func (t *trigger) base(c app.Config) (string, error) {
	if t.url == "" {
		return "http://" + reachable(c.Addr) + "/webhooks/", nil
	}
	return webhooksAt("url", t.url)
}

// provider returns a provider with the secret to sign with.
func (p *player) provider(name string) (handlers.Provider, error) {
	if !slices.Contains(handlers.ProviderNames(), name) {
		return nil, usageError{fmt.Errorf("unknown provider %q: want %s", name, strings.Join(handlers.ProviderNames(), ", "))}
	}
	return signer(p.config, name, p.secret)
}

// sendAll sends the messages, in a random order if that is asked for.
func (p *player) sendAll(ctx context.Context, list []message) error {
	for _, m := range list {
		if err := p.sendable(m); err != nil {
			return err
		}
	}
	if p.shuffle {
		if p.seed == 0 {
			p.seed = uint64(rand.Uint32()) //nolint:gosec // it is an order, not a secret
		}
		mix(list, p.seed)
		fmt.Fprintf(p.w, "a random order; --seed %d repeats it\n", p.seed)
	}
	for i, m := range list {
		if i > 0 && p.delay > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(p.delay):
			}
		}
		if err := p.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// sendable finds out before anything is sent whether there is a secret for a message, and sense in the flags.
func (p *player) sendable(m message) error {
	signer, err := p.provider(m.provider)
	if err != nil || !p.stale {
		return err
	}
	body, err := m.bytes(time.Now())
	if err != nil {
		return err
	}
	return checkStale(signer, m.provider, body)
}

// send delivers one event and tells what came of it.
func (p *player) send(ctx context.Context, m message) error {
	r := &report{Sample: m.name, Seed: p.seed}
	err := p.deliver(ctx, m, r)
	if p.json && r.HTTPStatus != 0 {
		if r.Error == "" && err != nil {
			r.Error = err.Error()
		}
		return errors.Join(err, json.NewEncoder(p.stdout).Encode(r))
	}
	return err
}

func (p *player) deliver(ctx context.Context, m message, r *report) error {
	signer, err := p.provider(m.provider)
	if err != nil {
		return err
	}
	now := time.Now()
	body, err := m.bytes(now)
	if err != nil {
		return err
	}
	if p.badSignature || p.stale {
		return p.refusal(ctx, m, signer, body, r)
	}
	known := p.look(ctx, m.provider, body)
	answers, err := p.post(ctx, m.provider, signer, body)
	if err != nil {
		return err
	}
	p.tell(m, answers, r)
	if err := p.judge(m.provider, answers); err != nil {
		return err
	}
	signed := signer.Sign(body, now) // to read what was sent as the server does
	token, err := url.PathUnescape(strings.TrimPrefix(strings.TrimPrefix(signed.Path, m.provider), "/"))
	if err != nil {
		return fmt.Errorf("read path token: %w", err)
	}
	env, err := signer.Verify(handlers.Delivery{Header: signed.Header, Token: token, Body: body, ReceivedAt: now})
	if err != nil && !errors.Is(err, handlers.ErrContradictory) { // that one is quarantined under its ID
		return fmt.Errorf("%s is stored as failed, since it cannot be read: %w", m.name, err)
	}
	r.ExternalID = env.ExternalID
	if err := p.outcome(ctx, m.provider, body, known, r); err != nil {
		return err
	}
	return once(r, answers)
}

// judge says what is wrong with the answers to one event, however often it was delivered.
func (p *player) judge(provider string, answers []answer) error {
	for _, a := range answers {
		if a.status != http.StatusOK {
			return fmt.Errorf("%s%s answers %s%s", p.base, provider, a.text, advice(a.status, provider))
		}
	}
	return nil
}

// once reports an event that was taken for several. What is quarantined is accepted each time, and never applied.
func once(r *report, answers []answer) error {
	accepted := 0
	for _, a := range answers {
		if a.word() == "accepted" {
			accepted++
		}
	}
	if accepted > 1 && r.Status != string(models.Quarantined) {
		return fmt.Errorf("%d of %d deliveries of one event were accepted, want at most 1", accepted, len(answers))
	}
	return nil
}
