package handlers

import (
	"sync/atomic"
	"time"

	"example.com/identity-webhooks/models"
)

// SecretUses remembers when a delivery was last verified with each active secret, since the start, in memory only. That is how
// a rotation knows that the old secret is needed no more. The secrets themselves are not in it.
//
// The zero value knows no secrets.
type SecretUses struct {
	providers atomic.Pointer[map[string][]*secretUse]
}

type secretUse struct {
	fingerprint string
	last        atomic.Int64 // microseconds since 1970; 0: never
}

// SecretUse is one secret of a provider.
type SecretUse struct {
	Fingerprint    string      `json:"fingerprint"`
	LastVerifiedAt models.Time `json:"last_verified_at"`
}

// Set says which secrets are active, by provider, in the order that NewProvider is given. What is known of those that were active
// before stays. It is called before the router is made that verifies with them, and by one goroutine at a time.
func (u *SecretUses) Set(secrets map[string][]string) {
	known := map[[2]string]*secretUse{}
	for provider, uses := range u.all() {
		for _, use := range uses {
			known[[2]string{provider, use.fingerprint}] = use
		}
	}
	providers := map[string][]*secretUse{}
	for provider, active := range secrets {
		for _, s := range active {
			use := known[[2]string{provider, Fingerprint(s)}]
			if use == nil {
				use = &secretUse{fingerprint: Fingerprint(s)}
			}
			providers[provider] = append(providers[provider], use)
		}
	}
	u.providers.Store(&providers)
}

func (u *SecretUses) all() map[string][]*secretUse {
	if providers := u.providers.Load(); providers != nil {
		return *providers
	}
	return nil
}

// verified notes a delivery that the provider's secret of this index has verified. It takes no lock: each delivery passes here.
func verified(uses []*secretUse, secret int, at time.Time) {
	if secret < len(uses) {
		uses[secret].last.Store(at.UnixMicro())
	}
}

// List returns the secrets of each provider in their order.
func (u *SecretUses) List() map[string][]SecretUse {
	all := map[string][]SecretUse{}
	for provider, uses := range u.all() {
		for _, use := range uses {
			x := SecretUse{Fingerprint: use.fingerprint}
			if last := use.last.Load(); last != 0 {
				x.LastVerifiedAt = models.At(time.UnixMicro(last))
			}
			all[provider] = append(all[provider], x)
		}
	}
	return all
}
