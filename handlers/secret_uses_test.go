package handlers

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// A provider's delivery is remembered with the secret that verified it, and a forged one with none.
func TestSecretUses(t *testing.T) {
	t.Parallel()
	secrets, senders, receivers := map[string][]string{}, map[string]Provider{}, map[string]Provider{}
	for _, name := range ProviderNames() {
		secrets[name] = []string{"first_" + name, "second_" + name}
		senders[name] = mustProvider(t, name, documented, secrets[name][1])
		receivers[name] = mustProvider(t, name, documented, secrets[name]...)
	}
	r := newReception(t, openStore(t, sqliteURL(t)), receivers)
	r.receiver.uses = NewSecretUses(secrets)
	r.providers = senders
	want := map[string][]SecretUse{}
	for _, name := range ProviderNames() {
		want[name] = []SecretUse{{Fingerprint: Fingerprint("first_" + name)}, {Fingerprint: Fingerprint("second_" + name)}}
		r.deliver(name, "{}", forged)
	}
	if diff := cmp.Diff(want, r.receiver.uses.List()); diff != "" {
		t.Errorf("forged (-want +got):\n%s", diff)
	}
	for _, name := range ProviderNames() {
		want[name][1].LastVerifiedAt = models.At(noon)
		r.deliver(name, "{}").want(t, 200, string(accepted)) // unreadable, and verified
	}
	if diff := cmp.Diff(want, r.receiver.uses.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// printf 'identity-webhooks secretwhsec_trst_5a8c0e2b4d' | sha256sum | cut -c1-8
const trstFingerprint = "a861aab5"

func TestSecretUsesInStats(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	o.uses.verified("trst", 0, noon)
	o.uses.verified("trst", 2, noon) // there is none
	o.uses.verified("other", 0, noon)
	stats := call[struct{ Secrets json.RawMessage }](o, "GET", "/api/stats", 200)
	want := `{"trst":[{"fingerprint":"` + trstFingerprint + `","last_verified_at":"2026-02-04T12:00:00Z"},{"fingerprint":"` + Fingerprint("second") + `","last_verified_at":null}]}`
	if string(stats.Secrets) != want {
		t.Errorf("%s, want %s", stats.Secrets, want)
	}
}
