package models

import (
	"math/bits"
	"strings"

	"gorm.io/gorm"
)

const columns = "provider, generation, external_id, derived, type, tenant_id, correlation_id, queue, body, sha256, " +
	"status, last_error, deliveries, next_at, occurred_at, received_at"

func (e *Event) values() []any {
	return []any{
		e.Provider, e.Generation, e.ExternalID, e.Derived, e.Type, e.TenantID, e.CorrelationID, e.Queue, e.Body, e.SHA256,
		e.Status, e.LastError, e.Deliveries, e.NextAt, e.OccurredAt, e.ReceivedAt,
	}
}

// upsert inserts the rows that are new and counts deliveries on those that are not. It returns each row as it now stands: one
// whose body and deliveries are those just given is new.
//
// On Postgres all rows go in one statement, since each is a round trip; SQLite gets as many rows at a time as a power of two,
// so that a few prepared statements serve batches of all sizes.
func upsert(db *gorm.DB, rows []*Event) (map[identity]*Event, error) {
	stored := make(map[identity]*Event, len(rows))
	for len(rows) > 0 {
		n := len(rows)
		if db.Name() == "sqlite" {
			n = 1 << (bits.Len(uint(n)) - 1)
		}
		args := make([]any, 0, 16*n)
		for _, e := range rows[:n] {
			args = append(args, e.values()...)
		}
		now, err := collect[Event](db, upsertStatement(n), args...)
		if err != nil {
			return nil, err
		}
		for i, e := range now {
			stored[identity{e.Provider, e.ExternalID}] = &now[i]
		}
		rows = rows[n:]
	}
	return stored, nil
}

func upsertStatement(rows int) string {
	place := "(" + strings.Repeat("?,", 15) + "?)"
	return "INSERT INTO events (" + columns + ") VALUES " + place + strings.Repeat(","+place, rows-1) + `
		ON CONFLICT (provider, external_id) WHERE status <> 'quarantined' DO UPDATE SET deliveries = events.deliveries +
			CASE WHEN events.derived OR events.sha256 = excluded.sha256 THEN excluded.deliveries ELSE 0 END
		RETURNING provider, external_id, derived, sha256, deliveries`
}

// quarantine keeps an event that must not be applied: each body once, with its deliveries counted.
func quarantine(db *gorm.DB, e Event) error {
	if e.Status != Quarantined {
		e.LastError = "the same external ID came before with another body"
	}
	e.Status, e.Deliveries = Quarantined, 1
	return db.Exec("INSERT INTO events ("+columns+") VALUES ("+strings.Repeat("?,", 15)+`?)
		ON CONFLICT (provider, external_id, sha256) WHERE status = 'quarantined'
		DO UPDATE SET deliveries = events.deliveries + 1`, e.values()...).Error
}
