package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// searchWindow is how many customers one page of a search reads at most. Names have no index, because each event would
// have to update it.
const searchWindow = 250_000

// SearchCustomers finds customers by any ID: the provider's, our own, or that of the row, of a case or of an event. If no ID is equal to the
// text, it finds them by the beginning of a name or by a part of the e-mail address. It then reads only the newest searchWindow customers
// below p.Before. The filter applies as well.
func (s *Store) SearchCustomers(ctx context.Context, text string, f CustomerFilter, p Page) ([]Customer, error) {
	db := f.in(s.read.WithContext(ctx))
	if text = strings.TrimSpace(text); text != "" {
		ids, err := s.customersWithID(ctx, text)
		if err != nil {
			return nil, wrap("search customers", err)
		}
		if len(ids) > 0 {
			db = db.Where("id IN ?", ids)
		} else if db, err = s.named(ctx, db, text, p); err != nil {
			return nil, wrap("search customers", err)
		}
	}
	var customers []Customer
	err := p.of(db, "id").Find(&customers).Error
	return customers, wrap("search customers", err)
}

// customersWithID returns the row IDs of the customers that an ID belongs to.
func (s *Store) customersWithID(ctx context.Context, text string) (ids []int64, err error) {
	row, _ := strconv.ParseInt(text, 10, 64) // 0 if it is not a number: no row has that ID
	err = s.read.WithContext(ctx).Raw(`SELECT id FROM customers WHERE id = @row
		UNION SELECT id FROM customers WHERE subject_id = @text
		UNION SELECT id FROM customers WHERE external_id = @text AND external_id <> ''
		UNION SELECT customer_id FROM cases WHERE case_id = @text AND customer_id IS NOT NULL
		UNION SELECT customer_id FROM processed_events WHERE external_id = @text AND customer_id IS NOT NULL`,
		map[string]any{"row": row, "text": text}).Scan(&ids).Error
	return ids, err
}

// named selects the customers whose name begins with the text or whose e-mail address contains it.
func (s *Store) named(ctx context.Context, db *gorm.DB, text string, p Page) (*gorm.DB, error) {
	newest := p.Before
	if newest == 0 {
		if err := s.read.WithContext(ctx).Raw("SELECT COALESCE(MAX(id), 0) FROM customers").Scan(&newest).Error; err != nil {
			return nil, err
		}
	}
	like := " LIKE ? ESCAPE '!'" // which ignores the case of ASCII letters on SQLite
	if s.dialect == "postgres" {
		like = " ILIKE ? ESCAPE '!'"
	}
	pattern := strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
	matching := s.read.Where("email"+like, "%"+pattern).Or("first_name"+like, pattern).Or("last_name"+like, pattern)
	if strings.Contains(text, " ") {
		matching = matching.Or("first_name || ' ' || last_name"+like, pattern)
	}
	return db.Where("id > ?", newest-searchWindow).Where(matching), nil
}

// CustomersByID returns some customers by their IDs. An ID without a customer is left out.
func (s *Store) CustomersByID(ctx context.Context, ids []int64) (map[int64]Customer, error) {
	byID := map[int64]Customer{}
	var customers []Customer
	if len(ids) > 0 {
		if err := s.read.WithContext(ctx).Where("id IN ?", ids).Find(&customers).Error; err != nil {
			return nil, wrap("get customers", err)
		}
	}
	for _, c := range customers {
		byID[c.ID] = c
	}
	return byID, nil
}

// Bodies returns the bodies of some events by their IDs, except those of more than limit bytes and those that cannot be read.
func (s *Store) Bodies(ctx context.Context, ids []int64, limit int) (map[int64][]byte, error) {
	bodies := map[int64][]byte{}
	var events []Event
	if len(ids) > 0 {
		if err := s.read.WithContext(ctx).Select("id", "body", "body_key", "sha256").Where("id IN ? AND length(body) <= ?", ids, limit).Find(&events).Error; err != nil {
			return nil, wrap("get bodies", err)
		}
	}
	for _, e := range events {
		if s.open(&e); e.BodyError() == nil {
			bodies[e.ID] = e.Body
		}
	}
	return bodies, nil
}

// ChangesBy returns how an event changed the status or the hold of customers: one Change for each customer. It reads them from the follow-ups
// of the event, and is empty if there are none, or if they were removed.
func (s *Store) ChangesBy(ctx context.Context, eventID int64) ([]Change, error) {
	var ups []FollowUp
	err := s.read.WithContext(ctx).Select("customer_id", "change").Where("event_id = ?", eventID).Order("id").Limit(100).Find(&ups).Error
	if err != nil {
		return nil, wrap("get changes", err)
	}
	var changes []Change
	seen := map[int64]bool{}
	for _, up := range ups {
		if seen[up.CustomerID] {
			continue
		}
		seen[up.CustomerID] = true
		var c Change
		if err := json.Unmarshal(up.Change, &c); err != nil {
			return nil, fmt.Errorf("decode change: %w", err)
		}
		if c.After.ID == 0 { // see Expiry
			continue
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// Neighbours returns the IDs of the events of a customer and of the customer's cases that were received before and after an event; 0 if
// there is none.
func (s *Store) Neighbours(ctx context.Context, customerID, eventID int64) (previous, next int64, err error) {
	nearest := func(extreme, comparison string) (id int64, err error) {
		part := "SELECT " + extreme + "(event_id) AS id FROM processed_events WHERE event_id " + comparison + " @event AND "
		err = s.read.WithContext(ctx).Raw("SELECT COALESCE("+extreme+"(id), 0) FROM ("+part+"customer_id = @customer UNION ALL "+
			part+"case_id IN (SELECT id FROM cases WHERE customer_id = @customer)) AS nearest",
			map[string]any{"customer": customerID, "event": eventID}).Scan(&id).Error
		return id, wrap("get neighbours", err)
	}
	previous, err1 := nearest("MAX", "<")
	next, err2 := nearest("MIN", ">")
	return previous, next, errors.Join(err1, err2)
}

// Case returns the case with this ID at a provider, or ErrNotFound.
func (s *Store) Case(ctx context.Context, provider, caseID string) (k Case, err error) {
	err = s.read.WithContext(ctx).Where("provider = ? AND case_id = ?", provider, caseID).Take(&k).Error
	return k, wrap("get case", err)
}

// firstSince returns the ID of the first event that was received at a time or later. It needs no index on the time, because IDs
// are in the order of receipt. The result may be off by a fraction of a second, since transactions may overtake each other.
func (s *Store) firstSince(ctx context.Context, t Time) (int64, error) {
	return s.firstAt(ctx, "events", "received_at", t)
}

// firstAt does the same for any table whose rows are inserted in the order of the times in a column.
func (s *Store) firstAt(ctx context.Context, table, column string, t Time) (int64, error) {
	var low, high int64
	row := s.read.WithContext(ctx).Raw(fmt.Sprintf("SELECT COALESCE((SELECT MIN(id) FROM %[1]s), 1), COALESCE((SELECT MAX(id) FROM %[1]s), 0) + 1", table)).Row()
	if err := row.Scan(&low, &high); err != nil {
		return 0, err
	}
	for low < high { // the first event at or after t lies in [low, high]
		middle := low + (high-low)/2
		var first struct {
			ID int64
			At Time
		}
		err := s.read.WithContext(ctx).Table(table).Select("id, "+column+" AS at").Where("id >= ?", middle).Order("id").Take(&first).Error
		if err != nil {
			return 0, err
		}
		if first.At.Before(t.Time) {
			low = first.ID + 1
		} else {
			high = middle
		}
	}
	return low, nil
}
