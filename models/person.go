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

const (
	// searchStep is how many events one statement of a search reads.
	searchStep = 2000
	// idsAtOnce is how many IDs one statement gets: SQLite binds at most 32,766 values.
	idsAtOnce = 500
)

// person is a customer with what leads to their events. Erase and Export use the same answer.
type person struct {
	customer Customer
	cases    []int64 // their row IDs, in order
	found    []Event // without bodies: those that mention the person, and that no record links to a person or a case
}

// person returns a customer with their cases, and searches for the events that mention them or one of their cases. These are pending,
// failed, quarantined or ignored, come from a sandbox, or are about a company. The search reads all such bodies of the provider, one at a
// time. A body that cannot be decrypted is an error, since it may be about the person.
func (s *Store) person(ctx context.Context, id int64) (p person, err error) {
	db := s.read.WithContext(ctx)
	if err := db.Take(&p.customer, id).Error; err != nil {
		return p, err
	}
	var cases []Case
	if err := db.Where("customer_id = ?", id).Order("id").Find(&cases).Error; err != nil {
		return p, err
	}
	ids := []string{p.customer.SubjectID}
	for _, k := range cases {
		p.cases, ids = append(p.cases, k.ID), append(ids, k.CaseID)
	}
	var first, last int64
	if err := db.Raw("SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), 0) FROM events").Row().Scan(&first, &last); err != nil {
		return p, fmt.Errorf("search events: %w", err)
	}
	for ; first <= last; first += searchStep {
		if err := p.search(s, db.Where("id >= ? AND id < ?", first, first+searchStep), ids); err != nil {
			return p, fmt.Errorf("search events: %w", err)
		}
	}
	return p, nil
}

// search adds the events with one of the IDs to p.found.
func (p *person) search(s *Store, some *gorm.DB, ids []string) error {
	rows, err := some.Model(&Event{}).Select(eventRef+", body, body_key, sha256").Where("provider = ?", p.customer.Provider).
		Where("(quarantined OR (SELECT COALESCE(r.customer_id, r.case_id) FROM processed_events r WHERE " + itsRecord + ") IS NULL)").Rows()
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has the error
	for rows.Next() {
		var e Event
		if err := rows.Scan(&e.ID, &e.Key, &e.ExternalID, &e.Type, &e.Quarantined, &e.Body, &e.BodyKey, &e.SHA256); err != nil {
			return err
		}
		if s.open(&e); e.BodyProblem != "" {
			return BodyProblem(fmt.Sprintf("event %d may be about the person, but %s", e.ID, e.BodyProblem))
		}
		if mentions(e.Body, ids) {
			e.Body = nil
			p.found = append(p.found, e)
		}
	}
	return rows.Err()
}

// eventRef are the columns that name a row of events.
const eventRef = "id, key, external_id, type, quarantined"

func rowIDs(events []Event) (ids []int64) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
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

// events lists the events that are about the person or their cases, sorted by key: those that a record links, those that were found, and
// quarantined ones with the ID of one of these.
func (p *person) events(db *gorm.DB) ([]Event, error) {
	var external []string
	err := db.Raw("SELECT external_id FROM processed_events WHERE customer_id = ? UNION SELECT external_id FROM processed_events WHERE case_id IN ?",
		p.customer.ID, p.cases).Scan(&external).Error
	if err != nil {
		return nil, err
	}
	for _, e := range p.found {
		if !e.Quarantined {
			external = append(external, e.ExternalID)
		}
	}
	all := slices.Clone(p.found)
	for some := range slices.Chunk(external, idsAtOnce) {
		var keys [][]byte
		for _, id := range some {
			keys = append(keys, eventKey(&Event{Provider: p.customer.Provider, ExternalID: id}))
		}
		const columns = "SELECT " + eventRef + " FROM events WHERE "
		var events []Event
		if err := db.Raw(columns+"key IN ? UNION ALL "+columns+"quarantined AND provider = ? AND external_id IN ?",
			keys, p.customer.Provider, some).Scan(&events).Error; err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b Event) int { return bytes.Compare(a.Key, b.Key) })
	return slices.CompactFunc(all, func(a, b Event) bool { return a.ID == b.ID }), nil
}
