package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"
)

// signed is a provider that signs with an HMAC under a shared secret.
type signed struct {
	name     string
	keys     [][]byte // of the HMAC, in the order of the secrets
	schemes  []Scheme
	envelope func(body []byte) (Envelope, error)
	header   http.Header // other headers of its deliveries; nil if there are none
}

// newSigned returns a provider that uses each secret verbatim as the key, including a prefix such as "whsec_". A provider that decodes its
// secrets replaces the keys.
func newSigned(name string, s Settings, envelope func(body []byte) (Envelope, error), schemes ...Scheme) *signed {
	p := &signed{name: name, schemes: schemes, envelope: envelope}
	for _, secret := range s.Secrets {
		p.keys = append(p.keys, []byte(secret.Value))
	}
	return p
}

func (p *signed) Verify(d Delivery) (Envelope, error) {
	i := slices.IndexFunc(p.schemes, func(s Scheme) bool { return len(d.Header.Values(s.Header)) > 0 })
	if i < 0 {
		return Envelope{}, unverified(p.unsigned(d.Header))
	}
	s := p.schemes[i]
	signer, err := s.verify(d, p.keys)
	if err != nil {
		return Envelope{}, err
	}
	e, err := p.envelope(d.Body)
	e.Secret = signer
	if s.SignsID() {
		e.ExternalID, e.Derived = d.Header.Get(s.ID), false
		return e, err
	}
	// The signature does not cover the header, so it must agree with the body.
	if ids := d.Header.Values(s.ID); s.ID != "" && len(ids) > 0 && e.ExternalID != "" && (len(ids) > 1 || ids[0] != e.ExternalID) {
		return Envelope{}, unverified(WrongID)
	}
	return e, err
}

// unsigned returns why a delivery without the header of a scheme is refused.
func (p *signed) unsigned(h http.Header) Reason {
	for _, s := range p.schemes {
		if slices.ContainsFunc(s.Weak, func(name string) bool { return len(h.Values(name)) > 0 }) {
			return WeakSignature
		}
	}
	return MissingSignature
}

func (p *signed) Envelope(body []byte) (Envelope, error) { return p.envelope(body) }

func (p *signed) Sign(body []byte, at time.Time) Request {
	r := Request{Path: p.name, Header: http.Header{}, Body: body}
	if p.header != nil {
		r.Header = p.header.Clone()
	}
	for _, s := range p.schemes {
		id := ""
		if s.ID != "" {
			e, _ := p.envelope(body) // without an ID, the header is left out
			id = e.ExternalID
		}
		r.Body = s.stamp(r.Body, at)
		s.sign(r.Header, p.keys[0], id, r.Body, at)
	}
	return r
}

func (p *signed) Schemes() []Scheme { return slices.Clone(p.schemes) }

// Fingerprint identifies a secret where it must not be shown. It is too short to help guess the secret.
func Fingerprint(secret string) string {
	h := sha256.Sum256([]byte("webhook secret" + secret))
	return hex.EncodeToString(h[:4])
}
