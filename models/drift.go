package models

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Drift is a way in which the payloads of an event type differ from what this program knows of their form.
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

// AddDrift adds the counts to those that are stored.
func (s *Store) AddDrift(ctx context.Context, seen []Drift) error {
	err := s.transact(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "provider"}, {Name: "generation"}, {Name: "type"}, {Name: "what"}},
			DoUpdates: clause.Assignments(map[string]any{
				"count": gorm.Expr("drift.count + excluded.count"), "last_at": gorm.Expr("excluded.last_at"),
			}),
		}).Create(&seen).Error
	})
	if err != nil {
		return fmt.Errorf("add drift: %w", err)
	}
	return nil
}
