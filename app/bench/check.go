package bench

import (
	"context"
	"strings"

	"example.com/identity-webhooks/models"
)

// checker reads from the admin API what became of a run's events.
type checker struct {
	get       Get
	events    int64 // the newest event before the run, and the newest customer
	customers int64
}

// newChecker notes what is there before a run, so that its own rows need not be looked for among all.
func newChecker(ctx context.Context, get Get) (*checker, error) {
	c := &checker{get: get}
	var newest struct {
		Events    []struct{ ID int64 } `json:"events"`
		Customers []struct{ ID int64 } `json:"customers"`
	}
	for _, list := range []string{"events", "customers"} {
		if err := get(ctx, "/api/"+list+"?limit=1", &newest); err != nil {
			return nil, err
		}
	}
	if len(newest.Events) > 0 {
		c.events = newest.Events[0].ID
	}
	if len(newest.Customers) > 0 {
		c.customers = newest.Customers[0].ID
	}
	return c, nil
}

// check looks for each of the acknowledged events, by their numbers, and for the effect of each event on its customer: the
// customer's revision counts them. The progress is told how many events it has found.
func (c *checker) check(ctx context.Context, s *source, acknowledged []int64, progress func(found int)) (verdict, error) {
	numbers, err := s.numbers()
	if err != nil {
		return verdict{}, err
	}
	var v verdict
	var found []event
	applied := map[int64]int{}  // by the event's number
	waiting := map[int64]bool{} // likewise
	effects := map[int64]int{}  // by the customer's ID
	err = c.eventsSince(ctx, func(e event) {
		n, ours := numbers(e.ExternalID)
		if !ours {
			return
		}
		found = append(found, e)
		progress(len(found))
		switch {
		case e.Status == models.Received || e.Status == models.Queued:
			waiting[n] = true
		case e.Status == models.Processed && e.CustomerID != nil && (e.Outcome == models.Applied || e.Outcome == models.Stale):
			applied[n]++
			effects[*e.CustomerID]++
		}
	})
	if err != nil {
		return v, err
	}
	for _, n := range acknowledged {
		switch {
		case waiting[n]:
			v.Waiting++
		case applied[n] == 0:
			v.Lost++
		}
	}
	for _, times := range applied {
		v.Twice += times - 1
	}
	err = c.customersSince(ctx, func(customer models.Customer) {
		if !strings.HasPrefix(customer.SubjectID, subjectPrefix(s.run)) {
			return // of somebody else's events
		}
		v.Twice += max(0, customer.Revision-effects[customer.ID])
		v.Lost += max(0, effects[customer.ID]-customer.Revision)
		delete(effects, customer.ID)
	})
	for _, missing := range effects {
		v.Lost += missing
	}
	v.Known = len(found)
	v.time(found)
	return v, err
}
