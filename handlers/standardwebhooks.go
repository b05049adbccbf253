package handlers

import "fmt"

// newStandardWebhooks verifies deliveries from any one sender that follows Standard Webhooks, such as all that use Svix: base64 HMAC-SHA256
// of "<id>.<timestamp>.<body>" in Webhook-Signature, a list of "v1,<mac>". Svix writes its own name in front of the headers' names. Other
// versions in the list are skipped: v1a, an ed25519 signature, is not supported. The key is the secret decoded from base64, without whsec_.
//
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func newStandardWebhooks(name string, s Settings) (Provider, error) {
	scheme := func(prefix string) Scheme {
		return Scheme{
			Header: prefix + "-Signature", Prefix: "v1,", List: true, Encoding: Base64, Messages: []string{"{id}.{timestamp}.{body}"},
			Timestamp: prefix + "-Timestamp", MaxAge: tolerance, MaxAhead: tolerance, ID: prefix + "-Id", Base64Key: true,
		}
	}
	p := newSigned(name, s, standardWebhooksEnvelope, scheme("Svix"), scheme("Webhook"))
	for i, secret := range s.Secrets {
		var err error
		if p.keys[i], err = p.schemes[0].Key(secret.Value); err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
	}
	return p, nil
}

// standardWebhooksTimes are the members that may have the event's time. The first one is recommended; the others are those of Self, whose
// types are the example in package jobs. Add your sender's.
var standardWebhooksTimes = []string{"timestamp", "verified_at", "committed_at", "failed_at"}

// standardWebhooksEnvelope reads a body, of which only the type is required. The ID is in a header, and the same in all retries; the one
// here is for bodies without headers. An event without a time gets the time of its receipt, so if two of them arrive out of order, the one
// that arrives last counts as the newer one.
func standardWebhooksEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	r.Derived, r.ExternalID = true, bodyID(body)
	r.Type = r.need(o, "type")
	r.OccurredAt = r.time(o, standardWebhooksTimes...)
	return r.result()
}
