package models

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is an instant in UTC, stored as an integer of Unix microseconds so that every dialect orders it the same way. The zero Time means
// "not yet" or "unknown": 0 in the database, null in JSON.
type Time struct{ time.Time }

// At returns t in UTC, truncated to microseconds.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) { return t.micro(), nil }

// micro returns t as it is stored.
func (t Time) micro() int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan time: got %T, want an integer of microseconds", src)
	}
	*t = Time{}
	if us != 0 {
		t.Time = time.UnixMicro(us).UTC()
	}
	return nil
}

// MarshalJSON writes RFC 3339, or null for the zero Time. The UnmarshalJSON of time.Time reads both.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.Time.MarshalJSON()
}
