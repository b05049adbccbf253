package models

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// ClaimEvent gives the event of an offer to the caller for ClaimTimeout, and counts the attempt. The event holds what an attempt
// needs: what it says and when, not where it stands. ErrNotFound says that the offer is out of date: the event is done, or
// offered anew.
func (s *Store) ClaimEvent(ctx context.Context, o Offer, now time.Time) (Event, error) {
	c := &claim{offer: o, until: At(now.Add(ClaimTimeout)), done: make(chan error, 1)}
	err := hand(ctx, s, s.claims, c, c.done)
	if err == nil && c.event == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Event{}, fmt.Errorf("claim event %d: %w", o.ID, err)
	}
	return *c.event, nil
}

// claim is an offer that a worker wants.
type claim struct {
	offer Offer
	until Time
	event *Event     // nil: the offer is out of date
	done  chan error // buffered: the writer never waits for the caller
}

// claims are those that share a commit.
type claims []*claim

func (cs claims) write(tx *gorm.DB) error {
	if len(cs) == 0 {
		return nil
	}
	wanted := map[Offer]*claim{}
	var args []any
	for _, c := range cs {
		c.event = nil
		wanted[c.offer] = c // of two for the same offer, one gets it
		args = append(args, c.offer.ID, c.offer.Offers, c.until.micro())
	}
	rows, err := collect(tx, (*Event).claimed, `WITH wanted (id, offers, until) AS (VALUES `+places(len(cs), bigint, bigint, bigint)+`)
		UPDATE events SET attempts = events.attempts + 1, unclaimed = 0, next_at = wanted.until
		FROM wanted WHERE events.id = wanted.id AND events.status = 'queued' AND events.offers = wanted.offers AND events.unclaimed > 0
		RETURNING events.id, events.offers, events.provider, events.generation, events.external_id, events.type, events.body,
			events.attempts, events.occurred_at`, args...)
	for i, e := range rows {
		wanted[Offer{e.ID, e.Offers}].event = &rows[i]
	}
	return err
}

// claimed is where the columns go that a claim returns.
func (e *Event) claimed() []any {
	return []any{&e.ID, &e.Offers, &e.Provider, &e.Generation, &e.ExternalID, &e.Type, &e.Body, &e.Attempts, &e.OccurredAt}
}

func (cs claims) parts() (parts []work) {
	for i := range cs {
		parts = append(parts, cs[i:i+1])
	}
	return parts
}

func (cs claims) finish(err error) {
	for _, c := range cs {
		c.done <- err
	}
}
