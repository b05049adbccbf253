package jobs

import (
	"slices"
	"strings"

	"example.com/identity-webhooks/models"
)

// Person is whom an event is about, with the profile that the event contains.
type Person struct {
	ID      string // the provider's
	Profile models.Profile
	Sandbox bool // the payload marks the event as a test
}

func (p Person) facts() models.Facts {
	return models.Facts{SubjectID: p.ID, Profile: p.Profile, Sandbox: p.Sandbox}
}

// profile returns a profile with the texts that are not empty. Fields that a profile lacks keep their value.
func profile(texts map[models.ProfileField]string) models.Profile {
	p := models.Profile{}
	for field, text := range texts {
		if text != "" {
			p[field] = text
		}
	}
	return p
}

// personRedacted erases the person's profile. Decisions, checks and hits stay.
func personRedacted(p Person) models.Facts {
	p.Profile = models.Profile{
		models.ExternalID: "", models.TenantID: "", models.FirstName: "", models.LastName: "", models.Email: "",
		models.RiskLevel: "", models.RiskScore: (*int)(nil), models.Flags: []string{},
	}
	return p.facts()
}

// joined joins the words that are not empty.
func joined(words ...string) string {
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
	return cutOff(strings.Join(kept, ", "), maxText)
}
