package models

// Company is a business under verification. Its registration and its verification each keep their newest version; the people
// behind it may be known before it.
type Company struct {
	ID                 int64             `json:"id"`
	Provider           string            `json:"provider"`
	CompanyID          string            `json:"company_id"`
	LegalName          string            `json:"legal_name"`
	RegistrationNumber string            `json:"registration_number"`
	Country            string            `json:"country"`
	RegisteredAt       Time              `json:"registered_at"`
	RegisteredBy       string            `json:"-"` // external ID of the event that said so
	Status             Status            `json:"status"`
	RegistryMatch      bool              `json:"registry_match"`
	OwnerCount         int               `json:"owner_count"`
	OwnersVerified     int               `json:"owners_verified"`
	VerifiedAt         Time              `json:"verified_at"`
	VerifiedBy         string            `json:"-"`
	Owners             []BeneficialOwner `json:"owners" gorm:"-"`
	CreatedAt          Time              `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt          Time              `json:"updated_at" gorm:"autoUpdateTime:false"`
}

// BeneficialOwner is a person who owns a part of a company.
type BeneficialOwner struct {
	Company    int64   `json:"-"` // Company.ID
	OwnerID    string  `json:"owner_id"`
	Name       string  `json:"name"`
	Percentage float64 `json:"percentage"` // of ownership, 0 to 100
	Status     string  `json:"status"`     // the provider's word
	At         Time    `json:"at"`
	ExternalID string  `json:"external_id"`
}

func (o BeneficialOwner) key() factKey { return factKey{o.Company, o.OwnerID, ""} }

func (c *Company) identity() identity { return identity{c.Provider, c.CompanyID} }

// CompanyChange is what an event says about a company.
type CompanyChange struct {
	CompanyID  string
	Registered *Registration
	Verified   *CompanyVerification
	Owner      *BeneficialOwner
}

// Registration is what a register says about a company.
type Registration struct{ LegalName, RegistrationNumber, Country string }

// CompanyVerification is the result of a company's verification.
type CompanyVerification struct {
	Status                     Status // Verified, FailedAuto or InReview
	RegistryMatch              bool
	OwnerCount, OwnersVerified int
}

// merge takes each part of n that is newer than c's, and reports whether there was one.
func (c *Company) merge(n CompanyChange, at Time, by string) bool {
	changed := false
	if r := n.Registered; r != nil && said(at, by).newer(said(c.RegisteredAt, c.RegisteredBy)) {
		c.LegalName, c.RegistrationNumber, c.Country, c.RegisteredAt, c.RegisteredBy = r.LegalName, r.RegistrationNumber, r.Country, at, by
		changed = true
	}
	if v := n.Verified; v != nil && ranked(at, severity[v.Status], by).newer(ranked(c.VerifiedAt, severity[c.Status], c.VerifiedBy)) {
		c.Status, c.RegistryMatch, c.OwnerCount, c.OwnersVerified = v.Status, v.RegistryMatch, v.OwnerCount, v.OwnersVerified
		c.VerifiedAt, c.VerifiedBy = at, by
		changed = true
	}
	return changed
}
