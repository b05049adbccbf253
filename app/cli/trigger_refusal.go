package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/identity-webhooks/handlers"
)

// staleness is how long ago --stale signs. Providers that sign a time accept five minutes.
const staleness = 10 * time.Minute

// checkStale refuses --stale for a provider whose deliveries are verified whatever their age.
func checkStale(signer handlers.Provider, provider string, body []byte) error {
	now := time.Now()
	old := signer.Sign(body, now.Add(-staleness))
	_, err := signer.Verify(handlers.Delivery{Header: old.Header, Body: body, ReceivedAt: now})
	if errors.Is(err, handlers.TooOld) {
		return nil
	}
	return usageError{fmt.Errorf("--stale has no effect with %s: its signature holds no time, or may be of any age", provider)}
}

// refusal delivers what a server must not accept, and tells why it did not.
func (p *player) refusal(ctx context.Context, m message, signer handlers.Provider, body []byte, r *report) error {
	signed := signer.Sign(body, time.Now().Add(-staleness))
	if p.badSignature {
		wrong, err := handlers.NewProvider(m.provider, []string{"wrong-" + uuid.NewString()}, p.config.Settings())
		if err != nil {
			return err
		}
		signed = wrong.Sign(body, time.Now())
	}
	earlier, _ := p.newestRejection(ctx, m.provider) // if it cannot be asked now, it is said below
	a, err := p.postOnce(ctx, m.provider, signed, body)
	if err != nil {
		return err
	}
	r.HTTPStatus, r.Answer, r.Deliveries = a.status, a.word(), 1
	want := http.StatusUnauthorized
	if handlers.TokenInPath(m.provider) {
		want = http.StatusNotFound
	}
	switch a.status {
	case want:
	case http.StatusOK:
		return fmt.Errorf("%s%s answers %s: it must not accept this delivery", p.base, m.provider, a.text)
	default:
		return fmt.Errorf("%s%s answers %s, want %d%s", p.base, m.provider, a.text, want, advice(a.status, m.provider))
	}
	fmt.Fprintf(p.w, "%s → %s\n", m.label(), a.text)
	newest, err := p.newestRejection(ctx, m.provider)
	switch {
	case err != nil:
		fmt.Fprintf(p.w, "  why cannot be shown: %v\n", err)
	case newest == earlier:
		fmt.Fprintf(p.w, "  why cannot be shown: %s is the admin API of another server (see ADMIN_ADDR)\n", p.admin.base)
	default:
		r.Rejection = string(newest.Reason)
		fmt.Fprintf(p.w, "  refused, as it must be: %s\n", newest.Reason)
	}
	return nil
}

// newestRejection returns the newest one that the server remembers of a provider, or zero.
func (p *player) newestRejection(ctx context.Context, provider string) (handlers.Rejection, error) {
	var list struct{ Rejections []handlers.Rejection }
	if err := p.admin.get(ctx, "/api/rejections", &list); err != nil {
		return handlers.Rejection{}, err
	}
	for _, x := range list.Rejections {
		if x.Provider == provider {
			return x, nil
		}
	}
	return handlers.Rejection{}, nil
}
