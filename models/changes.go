package models

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// The list of changes, for those who poll. An event that changes a customer takes away the customer's place in the list. The next call that
// reads the list gives new places, after all others. So a place is only given to what is committed, whatever the order of the commits, and a
// customer who changes at that moment gets a place in a later call.

// placesAtOnce is how many customers one call gives a place at most: on SQLite, deliveries have to wait for it.
const placesAtOnce = 1000

// ChangedCustomers lists the customers that changed after the one with that Sequence, in order, each in its newest state. 0 is the
// beginning. Sequence is set in each of them.
func (s *Store) ChangedCustomers(ctx context.Context, after int64, limit int) (changed []Customer, err error) {
	if err := s.transact(ctx, func(tx *gorm.DB) error { return givePlaces(tx, after) }); err != nil {
		return nil, wrap("number changed customers", err)
	}
	err = s.read.WithContext(ctx).Where("sequence > ?", after).Order("sequence").Limit(limit).Find(&changed).Error
	return changed, wrap("list changed customers", err)
}

// givePlaces gives a place to customers without one. A customer that a worker has locked is left for a later call.
//
// The update of the counter holds its lock until the commit: two calls give their places one after the other. All places are above after,
// which is above the counter if the database was restored from a backup.
func givePlaces(tx *gorm.DB, after int64) error {
	waiting := tx.Model(&Customer{}).Where("sequence IS NULL").Order("id").Limit(placesAtOnce)
	if tx.Name() == "postgres" {
		waiting = waiting.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"})
	}
	var ids []int64
	if err := waiting.Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
		return err
	}
	var last int64
	if err := tx.Raw("UPDATE installation SET last_sequence = (CASE WHEN last_sequence < @after THEN @after ELSE last_sequence END) + @n RETURNING last_sequence",
		map[string]any{"after": after, "n": len(ids)}).Scan(&last).Error; err != nil {
		return err
	}
	// gorm has no UPDATE … FROM.
	return tx.Exec(`UPDATE customers SET sequence = placed.n FROM (
			SELECT id, ? + row_number() OVER (ORDER BY updated_at, id) AS n FROM customers WHERE id IN ?
		) AS placed WHERE customers.id = placed.id`, last-int64(len(ids)), ids).Error
}
