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
	r := newReception(t, openStore(t, sqliteURL(t)), nil)
	r.uses.Set(secrets)
	r.serve(receivers)
	r.providers = senders
	want := map[string][]SecretUse{}
	for _, name := range ProviderNames() {
		want[name] = []SecretUse{{Fingerprint: Fingerprint("first_" + name)}, {Fingerprint: Fingerprint("second_" + name)}}
		r.deliver(name, "{}", forged)
	}
	if diff := cmp.Diff(want, r.uses.List()); diff != "" {
		t.Errorf("forged (-want +got):\n%s", diff)
	}
	for _, name := range ProviderNames() {
		want[name][1].LastVerifiedAt = models.At(noon)
		r.deliver(name, "{}").want(t, 200, string(accepted)) // unreadable, and verified
	}
	if diff := cmp.Diff(want, r.uses.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where secrets take the place of others, those that stay keep their time, and a delivery that was under way counts for the secret
// that verified it.
func TestSecretUsesChange(t *testing.T) {
	t.Parallel()
	var u SecretUses
	u.Set(map[string][]string{"trst": {"first", "second"}})
	before := u.all()["trst"]
	verified(before, 1, noon)
	u.Set(map[string][]string{"trst": {"second", "third"}, "trustgate": {"first"}})
	verified(before, 0, noon)
	want := map[string][]SecretUse{
		"trst":      {{Fingerprint: Fingerprint("second"), LastVerifiedAt: models.At(noon)}, {Fingerprint: Fingerprint("third")}},
		"trustgate": {{Fingerprint: Fingerprint("first")}},
	}
	if diff := cmp.Diff(want, u.List()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// printf 'identity-webhooks secretwhsec_trst_5a8c0e2b4d' | sha256sum | cut -c1-8
const trstFingerprint = "a861aab5"

func TestSecretUsesInStats(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	verified(o.uses.all()["trst"], 0, noon)
	verified(o.uses.all()["trst"], 2, noon) // there is none
	verified(o.uses.all()["other"], 0, noon)
	stats := call[struct{ Secrets json.RawMessage }](o, "GET", "/api/stats", 200)
	want := `{"trst":[{"fingerprint":"` + trstFingerprint + `","last_verified_at":"2026-02-04T12:00:00Z"},{"fingerprint":"` + Fingerprint("second") + `","last_verified_at":null}]}`
	if string(stats.Secrets) != want {
		t.Errorf("%s, want %s", stats.Secrets, want)
	}
}
