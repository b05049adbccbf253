package handlers

import (
	"net/http"
	"strconv"
	"time"
)

// trustGate verifies deliveries from TrustGate, both generations of payloads: hex HMAC-SHA256 of "<timestamp>.<body>" in
// X-Webhook-Signature, the time of delivery in X-Webhook-Timestamp. The same digest comes after "sha256=" in
// X-TrustGate-Signature; what that one covers is not documented, so it counts only when it comes alone and only in the
// form that is configured.
//
// https://docs.bytrustgate.com/integrations/webhooks
type trustGate struct {
	secrets  secrets
	fallback string
}

func newTrustGate(ss secrets, s Settings) Provider { return trustGate{ss, s.TrustGateFallback} }

const trustGatePrefixed = "X-Trustgate-Signature"

func (p trustGate) Verify(d Delivery) (Envelope, error) {
	header, prefix, form := "X-Webhook-Signature", "", FormTimestampBody
	if len(d.Header.Values(header)) == 0 && len(d.Header.Values(trustGatePrefixed)) > 0 && p.fallback != FormOff {
		header, prefix, form = trustGatePrefixed, "sha256=", p.fallback
	}
	mac, err := signature(d.Header, header, prefix)
	if err != nil {
		return Envelope{}, err
	}
	if form == FormBody { // it does not cover the timestamp, which then says nothing
		signer := p.secrets.signer(mac, d.Body)
		if signer < 0 {
			return Envelope{}, unverified(WrongSecret)
		}
		e, err := p.envelope(d.Body)
		e.Secret = signer
		return e, err
	}
	text, sent, err := timestamp(d.Header, "X-Webhook-Timestamp")
	if err != nil {
		return Envelope{}, err
	}
	signer := p.secrets.signer(mac, []byte(text), []byte("."), d.Body)
	if signer < 0 {
		return Envelope{}, unverified(WrongSecret)
	}
	if err := fresh(sent, d.ReceivedAt); err != nil {
		return Envelope{}, err
	}
	e, err := p.envelope(d.Body)
	e.Secret, e.Warning = signer, p.odd(d, text)
	return e, err
}

// odd says what is wrong with the second signature of a delivery whose first one is right.
func (p trustGate) odd(d Delivery, text string) string {
	if len(d.Header.Values(trustGatePrefixed)) == 0 {
		return ""
	}
	mac, err := signature(d.Header, trustGatePrefixed, "sha256=")
	if err != nil || !p.secrets.signed(mac, []byte(text), []byte("."), d.Body) && !p.secrets.signed(mac, d.Body) {
		return "X-TrustGate-Signature matches neither the body nor timestamp.body"
	}
	return ""
}

func (p trustGate) Sign(body []byte, at time.Time) Request {
	sent := strconv.FormatInt(at.Unix(), 10)
	mac := p.secrets.sign([]byte(sent), []byte("."), body)
	return Request{Path: "trustgate", Header: http.Header{
		"X-Webhook-Signature": {mac},
		"X-Webhook-Timestamp": {sent},
		trustGatePrefixed:     {"sha256=" + mac},
		"User-Agent":          {"TrustGate-Webhook/1.0"},
	}}
}

func (p trustGate) Schemes() []Scheme {
	first := Scheme{
		Signature: "X-Webhook-Signature", Contents: []string{FormTimestampBody}, Timestamp: "X-Webhook-Timestamp",
		MaxAge: tolerance, MaxAhead: tolerance,
	}
	second := first
	second.Signature, second.Prefix, second.Setting = "X-TrustGate-Signature", "sha256=", "TRUSTGATE_SIGNATURE_FALLBACK"
	switch p.fallback {
	case FormOff:
		return []Scheme{first}
	case FormBody:
		second.Contents, second.Timestamp, second.MaxAge, second.MaxAhead = []string{FormBody}, "", 0, 0
	}
	return []Scheme{first, second}
}

// envelope tells the forms apart by their keys: event_type is the current generation (v2), event its test ping or workflow
// action, id with type the older one (v1).
func (p trustGate) envelope(body []byte) (e Envelope, err error) {
	o, err := decode(body)
	if err != nil {
		return e, err
	}
	switch {
	case o.has("event") && o.has("workflow_execution_id"): // with fields of the team's own, which may have any name
		return p.unnumbered(o, body)
	case o.has("event_type"):
		return p.current(o)
	case o.has("event"):
		return p.unnumbered(o, body)
	case o.has("id"):
		return p.older(o)
	}
	return e, unreadable("it has neither event_type, event nor id")
}

// current reads the generation of https://docs.bytrustgate.com/integrations/webhooks.
func (p trustGate) current(o object) (e Envelope, err error) {
	e.Generation = "v2"
	if e.ExternalID, err = o.need("event_id"); err != nil {
		return e, err
	}
	if e.Type, err = o.need("event_type"); err != nil {
		return e, err
	}
	if e.OccurredAt, err = o.time("timestamp"); err != nil {
		return e, err
	}
	if e.TenantID, err = o.text("tenant_id"); err != nil {
		return e, err
	}
	// A session's end is sent through two systems: the second copy, whenever it is stamped, is no newer.
	if data, err := o.object("data"); err == nil && e.Type == "session.completed" {
		if at, err := data.time("completed_at"); err == nil {
			e.OccurredAt = at
		}
	}
	e.CorrelationID, err = o.text("correlation_id")
	return e, err
}

// older reads the generation that wraps events in id, type and created_at.
func (p trustGate) older(o object) (e Envelope, err error) {
	e.Generation = "v1"
	if e.ExternalID, err = o.need("id"); err != nil {
		return e, err
	}
	if e.Type, err = o.need("type"); err != nil {
		return e, err
	}
	e.OccurredAt, err = o.time("created_at")
	return e, err
}

// unnumbered reads test.ping and workflow.action.webhook, which carry no event ID. One workflow run may send several
// webhooks for a person, so theirs includes the body.
func (p trustGate) unnumbered(o object, body []byte) (e Envelope, err error) {
	e.Generation, e.Derived = "v2", true
	if e.Type, err = o.need("event"); err != nil {
		return e, err
	}
	if e.OccurredAt, err = o.time("timestamp"); err != nil {
		return e, err
	}
	if e.TenantID, err = o.text("tenant_id"); err != nil {
		return e, err
	}
	e.ExternalID = bodyID(body)
	if o.has("workflow_execution_id") {
		run, err := o.need("workflow_execution_id")
		if err != nil {
			return e, err
		}
		who := ""
		if applicant, err := o.object("applicant"); err == nil {
			if who, err = applicant.text("id"); err != nil {
				return e, err
			}
		}
		e.ExternalID = derivedID(run, who, bodyID(body))
		return e, nil
	}
	data, err := o.object("data")
	if err != nil {
		return e, nil // nothing to derive an ID from: the body's hash is one
	}
	at, err := o.text("timestamp")
	if err != nil {
		return e, err
	}
	hook, err := data.text("webhook_id")
	if err == nil && hook != "" {
		e.ExternalID = derivedID(e.Type, hook, at)
	}
	return e, err
}
