package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
)

const (
	// keyTimeout is how long a delivery may wait for its key. Plaid, the only provider with keys, waits ten seconds for the answer.
	keyTimeout = 3 * time.Second
	// keysPerMinute and keyBurst bound how many keys are asked for, since strangers may name any. While a stranger uses that up, new keys
	// are not found, and the provider has to send its deliveries again; known keys are not affected.
	keysPerMinute = 20
	keyBurst      = 10
	// keyRefusal is how long a key that the provider does not know is not asked for again.
	keyRefusal = 10 * time.Minute
	// keyCheck is how often keys without a date of expiry are asked for again, since they may have got one.
	keyCheck = time.Hour
)

// keyring gets the public keys of a provider from its API when a delivery names one that is not known. They are kept in memory only.
type keyring struct {
	provider string
	api      handlers.KeyAPI
	settings jobs.APISettings
	keys     *handlers.Keys
	client   *http.Client
	limit    *rate.Limiter
	asking   singleflight.Group
	now      func() time.Time
	log      *slog.Logger

	mu      sync.Mutex
	refused map[string]time.Time // no larger than the limit allows
}

// keyrings gets the keys of all active providers that have any.
type keyrings map[string]*keyring

func newKeyrings(c Config, log *slog.Logger) keyrings {
	all := keyrings{}
	for provider, keys := range c.PublicKeys {
		api, _ := handlers.KeyAPIOf(provider)
		all[provider] = &keyring{
			provider: provider, api: api, settings: c.APIs[provider], keys: keys, limit: rate.NewLimiter(keysPerMinute/60.0, keyBurst),
			refused: map[string]time.Time{}, now: time.Now, log: log,
			client: &http.Client{ // a redirect would take the credentials elsewhere
				Timeout: keyTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
		}
	}
	return all
}

// ask gets a key that a delivery names, and reports whether it is known then. Deliveries that name the same key share a call.
func (k keyrings) ask(ctx context.Context, provider, id string) bool {
	ring := k[provider]
	if ring == nil {
		return false
	}
	_, err, _ := ring.asking.Do(id, func() (any, error) { return nil, ring.get(context.WithoutCancel(ctx), id) })
	return err == nil
}

// Run checks the known keys every keyCheck, until ctx is done.
func (k keyrings) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, ring := range k {
		g.Go(func() error {
			tick := time.NewTicker(keyCheck)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
					ring.check(ctx)
				}
			}
		})
	}
	return g.Wait()
}

var (
	errKeyRefused = errors.New("the provider does not know the key")
	errKeyLimit   = errors.New("too many keys were asked for")
)

// get gets a key that is not known, unless that was tried too often.
func (k *keyring) get(ctx context.Context, id string) error {
	now := k.now()
	k.mu.Lock()
	for refused, at := range k.refused {
		if now.Sub(at) >= keyRefusal {
			delete(k.refused, refused)
		}
	}
	_, isRefused := k.refused[id]
	k.mu.Unlock()
	if _, known := k.keys.Get(id); known { // another delivery has got it meanwhile
		return nil
	}
	if isRefused {
		return errKeyRefused
	}
	if !k.limit.AllowN(now, 1) {
		return errKeyLimit
	}
	key, err := k.fetch(ctx, id)
	if errors.Is(err, errKeyRefused) {
		k.mu.Lock()
		k.refused[id] = now
		k.mu.Unlock()
	}
	if err != nil {
		k.log.Warn("key not found", "provider", k.provider, "key", handlers.Fingerprint(id), "err", err)
		return err
	}
	k.keys.Set(id, key)
	k.log.Info("key found", "provider", k.provider, "key", handlers.Fingerprint(id))
	return nil
}

// check asks again for the keys that have no date of expiry.
func (k *keyring) check(ctx context.Context) {
	for id, known := range k.keys.All() {
		if !known.Expires.IsZero() {
			continue
		}
		key, err := k.fetch(ctx, id)
		if err != nil {
			k.log.Warn("key not checked", "provider", k.provider, "key", handlers.Fingerprint(id), "err", err)
			continue
		}
		k.keys.Set(id, key)
	}
}

// fetch calls the API. Errors contain neither the ID, which a stranger may have chosen, nor anything of the answer.
func (k *keyring) fetch(ctx context.Context, id string) (key handlers.PublicKey, err error) {
	body, err := json.Marshal(k.api.Body(k.settings.Credentials, id))
	if err != nil {
		return key, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.settings.URL+k.api.Path, bytes.NewReader(body))
	if err != nil {
		return key, fmt.Errorf("%s is not a URL", apiURL(k.provider))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := k.client.Do(req)
	if u, isURL := errors.AsType[*url.Error](err); isURL {
		return key, u.Err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close() // it was read, or the error says why not
	switch {
	case err != nil:
		return key, err
	case slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound}, resp.StatusCode):
		return key, fmt.Errorf("%w, or the credentials are wrong: the answer is %d", errKeyRefused, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return key, fmt.Errorf("the answer is %d", resp.StatusCode)
	}
	return k.api.ReadKey(answer)
}
