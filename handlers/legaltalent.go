package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// legalTalent verifies deliveries from Legal Talent: hex HMAC-SHA256 in X-Webhook-Signature, after "sha256=". Which bytes
// it covers is not documented: the body, or the header X-Webhook-Timestamp, a dot and the body. Accepting either is safe,
// since each needs the secret and no text is valid as both; ID and time are taken from the body, which both cover.
//
// The timestamp is the event's creation, so a rightful retry may carry an old one: there is no limit on age.
//
// https://docs.compliance.legaltalent.ai/api-reference/webhooks/overview
type legalTalent struct {
	secrets secrets
	content string
}

func newLegalTalent(ss secrets, s Settings) Provider { return legalTalent{ss, s.LegalTalentContent} }

func (p legalTalent) Verify(d Delivery) (Envelope, error) {
	mac, err := signature(d.Header, "X-Webhook-Signature", "sha256=")
	if err != nil {
		return Envelope{}, err
	}
	text, created, err := timestamp(d.Header, "X-Webhook-Timestamp")
	if err != nil {
		return Envelope{}, err
	}
	if created.Sub(d.ReceivedAt) > tolerance {
		return Envelope{}, unverified(FromTheFuture)
	}
	body, both := -1, -1
	if p.content != FormTimestampBody {
		body = p.secrets.signer(mac, d.Body)
	}
	if p.content != FormBody {
		both = p.secrets.signer(mac, []byte(text), []byte("."), d.Body)
	}
	signer := max(body, both)
	if signer < 0 {
		return Envelope{}, unverified(WrongSecret)
	}
	e, err := p.envelope(d.Body)
	e.Secret = signer
	if id := d.Header.Values("X-Webhook-Id"); err == nil && len(id) > 0 && (len(id) > 1 || id[0] != e.ExternalID) {
		return Envelope{}, unverified(OtherID)
	}
	return e, err
}

func (p legalTalent) Sign(body []byte, at time.Time) Request {
	created := strconv.FormatInt(at.Unix(), 10)
	mac := p.secrets.sign(body)
	if p.content == FormTimestampBody {
		mac = p.secrets.sign([]byte(created), []byte("."), body)
	}
	r := Request{Path: "legaltalent", Header: http.Header{
		"X-Webhook-Signature": {"sha256=" + mac},
		"X-Webhook-Timestamp": {created},
		"User-Agent":          {"KYC-Webhooks/1.0"},
	}}
	if e, err := p.envelope(body); err == nil {
		r.Header.Set("X-Webhook-Id", e.ExternalID)
	}
	return r
}

func (p legalTalent) Schemes() []Scheme {
	contents := []string{p.content}
	if p.content == FormEither {
		contents = []string{FormBody, FormTimestampBody}
	}
	return []Scheme{{
		Signature: "X-Webhook-Signature", Prefix: "sha256=", Contents: contents, Timestamp: "X-Webhook-Timestamp",
		MaxAhead: tolerance, ID: "X-Webhook-ID", Setting: "LEGALTALENT_SIGNED_CONTENT",
	}}
}

func (p legalTalent) envelope(body []byte) (e Envelope, err error) {
	o, err := decode(body)
	if err != nil {
		return e, err
	}
	e.Generation = "v1"
	if e.ExternalID, err = o.need("id"); err != nil {
		return e, err
	}
	if e.Type, err = o.need("type"); err != nil {
		return e, err
	}
	var seconds int64
	if json.Unmarshal(o["created"], &seconds) != nil || seconds <= 0 || time.Unix(seconds, 0).UTC().Year() > 9999 {
		return e, unreadable("created is not a Unix time in seconds")
	}
	e.OccurredAt = time.Unix(seconds, 0)
	return e, nil
}
