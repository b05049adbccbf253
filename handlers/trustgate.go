package handlers

import "net/http"

// trustGateFallback selects what X-TrustGate-Signature covers if it is the only signature, which TrustGate's documentation does not say.
var trustGateFallback = Option{Name: "TRUSTGATE_SIGNATURE_FALLBACK", Default: "timestamp.body", Values: []string{"timestamp.body", "body", "off"}}

// trustGate verifies deliveries from TrustGate, both generations of payloads: hex HMAC-SHA256 of "<timestamp>.<body>" in
// X-Webhook-Signature, and the time of delivery in X-Webhook-Timestamp. X-TrustGate-Signature has the same digest after "sha256=". It
// decides only if it is the only signature; otherwise a mismatch is a warning.
//
// https://docs.bytrustgate.com/integrations/webhooks
type trustGate struct {
	*signed
	second Scheme // accepts whatever X-TrustGate-Signature may cover
}

func newTrustGate(name string, s Settings) (Provider, error) {
	fallback, err := trustGateFallback.value(s)
	if err != nil {
		return nil, err
	}
	first := Scheme{
		Header: "X-Webhook-Signature", Messages: []string{signsTimestampBody}, Timestamp: "X-Webhook-Timestamp",
		MaxAge: tolerance, MaxAhead: tolerance,
	}
	second := first
	second.Header, second.Prefix, second.Setting = "X-TrustGate-Signature", "sha256=", trustGateFallback.Name
	schemes := []Scheme{first, second}
	switch fallback {
	case "off":
		schemes = schemes[:1]
	case "body": // the timestamp is not covered, so it is not checked
		schemes[1].Messages, schemes[1].Timestamp, schemes[1].MaxAge, schemes[1].MaxAhead = []string{signsBody}, "", 0, 0
	}
	second.Messages = []string{signsBody, signsTimestampBody}
	p := trustGate{newSigned(name, s, trustGateEnvelope, schemes...), second}
	p.header = http.Header{"User-Agent": {"TrustGate-Webhook/1.0"}}
	return p, nil
}

func (p trustGate) Verify(d Delivery) (Envelope, error) {
	e, err := p.signed.Verify(d)
	both := len(d.Header.Values(p.schemes[0].Header)) > 0 && len(d.Header.Values(p.second.Header)) > 0
	if both && isVerified(err) {
		if _, mismatch := p.second.verify(d, p.keys); mismatch != nil {
			e.Warnings = append(e.Warnings, "X-TrustGate-Signature matches neither the body nor timestamp.body")
		}
	}
	return e, err
}

// trustGateEnvelope recognizes the form by its members: event_type is the current generation (v2), event its test ping or workflow action,
// and id the older generation (v1).
func trustGateEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v2")
	switch {
	case o.has("event") && (!o.has("event_type") || o.has("workflow_execution_id")): // a workflow adds the customer's own members, of any name
		r.trustGateWithoutID(o, body)
	case o.has("event_type"):
		r.trustGateCurrent(o)
	case o.has("id"):
		r.Generation = "v1"
		r.ExternalID = r.need(o, "id")
		r.Type = r.need(o, "type")
		r.OccurredAt = r.time(o, "created_at")
	default:
		r.Generation = ""
		r.unreadable("it has neither event_type, event nor id")
	}
	return r.result()
}

// trustGateCurrent reads the current generation: https://docs.bytrustgate.com/integrations/webhooks.
func (r *reading) trustGateCurrent(o object) {
	r.ExternalID = r.need(o, "event_id")
	r.Type = r.need(o, "event_type")
	r.TenantID = r.optional(o, "tenant_id")
	r.CorrelationID = r.optional(o, "correlation_id")
	// session.completed is sent through two systems. The second copy counts as no newer, whatever its timestamp.
	if data := o.object("data"); r.Type == "session.completed" && data.has("completed_at") {
		r.OccurredAt = r.time(data, "completed_at")
	}
	if r.OccurredAt.IsZero() {
		r.OccurredAt = r.time(o, "timestamp")
	}
}

// trustGateWithoutID reads test.ping and workflow.action.webhook. One run of a workflow may send several webhooks about a person, so only
// the same bytes are the same event. A ping is identified by its webhook and timestamp.
func (r *reading) trustGateWithoutID(o object, body []byte) {
	r.Derived, r.ExternalID = true, bodyID(body)
	r.Type = r.need(o, "event")
	r.OccurredAt = r.time(o, "timestamp")
	r.TenantID = r.optional(o, "tenant_id")
	webhook, sent := r.optional(o.object("data"), "webhook_id"), r.optional(o, "timestamp")
	if webhook != "" && sent != "" && !o.has("workflow_execution_id") {
		r.ExternalID = derivedID(r.Type, webhook, sent)
	}
}
