package models

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Stats counts what is in the database.
type Stats struct {
	Events    map[EventStatus]int64    `json:"events"`
	Customers map[Status]int64         `json:"customers"`
	FollowUps map[FollowUpStatus]int64 `json:"follow_ups"`
	// OldestWaiting is when the oldest event that waits to be processed was received; zero if none waits.
	OldestWaiting Time    `json:"-"`
	Drift         []Drift `json:"drift"`
}

// Stats counts events, customers and follow-ups by their status.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	db := s.read.WithContext(ctx)
	st := Stats{Events: zeros(EventStatuses), Customers: zeros(Statuses), FollowUps: zeros(FollowUpStatuses)}
	for _, err := range []error{
		countBy(db.Raw("SELECT "+pendingStatus+" AS name, COUNT(*) AS n FROM pending_events p GROUP BY 1", At(time.Now())), st.Events),
		countBy(db.Raw("SELECT 'quarantined' AS name, COUNT(*) AS n FROM events WHERE quarantined"), st.Events),
		countBy(db.Raw("SELECT 'processed' AS name, COUNT(*) AS n FROM processed_events"), st.Events),
		countBy(db.Raw("SELECT status AS name, COUNT(*) AS n FROM customers GROUP BY status"), st.Customers),
		countBy(db.Raw("SELECT "+followUpStatus+" AS name, COUNT(*) AS n FROM follow_ups GROUP BY 1"), st.FollowUps),
		db.Raw(`SELECT COALESCE(MIN(received_at), 0) FROM events
			WHERE id = (SELECT MIN(id) FROM pending_events WHERE NOT failed)`).Scan(&st.OldestWaiting).Error,
		db.Order("last_at DESC").Limit(100).Find(&st.Drift).Error,
	} {
		if err != nil {
			return st, wrap("count rows", err)
		}
	}
	return st, nil
}

// countBy adds the counts of a query for the columns name and n.
func countBy[K ~string](query *gorm.DB, counts map[K]int64) error {
	var rows []struct {
		Name K
		N    int64
	}
	err := query.Scan(&rows).Error
	for _, r := range rows {
		counts[r.Name] += r.N
	}
	return err
}

func zeros[K comparable](keys []K) map[K]int64 {
	counts := map[K]int64{}
	for _, k := range keys {
		counts[k] = 0
	}
	return counts
}

// LastEvent returns when the newest processed event of a provider was received; zero if there is none.
func (s *Store) LastEvent(ctx context.Context, provider string) (at Time, err error) {
	err = s.read.WithContext(ctx).Raw(`SELECT received_at FROM events
		WHERE id = (SELECT MAX(event_id) FROM processed_events WHERE provider = ?)`, provider).Scan(&at).Error
	return at, wrap("get last event of "+provider, err)
}

// Drift is one way in which the payloads of an event type differ from what this program knows.
type Drift struct {
	Provider   string `json:"provider"`
	Generation string `json:"generation"`
	Type       string `json:"type"`
	What       string `json:"what"`
	Count      int64  `json:"count"`
	FirstAt    Time   `json:"first_at"`
	LastAt     Time   `json:"last_at"`
}

// TableName implements gorm's Tabler: the word has no plural.
func (Drift) TableName() string { return "drift" }

// CountDrift returns how many differences are stored.
func (s *Store) CountDrift(ctx context.Context) (n int64, err error) {
	err = s.read.WithContext(ctx).Model(&Drift{}).Count(&n).Error
	return n, wrap("count drift", err)
}

// AddDrift adds the counts to the stored ones.
func (s *Store) AddDrift(ctx context.Context, seen []Drift) error {
	err := s.transact(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "provider"}, {Name: "generation"}, {Name: "type"}, {Name: "what"}},
			DoUpdates: clause.Assignments(map[string]any{
				"count": gorm.Expr("drift.count + excluded.count"), "last_at": gorm.Expr("excluded.last_at"),
			}),
		}).Create(&seen).Error
	})
	return wrap("add drift", err)
}
