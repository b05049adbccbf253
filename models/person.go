package models

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
)

// Which events are about a person. Erase and Export use the same answer.

const (
	// searchStep is how many events one statement of a search reads.
	searchStep = 2000
	// idsAtOnce is how many IDs one statement gets: SQLite binds at most 32,766 values.
	idsAtOnce = 500
)

// eventRef names a row of events.
type eventRef struct {
	ID          int64
	Key         []byte
	ExternalID  string
	Type        string
	Quarantined bool
}

func rowIDs(refs []eventRef) (ids []int64) {
	for _, ref := range refs {
		ids = append(ids, ref.ID)
	}
	return ids
}

// mentioning searches for the events whose body names the person or one of their cases, and that no record links to a person or a case:
// those that are pending, failed, quarantined or ignored, come from a sandbox, or are about a company. It reads all such bodies of the
// provider.
func (s *Store) mentioning(ctx context.Context, c Customer) (found []eventRef, err error) {
	var ids []string
	var first, last int64
	db := s.read.WithContext(ctx)
	if err := db.Model(&Case{}).Where("customer_id = ?", c.ID).Pluck("case_id", &ids).Error; err != nil {
		return nil, wrap("list the person's cases", err)
	}
	if err := db.Raw("SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), 0) FROM events").Row().Scan(&first, &last); err != nil {
		return nil, wrap("search events", err)
	}
	ids = append(ids, c.SubjectID)
	for ; first <= last; first += searchStep {
		some, err := s.mentionedIn(db, c.Provider, first, ids)
		if err != nil {
			return nil, wrap("search events", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

// mentionedIn searches searchStep events from an ID on. It holds one body at a time. A body that cannot be decrypted is an error, since it
// may be about the person.
func (s *Store) mentionedIn(db *gorm.DB, provider string, first int64, ids []string) (found []eventRef, err error) {
	rows, err := db.Model(&Event{}).Select("id", "key", "external_id", "type", "quarantined", "body", "body_key", "sha256").
		Where("id >= ? AND id < ? AND provider = ?", first, first+searchStep, provider).
		Where("(quarantined OR (SELECT COALESCE(r.customer_id, r.case_id) FROM processed_events r WHERE " + itsRecord + ") IS NULL)").Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has the error
	for rows.Next() {
		var e Event
		if err := rows.Scan(&e.ID, &e.Key, &e.ExternalID, &e.Type, &e.Quarantined, &e.Body, &e.BodyKey, &e.SHA256); err != nil {
			return nil, err
		}
		if s.open(&e); e.BodyProblem != "" {
			return nil, fmt.Errorf("event %d: %w", e.ID, e.BodyProblem)
		}
		if mentions(e.Body, ids) {
			found = append(found, eventRef{e.ID, e.Key, e.ExternalID, e.Type, e.Quarantined})
		}
	}
	return found, rows.Err()
}

// mentions reports whether a body has one of the IDs as a text, or as a number in a member whose name ends with "id". In a body that is not
// JSON it looks for the ID in quotes.
func mentions(body []byte, ids []string) bool {
	maybe := bytes.ContainsRune(body, '\\') // an escape may be a part of an ID
	for _, id := range ids {
		if bytes.Contains(body, []byte(`"`+id+`"`)) {
			return true
		}
		maybe = maybe || bytes.Contains(body, []byte(id))
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return maybe && d.Decode(&v) == nil && hasID(v, "", ids)
}

func hasID(v any, member string, ids []string) bool {
	switch v := v.(type) {
	case string:
		return slices.Contains(ids, v)
	case json.Number:
		return strings.HasSuffix(strings.ToLower(member), "id") && slices.Contains(ids, v.String())
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return hasID(element, member, ids) })
	case map[string]any:
		for name, value := range v {
			if hasID(value, name, ids) {
				return true
			}
		}
	}
	return false
}

// eventsOf lists the events that are about the person or their cases, sorted by key: those that a record links, those that were found, and
// quarantined ones with the ID of one of these.
func eventsOf(db *gorm.DB, c Customer, cases []int64, found []eventRef) ([]eventRef, error) {
	var external []string
	err := db.Raw("SELECT external_id FROM processed_events WHERE customer_id = ? UNION SELECT external_id FROM processed_events WHERE case_id IN ?",
		c.ID, append(cases, 0)).Scan(&external).Error
	if err != nil {
		return nil, err
	}
	byID := map[int64]eventRef{}
	for _, ref := range found {
		byID[ref.ID] = ref
		if !ref.Quarantined {
			external = append(external, ref.ExternalID)
		}
	}
	for some := range slices.Chunk(external, idsAtOnce) {
		var keys [][]byte
		for _, id := range some {
			keys = append(keys, eventKey(&Event{Provider: c.Provider, ExternalID: id}))
		}
		const columns = "SELECT id, key, external_id, type, quarantined FROM events WHERE "
		var refs []eventRef
		err := db.Raw(columns+"key IN ? UNION ALL "+columns+"quarantined AND provider = ? AND external_id IN ?", keys, c.Provider, some).Scan(&refs).Error
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			byID[ref.ID] = ref
		}
	}
	refs := make([]eventRef, 0, len(byID))
	for _, ref := range byID {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b eventRef) int { return bytes.Compare(a.Key, b.Key) })
	return refs, nil
}
