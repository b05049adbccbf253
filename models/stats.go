package models

import (
	"context"
	"errors"
	"sync"
	"time"

	"gorm.io/gorm"
)

// Stats counts what is in the database.
type Stats struct {
	Events    map[EventStatus]int64 `json:"events"`
	Customers map[Status]int64      `json:"customers"`
	// OldestWaiting is when the event was received that waits longest to be processed; zero when none waits.
	OldestWaiting Time    `json:"-"`
	Drift         []Drift `json:"drift"`
}

// Stats counts events and customers by their status.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	db := s.read.WithContext(ctx)
	st := Stats{Events: zeros(EventStatuses), Customers: zeros(Statuses)}
	err := errors.Join(
		s.countEvents(db, st.Events),
		countCustomers(db, st.Customers),
		db.Raw("SELECT COALESCE(MIN(received_at), 0) FROM events WHERE status IN ('received', 'queued')").Scan(&st.OldestWaiting).Error,
		db.Order("last_at DESC").Limit(100).Find(&st.Drift).Error,
	)
	return st, wrap("count rows", err)
}

const (
	// settling is how many of the newest events are counted each time: the rows below them are all there.
	settling = 10_000
	// maxRecent is when the events above the settled ones have become too many to count each time.
	maxRecent = 10 * settling
	// recount is how often all are counted, in case somebody deletes old rows.
	recount = 10 * time.Minute
)

// settled is how many events there are up to some ID. To count a million rows takes a tenth of a second, each time.
type settled struct {
	mu     sync.Mutex
	upTo   int64
	events int64
	at     time.Time
}

// countEvents counts by status. Nearly all events are processed: they are those that are nothing else.
func (s *Store) countEvents(db *gorm.DB, counts map[EventStatus]int64) error {
	s.settled.mu.Lock()
	defer s.settled.mu.Unlock()
	if time.Since(s.settled.at) > recount {
		if err := s.settled.count(db); err != nil {
			return err
		}
	}
	var n struct{ Recent, Received, Queued, Failed, Quarantined int64 }
	if err := db.Raw(`SELECT (SELECT COUNT(*) FROM events WHERE id > ?) AS recent,
		(SELECT COUNT(*) FROM events WHERE status IN ('received', 'queued') AND status = 'received') AS received,
		(SELECT COUNT(*) FROM events WHERE status IN ('received', 'queued') AND status = 'queued') AS queued,
		(SELECT COUNT(*) FROM events WHERE status IN ('failed', 'quarantined') AND status = 'failed') AS failed,
		(SELECT COUNT(*) FROM events WHERE status IN ('failed', 'quarantined') AND status = 'quarantined') AS quarantined`, s.settled.upTo).Scan(&n).Error; err != nil {
		return err
	}
	if n.Recent > maxRecent {
		s.settled.at = time.Time{}
	}
	counts[Received], counts[Queued], counts[Failed], counts[Quarantined] = n.Received, n.Queued, n.Failed, n.Quarantined
	counts[Processed] = s.settled.events + n.Recent - n.Received - n.Queued - n.Failed - n.Quarantined
	return nil
}

func (c *settled) count(db *gorm.DB) error {
	var n struct{ Newest, Total, Recent int64 }
	if err := db.Raw(`SELECT (SELECT COALESCE(MAX(id), 0) FROM events) AS newest, (SELECT COUNT(*) FROM events) AS total,
		(SELECT COUNT(*) FROM events WHERE id > (SELECT COALESCE(MAX(id), 0) FROM events) - ?) AS recent`, settling).Scan(&n).Error; err != nil {
		return err
	}
	c.upTo, c.events, c.at = n.Newest-settling, n.Total-n.Recent, time.Now()
	return nil
}

func countCustomers(db *gorm.DB, counts map[Status]int64) error {
	var rows []struct {
		Status Status
		N      int64
	}
	if err := db.Raw("SELECT status, COUNT(*) AS n FROM customers GROUP BY status").Scan(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		counts[r.Status] = r.N
	}
	return nil
}

func zeros[K comparable](keys []K) map[K]int64 {
	counts := map[K]int64{}
	for _, k := range keys {
		counts[k] = 0
	}
	return counts
}

// LastEvent returns when the newest event of a provider came; zero if none has.
func (s *Store) LastEvent(ctx context.Context, provider string) (at Time, err error) {
	err = s.read.WithContext(ctx).Raw("SELECT received_at FROM events WHERE provider = ? ORDER BY id DESC LIMIT 1", provider).Scan(&at).Error
	return at, wrap("get last event of "+provider, err)
}
