package jobs

import "example.com/identity-webhooks/models"

// caseUpdated records that a case was assigned, moved on, escalated or resolved. Such an event may name only the case. It reaches the
// person through the case's link to them, which may arrive later. A resolved case no longer keeps the person in review; only its action on
// the person remains, if it has one.
func caseUpdated(p Person, c models.CaseFacts) models.Facts {
	f := p.facts()
	f.Case = &c
	return f
}
