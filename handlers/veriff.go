package handlers

// newVeriff verifies deliveries from Veriff: a hex HMAC-SHA256 of the body in X-HMAC-SIGNATURE. The key is the integration's shared secret
// verbatim. No time is signed, so a repeated delivery is recognized only by its ID.
//
// X-AUTH-CLIENT names the integration. It is not checked: each integration has a secret of its own, so the signature proves the same. The
// older X-SIGNATURE, a plain hash of the body and the secret, is not accepted. The body does not tell test integrations from live ones: set
// the secret of a test integration as VERIFF_WEBHOOK_SECRET_SANDBOX.
//
// https://devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security
func newVeriff(name string, s Settings) (Provider, error) {
	return newSigned(name, s, veriffEnvelope, Scheme{Header: "X-HMAC-SIGNATURE", Messages: []string{signsBody}}), nil
}

// veriffEnvelope recognizes the form by its members, since Veriff sends each kind of event to a URL of its own and names no type. The types
// are our words:
//
//	decision        has verification
//	event.<action>  has action and code, such as event.submitted
//	watchlist       has matchStatus or reviewStatus, perhaps inside of data
//	<eventType>     has eventType, such as fullauto
//
// Any other form, such as that of Veriff's queries of Mexican registers, is not documented well enough to be read, and fails.
//
// Events have no ID, so it is derived from the session, the attempt, the code, the time and what the event says. The events of a session's
// progress have no time either. For these the time of arrival counts, so if they arrive out of order, so do their steps; a decision is not
// affected. Two of them that say the same about one attempt count as one.
//
// https://devdocs.veriff.com/docs/webhooks-guide
func veriffEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	r.Derived = true
	list := o
	if data := o.object("data"); data.has("matchStatus") || data.has("reviewStatus") {
		list = data
	}
	switch {
	case o.object("verification") != nil:
		r.Type = "decision"
		r.veriff(o.object("verification"), "id", "code", "decisionTime", "status", "reason", "reasonCode")
	case o.has("action") && o.has("code"):
		if r.Type = "event." + r.need(o, "action"); len(r.Type) > maxText {
			r.Type = ""
			r.unreadable("action is too long")
		}
		r.veriff(o, "id", "code", "", "action", "feature")
	case list.has("matchStatus") || list.has("reviewStatus"):
		r.Type = "watchlist"
		r.veriff(list, "sessionId", "checkType", "createdAt", "matchStatus", "reviewStatus", "totalHits", "hits")
	case o.has("eventType"):
		r.Type = r.need(o, "eventType")
		r.veriff(o, "sessionId", "eventType", "time", "data")
	default:
		r.unreadable("it has none of the documented forms")
	}
	if r.ExternalID == "" || r.CorrelationID == "" {
		r.ExternalID = bodyID(body)
	}
	return r.result()
}

// veriff reads what identifies an event from the named members. The session is the correlation ID. An event without one is known by its
// bytes.
func (r *reading) veriff(o object, session, code, at string, says ...string) {
	sent := ""
	if at != "" {
		r.OccurredAt, sent = r.time(o, at), r.optional(o, at)
	}
	meaning := make([]string, 0, len(says))
	for _, name := range says {
		meaning = append(meaning, canonicalHash(o[name]))
	}
	r.CorrelationID = r.optional(o, session)
	r.ExternalID = derivedID(append([]string{r.CorrelationID, r.optional(o, "attemptId"), r.optional(o, code), sent}, meaning...)...)
}
