package models

import "encoding/json"

// Customer is one person at one provider. The whole row follows from the facts: nothing sets a status directly.
type Customer struct {
	ID              int64     `json:"id"`
	Provider        string    `json:"provider"`
	SubjectID       string    `json:"subject_id"`  // the provider's own ID of the person
	ExternalID      string    `json:"external_id"` // our user's ID, where the provider sends it; joins records of several providers
	TenantID        string    `json:"tenant_id"`
	FirstName       string    `json:"first_name"`
	LastName        string    `json:"last_name"`
	Email           string    `json:"email"`
	Status          Status    `json:"status"`
	StatusReason    string    `json:"status_reason"`
	StatusAt        Time      `json:"status_at"`
	DecidedBy       Authority `json:"decided_by"`
	RiskLevel       string    `json:"risk_level"`
	RiskScore       *int      `json:"risk_score"`
	Flags           Strings   `json:"flags" gorm:"serializer:json"`
	ScreeningStatus string    `json:"screening_status"`
	AMLHold         bool      `json:"aml_hold" gorm:"column:aml_hold"`
	Sandbox         bool      `json:"sandbox"`  // a sandbox event changed the record
	HasCases        bool      `json:"-"`        // a case is, or was, linked to the person
	Events          int       `json:"-"`        // processed events that named this person
	Revision        int       `json:"revision"` // the same plus the events of the person's cases
	CreatedAt       Time      `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt       Time      `json:"updated_at" gorm:"autoUpdateTime:false"`
	Sequence        *int64    `json:"-"` // its place in the list of changes, see changes.go; nil after a change
}

// Case is something that the provider's reviewers look into. CustomerID is nil until an event links the case to a person.
type Case struct {
	ID              int64  `json:"id"`
	Provider        string `json:"provider"`
	CaseID          string `json:"case_id"`
	CustomerID      *int64 `json:"customer_id"`
	SubjectID       string `json:"subject_id"` // the person; empty until one is linked
	CompanyID       string `json:"company_id"` // for a case about a company
	Type            string `json:"type"`
	Priority        string `json:"priority"`
	Reason          string `json:"reason"`
	OpenedAt        Time   `json:"opened_at"`
	Assignee        string `json:"assignee"`
	AssignedAt      Time   `json:"assigned_at"`
	Status          string `json:"status"` // the provider's word
	StatusAt        Time   `json:"status_at"`
	EscalatedTo     string `json:"escalated_to"`
	Escalation      string `json:"escalation"` // why
	EscalatedAt     Time   `json:"escalated_at"`
	Resolution      string `json:"resolution"`
	ApplicantAction Status `json:"applicant_action"` // see CaseResolution
	Resolver        string `json:"resolver"`
	ResolvedAt      Time   `json:"resolved_at"`
	ResolvedBy      string `json:"-"` // external ID of the event that resolved it
	Events          int    `json:"-"` // processed events that named the case and no person
	CreatedAt       Time   `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt       Time   `json:"updated_at" gorm:"autoUpdateTime:false"`
}

// Company is a business under verification.
type Company struct {
	ID                 int64             `json:"id"`
	Provider           string            `json:"provider"`
	CompanyID          string            `json:"company_id"`
	LegalName          string            `json:"legal_name"`
	RegistrationNumber string            `json:"registration_number"`
	Country            string            `json:"country"`
	RegisteredAt       Time              `json:"registered_at"`
	Status             Status            `json:"status"`
	RegistryMatch      bool              `json:"registry_match"`
	OwnerCount         int               `json:"owner_count"`
	OwnersVerified     int               `json:"owners_verified"`
	VerifiedAt         Time              `json:"verified_at"`
	Owners             []BeneficialOwner `json:"owners" gorm:"-"`
	CreatedAt          Time              `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt          Time              `json:"updated_at" gorm:"autoUpdateTime:false"`
}

// Strings is a list kept as a JSON array in a text column.
type Strings []string

// MarshalJSON writes an array, never null.
func (s Strings) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]string(s))
}
