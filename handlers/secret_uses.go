package handlers

import (
	"sync/atomic"
	"time"

	"example.com/identity-webhooks/models"
)

// SecretUses remembers when a delivery was last verified with each active secret, since the start, in memory only. That is how
// a rotation knows that the old secret is needed no more. The secrets themselves are not in it.
type SecretUses struct{ providers map[string][]*secretUse }

type secretUse struct {
	fingerprint string
	last        atomic.Int64 // microseconds since 1970; 0: never
}

// SecretUse is one secret of a provider.
type SecretUse struct {
	Fingerprint    string      `json:"fingerprint"`
	LastVerifiedAt models.Time `json:"last_verified_at"`
}

// NewSecretUses returns the memory of these secrets, by provider, in the order that NewProvider is given.
func NewSecretUses(secrets map[string][]string) *SecretUses {
	u := &SecretUses{map[string][]*secretUse{}}
	for provider, active := range secrets {
		for _, s := range active {
			u.providers[provider] = append(u.providers[provider], &secretUse{fingerprint: Fingerprint(s)})
		}
	}
	return u
}

// verified notes a delivery. It takes no lock: each delivery passes here.
func (u *SecretUses) verified(provider string, secret int, at time.Time) {
	if uses := u.providers[provider]; secret < len(uses) {
		uses[secret].last.Store(at.UnixMicro())
	}
}

// List returns the secrets of each provider in their order.
func (u *SecretUses) List() map[string][]SecretUse {
	all := map[string][]SecretUse{}
	for provider, uses := range u.providers {
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
