package models

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
)

// Customer is what is known of one person at one provider. All of it follows from the facts: nothing sets a status directly.
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
	Flags           Strings   `json:"flags"`
	ScreeningStatus string    `json:"screening_status"`
	AMLHold         bool      `json:"aml_hold" gorm:"column:aml_hold"`
	Sandbox         bool      `json:"sandbox"`
	Profile         profile   `json:"-"`
	Events          int       `json:"-"`        // processed events that named this person
	Revision        int       `json:"revision"` // the same plus the events of the person's cases
	CreatedAt       Time      `json:"created_at" gorm:"autoCreateTime:false"`
	UpdatedAt       Time      `json:"updated_at" gorm:"autoUpdateTime:false"`
}

func (c *Customer) identity() identity { return identity{c.Provider, c.SubjectID} }

// Strings is a list kept as a JSON array in a text column.
type Strings []string

// Value implements driver.Valuer.
func (s Strings) Value() (driver.Value, error) {
	if s == nil {
		return "[]", nil
	}
	return jsonText([]string(s))
}

// Scan implements sql.Scanner.
func (s *Strings) Scan(src any) error { return scanJSON(src, (*[]string)(s)) }

// MarshalJSON writes an array, never null.
func (s Strings) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]string(s))
}

// profile holds the newest version of each field that payloads carry, by name.
type profile map[string]field

// Value implements driver.Valuer.
func (p profile) Value() (driver.Value, error) {
	if p == nil {
		return "{}", nil
	}
	return jsonText(map[string]field(p))
}

// Scan implements sql.Scanner.
func (p *profile) Scan(src any) error { return scanJSON(src, (*map[string]field)(p)) }

func jsonText(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func scanJSON(src, into any) error {
	switch src := src.(type) {
	case string:
		return json.Unmarshal([]byte(src), into)
	case []byte:
		return json.Unmarshal(src, into)
	}
	return fmt.Errorf("scan JSON: got %T, want text", src)
}

// merge takes the fields of n that are newer than c's, and reports whether there was one.
func (c *Customer) merge(n Profile, at Time, by string) bool {
	if c.Profile == nil {
		c.Profile = profile{}
	}
	changed := false
	set := func(name string, carried bool, value any) {
		old, known := c.Profile[name]
		if !carried || known && !said(at, by).newer(said(old.At, old.By)) {
			return
		}
		raw, err := json.Marshal(value)
		if err != nil {
			panic(err) // strings and integers always marshal
		}
		c.Profile[name] = field{raw, at, by}
		changed = changed || !bytes.Equal(raw, old.Value)
	}
	set("external_id", n.ExternalID != "", n.ExternalID)
	set("tenant_id", n.TenantID != "", n.TenantID)
	set("first_name", n.FirstName != "", n.FirstName)
	set("last_name", n.LastName != "", n.LastName)
	set("email", n.Email != "", n.Email)
	set("risk_level", n.RiskLevel != "", n.RiskLevel)
	set("risk_score", n.RiskScore != nil, n.RiskScore)
	set("flags", n.Flags != nil, n.Flags)
	set("sandbox", n.Sandbox, n.Sandbox)
	return changed
}
