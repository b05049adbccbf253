package models

import (
	"strings"

	"gorm.io/gorm"
)

const columns = "provider, generation, external_id, derived, type, tenant_id, correlation_id, queue, body, sha256, " +
	"status, quarantined, last_error, deliveries, next_at, occurred_at, received_at"

// cells are how many columns there are.
var cells = strings.Count(columns, ",") + 1

// values are those of columns. They are of the kinds that drivers take as they are.
func (e *Event) values() []any {
	return []any{
		e.Provider, e.Generation, e.ExternalID, e.Derived, e.Type, e.TenantID, e.CorrelationID, e.Queue, e.Body, e.SHA256,
		string(e.Status), e.Status == Quarantined, e.LastError, e.Deliveries, e.NextAt.micro(), e.OccurredAt.micro(), e.ReceivedAt.micro(),
	}
}

// upsert inserts the rows that are new and counts deliveries on those that are not. It returns each row as it now stands: one
// whose body and deliveries are those just given is new.
func upsert(db *gorm.DB, rows []*Event) (map[identity]*Event, error) {
	stored := make(map[identity]*Event, len(rows))
	for _, group := range groups(db, rows) {
		args := make([]any, 0, cells*len(group))
		for _, e := range group {
			args = append(args, e.values()...)
		}
		now, err := collect(db, (*Event).standing, "INSERT INTO events ("+columns+") VALUES "+places(len(group), make([]string, cells)...)+`
			ON CONFLICT (provider, external_id) WHERE NOT quarantined DO UPDATE SET deliveries = events.deliveries +
				CASE WHEN events.derived OR events.sha256 = excluded.sha256 THEN excluded.deliveries ELSE 0 END
			RETURNING provider, external_id, derived, sha256, deliveries`, args...)
		if err != nil {
			return nil, err
		}
		for i, e := range now {
			stored[identity{e.Provider, e.ExternalID}] = &now[i]
		}
	}
	return stored, nil
}

// standing is where the columns go that upsert returns.
func (e *Event) standing() []any {
	return []any{&e.Provider, &e.ExternalID, &e.Derived, &e.SHA256, &e.Deliveries}
}

// quarantine keeps an event that must not be applied: each body once, with its deliveries counted.
func quarantine(db *gorm.DB, e Event) error {
	if e.Status != Quarantined {
		e.LastError = "the same external ID came before with another body"
	}
	e.Status, e.Deliveries = Quarantined, 1
	_, err := exec(db, "INSERT INTO events ("+columns+") VALUES "+places(1, make([]string, cells)...)+`
		ON CONFLICT (provider, external_id, sha256) WHERE quarantined
		DO UPDATE SET deliveries = events.deliveries + 1`, e.values()...)
	return err
}
