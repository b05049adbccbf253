package handlers

// newStripe verifies deliveries from Stripe Identity: hex HMAC-SHA256 of "<t>.<body>" in Stripe-Signature, which is "t=…,v1=…". While a
// secret is being rotated, there are several v1. The secret is the key verbatim, including "whsec_".
//
// https://docs.stripe.com/webhooks/signature
func newStripe(name string, s Settings) (Provider, error) {
	return newSigned(name, s, stripeEnvelope, Scheme{
		Header: "Stripe-Signature", Pairs: true, Messages: []string{signsTimestampBody}, MaxAge: tolerance, MaxAhead: tolerance,
	}), nil
}

// stripeEnvelope reads an event. Events of the newer API (v2) may be sent to the same URL.
//
// https://docs.stripe.com/api/events/object
func stripeEnvelope(body []byte) (Envelope, error) {
	r, o := readBody(body, "v1")
	if object, _ := o.text("object"); object == "v2.core.event" {
		r.Generation = "v2"
	}
	r.ExternalID = r.need(o, "id")
	r.Type = r.need(o, "type")
	r.OccurredAt = r.time(o, "created")
	r.Sandbox = string(o["livemode"]) == "false"
	return r.result()
}
