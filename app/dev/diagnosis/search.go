package diagnosis

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1"   //nolint:gosec // senders use it by mistake
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"slices"
	"strings"

	"example.com/identity-webhooks/handlers"
)

// attempt is one way in which the signature may have been made.
type attempt struct {
	key, before, body, after []byte
	digest                   func(h crypto.Hash, a attempt) []byte
}

// change is a mistake that a sender, or something on the way, may have made: it turns an attempt into others. Of changes of the same
// kind only one is tried at a time.
type change struct {
	fault fault
	kind  kind
	of    func(a attempt) []attempt
}

type kind int

const (
	bodyKind kind = iota
	messageKind
	keyKind
	digestKind
)

// pairLimit is the largest body, in bytes, for which two changes at once are tried: larger ones take seconds.
const pairLimit = 64 << 10

// search explains a signature by as few changes as possible.
type search struct {
	right   []attempt // what the scheme allows
	changes []change  // those that are tried first come first
}

func (c Case) newSearch(s handlers.Scheme, inSignature string) search {
	var found search
	own := c.ownTimestamp(s, inSignature)
	for _, secret := range c.Secrets[c.Provider] {
		for _, m := range s.Messages {
			if before := strings.TrimSuffix(m, "{body}"); own != "" || !strings.Contains(m, "{timestamp}") {
				before = strings.NewReplacer("{timestamp}", own, "{id}", c.Delivery.Header.Get(s.ID)).Replace(before)
				found.right = append(found.right, attempt{[]byte(secret.Value), []byte(before), c.Delivery.Body, nil, hmacOf})
			}
		}
	}
	if len(found.right) == 0 { // without a timestamp there is nothing to start from but the body
		for _, secret := range c.Secrets[c.Provider] {
			found.right = append(found.right, attempt{[]byte(secret.Value), nil, c.Delivery.Body, nil, nothing})
		}
	}
	found.changes = slices.Concat(c.bodyChanges(), c.messageChanges(s, inSignature), c.keyChanges(), digestChanges)
	return found
}

// explain returns the changes that lead to the signature; none if it is right.
func (s search) explain(m mac) (faults []fault, found bool) {
	if slices.ContainsFunc(s.right, m.isOf) {
		return nil, true
	}
	for _, first := range s.changes {
		for _, a := range s.right {
			if slices.ContainsFunc(first.of(a), m.isOf) {
				return []fault{first.fault}, true
			}
		}
	}
	if slices.ContainsFunc(s.right, func(a attempt) bool { return len(a.body) > pairLimit }) {
		return nil, false
	}
	for i, first := range s.changes {
		for _, a := range s.right {
			for _, b := range first.of(a) {
				for _, second := range s.changes[i+1:] {
					if second.kind != first.kind && slices.ContainsFunc(second.of(b), m.isOf) {
						return []fault{first.fault, second.fault}, true
					}
				}
			}
		}
	}
	return nil, false
}

// isOf compares the MACs, or the parts of them that are there, with the one of an attempt.
func (m mac) isOf(a attempt) bool {
	want := a.digest(m.hash, a)
	return slices.ContainsFunc(m.macs, func(got []byte) bool {
		if m.partial && len(got) < len(want) {
			return hmac.Equal(got, want[:len(got)])
		}
		return hmac.Equal(got, want)
	})
}

func hmacOf(h crypto.Hash, a attempt) []byte {
	m := hmac.New(h.New, a.key)
	m.Write(a.before)
	m.Write(a.body)
	m.Write(a.after)
	return m.Sum(nil)
}

// nothing is the digest of an attempt that cannot be right.
func nothing(crypto.Hash, attempt) []byte { return nil }

var digestChanges = []change{
	{fault{"plain_hash", "The signature is a plain hash of secret and content, not an HMAC.", "Sign with HMAC, with the secret as its key."}, digestKind,
		func(a attempt) []attempt {
			first, last := a, a
			first.digest = func(h crypto.Hash, a attempt) []byte { return hashOf(h, a.key, a.before, a.body, a.after) }
			last.digest = func(h crypto.Hash, a attempt) []byte { return hashOf(h, a.before, a.body, a.after, a.key) }
			return []attempt{first, last}
		}},
}

func hashOf(h crypto.Hash, parts ...[]byte) []byte {
	d := h.New()
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}
