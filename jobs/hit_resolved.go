package jobs

import "example.com/identity-webhooks/models"

// hitResolved records how a reviewer resolved a hit. A false positive lifts the hold if nothing else causes it; any other resolution leaves
// the hold.
func hitResolved(p Person, r models.Resolution) models.Facts {
	f := p.facts()
	f.Resolutions = []models.Resolution{r}
	return f
}
