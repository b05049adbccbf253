package diagnosis

import (
	"crypto"
	"fmt"
	"slices"

	"example.com/identity-webhooks/handlers"
)

// signatureFaults says what is wrong with the signature and the timestamp of a scheme, and whether the MAC is explained.
func (c Case) signatureFaults(p handlers.Provider, s handlers.Scheme) (faults []fault, explained bool) {
	h := c.Delivery.Header
	value := h.Get(s.Signature)
	if value == "" {
		return c.noSignature(s)
	}
	m, faults := readMAC(s.Signature, value, s.Prefix)
	untimed, isUntimed := noTimestamp(s, h)
	if isUntimed {
		faults = append(faults, untimed)
	}
	if m.bytes != nil {
		var wrong []fault
		search := c.newSearch(s, m)
		wrong, explained = search.explain(m)
		if !explained && m.hash == crypto.SHA1 { // a longer MAC that is cut off may be as long as this
			m.hash, m.partial = crypto.SHA256, true
			i := slices.IndexFunc(faults, func(f fault) bool { return f.cause == OtherHash })
			if wrong, explained = search.explain(m); explained && i >= 0 {
				faults[i].cause, faults[i].explanation = cutOff.cause, s.Signature+" "+cutOff.text
			}
		}
		switch {
		case explained && len(wrong) == 0 && len(faults) > 0:
			faults[0].explanation += " Apart from that the signature is right."
		case explained:
			faults = append(faults, wrong...)
		case isUntimed && slices.Contains(s.Contents, handlers.FormTimestampBody): // without it nobody can tell
		default:
			faults = append(faults, c.unexplained(p, s))
		}
	}
	if late, isLate := staleTimestamp(s, h, c.Delivery.ReceivedAt); isLate {
		faults = append(faults, late)
	}
	return faults, explained
}

// unexplained is the fault of a signature that nothing explains.
func (c Case) unexplained(p handlers.Provider, s handlers.Scheme) fault {
	if f, found := c.secondSignature(p, s); found {
		return f
	}
	switch {
	case c.Missing > 0:
		return fault{BodyCutShort, fmt.Sprintf("The body is cut short: Content-Length promises %d bytes more.", c.Missing),
			"Capture the delivery again, whole."}
	case len(c.Delivery.Body) == 0:
		return fault{BodyEmpty, "The body is empty, and the signature fits another.",
			"Give the body that came: something may have read it to its end before."}
	}
	return undecided()
}

// secondSignature looks for another header of the provider that is right.
func (c Case) secondSignature(p handlers.Provider, first handlers.Scheme) (f fault, found bool) {
	for _, s := range p.Schemes() {
		value := c.Delivery.Header.Get(s.Signature)
		if s.Signature == first.Signature || value == "" {
			continue
		}
		m, faults := readMAC(s.Signature, value, s.Prefix)
		if m.bytes == nil || len(faults) > 0 {
			continue
		}
		s.Contents, s.Timestamp = []string{handlers.FormBody, handlers.FormTimestampBody}, first.Timestamp
		if wrong, found := c.newSearch(s, m).explain(m); found && len(wrong) == 0 {
			return fault{OtherHeader, fmt.Sprintf("%s is wrong, though %s is right.", first.Signature, s.Signature),
				fmt.Sprintf("Ask the provider which secret %s is made with: that header is the one that counts.", first.Signature)}, true
		}
	}
	return f, false
}
