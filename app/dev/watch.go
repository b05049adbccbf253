package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// entry is one delivery, as listen shows it.
type entry struct {
	Time       models.Time        `json:"time"`
	Kind       string             `json:"kind"` // event, repeat or rejection
	Provider   string             `json:"provider"`
	Type       string             `json:"type,omitempty"`
	EventID    int64              `json:"event_id,omitempty"`
	ExternalID string             `json:"external_id,omitempty"`
	Status     models.EventStatus `json:"status,omitempty"`
	Outcome    models.Outcome     `json:"outcome,omitempty"`
	Deliveries int                `json:"deliveries,omitempty"`
	Error      string             `json:"error,omitempty"`
	Reason     string             `json:"reason,omitempty"` // why it was rejected or ignored
	Remote     string             `json:"remote_address,omitempty"`
	CustomerID *int64             `json:"customer_id,omitempty"`
	Before     *state             `json:"customer_before,omitempty"` // absent if the customer was not seen before
	After      *state             `json:"customer_after,omitempty"`
}

// state is what listen shows of a customer.
type state struct {
	Status  models.Status `json:"status"`
	AMLHold bool          `json:"aml_hold"`
}

func eventEntry(e models.Event) entry {
	return entry{
		Time: e.ReceivedAt, Kind: "event", Provider: e.Provider, Type: e.Type, EventID: e.ID, ExternalID: e.ExternalID,
		Status: e.Status, Outcome: e.Outcome, Deliveries: e.Deliveries, Error: e.Error, Reason: e.Reason, CustomerID: e.CustomerID,
	}
}

func rejectionEntry(r handlers.Rejection) entry {
	return entry{Time: r.Time, Kind: "rejection", Provider: r.Provider, Reason: string(r.Reason), Remote: r.RemoteAddress}
}

// row is the entry as a line of a table, with the local time.
func (e entry) row() []string {
	id := ""
	if e.EventID > 0 {
		id = strconv.FormatInt(e.EventID, 10)
	}
	status, detail := e.detail()
	return []string{e.Time.Local().Format(time.TimeOnly), id, e.Provider, e.Type, status, detail}
}

func (e entry) detail() (status, detail string) {
	switch {
	case e.Kind == "rejection":
		return "rejected", fmt.Sprintf("%s (from %s)", e.Reason, e.Remote)
	case e.Kind == "repeat":
		return "duplicate", fmt.Sprintf("delivery %d", e.Deliveries)
	case e.Status != models.Processed:
		return string(e.Status), e.Error
	case e.After == nil:
		return string(e.Outcome), e.Reason
	}
	before, after := e.Before, *e.After
	if before == nil {
		before = &state{}
	}
	detail = fmt.Sprintf("customer %d: ", *e.CustomerID)
	switch {
	case *before == after:
		return string(e.Outcome), detail + "still " + string(after.Status)
	case before.Status != "" && before.Status != after.Status:
		detail += string(before.Status) + " → "
	}
	detail += string(after.Status)
	switch {
	case after.AMLHold && !before.AMLHold:
		detail += ", on hold"
	case before.AMLHold && !after.AMLHold:
		detail += ", hold lifted"
	}
	return string(e.Outcome), detail
}

// watch finds out what has come to a server since it looked last.
type watch struct {
	follower
	waiting   map[int64]models.Event // events without an outcome yet
	rejection int64                  // the newest that was shown
	customers map[int64]state        // as last seen
}

// mostAsked is how many waiting events that are no longer among the newest are asked for in one round.
const mostAsked = 20

func newWatch(a admin) *watch {
	return &watch{follower: follower{admin: a}, waiting: map[int64]models.Event{}, customers: map[int64]state{}}
}

// start takes all that is there as seen.
func (w *watch) start(ctx context.Context) error {
	if _, _, err := w.next(ctx); err != nil {
		return err
	}
	_, err := w.rejections(ctx)
	return err
}

// round returns what has come since the last one, by time. An event is held back until it has an outcome.
func (w *watch) round(ctx context.Context) ([]entry, error) {
	fresh, repeated, err := w.next(ctx)
	if err != nil {
		return nil, err
	}
	for _, raw := range fresh {
		var e models.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		w.waiting[e.ID] = e
	}
	done, err := w.finished(ctx)
	if err != nil {
		return nil, err
	}
	var entries []entry
	now := map[int64]state{} // customers that this round has asked for
	for _, e := range done {
		x := eventEntry(e)
		if e.CustomerID != nil {
			if err := w.addCustomer(ctx, &x, now); err != nil {
				return nil, err
			}
		}
		entries = append(entries, x)
		delete(w.waiting, e.ID)
	}
	for _, raw := range repeated {
		var e models.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		x := eventEntry(e)
		x.Kind, x.Time = "repeat", models.At(time.Now()) // its own time is not stored
		entries = append(entries, x)
	}
	rejections, err := w.rejections(ctx)
	for _, r := range rejections {
		entries = append(entries, rejectionEntry(r))
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.Time.Compare(b.Time.Time) })
	return entries, err
}

// finished returns the waiting events that have an outcome, the newest last.
func (w *watch) finished(ctx context.Context) (done []models.Event, err error) {
	asked := 0
	for _, id := range slices.Sorted(maps.Keys(w.waiting)) {
		e, isNewest := w.seen[id]
		if !isNewest {
			if asked++; asked > mostAsked {
				break
			}
			e, err = get[models.Event](ctx, w.admin, fmt.Sprintf("/api/events/%d", id))
			switch {
			case isMissing(err):
				delete(w.waiting, id) // the database is another one
				continue
			case err != nil:
				return nil, err
			}
		}
		if !inWork(e) {
			done = append(done, e)
		}
	}
	return done, nil
}

// rejections returns those that are new, the newest last. Their IDs start again when the server does.
func (w *watch) rejections(ctx context.Context) (fresh []handlers.Rejection, err error) {
	answer, err := get[struct{ Rejections []handlers.Rejection }](ctx, w.admin, "/api/rejections")
	if err != nil {
		return nil, err
	}
	list := answer.Rejections
	if len(list) == 0 || list[0].ID < w.rejection {
		w.rejection = 0
	}
	for _, r := range slices.Backward(list) {
		if r.ID > w.rejection {
			fresh, w.rejection = append(fresh, r), r.ID
		}
	}
	return fresh, nil
}

// addCustomer adds to an event what has changed for its customer since they were seen last.
func (w *watch) addCustomer(ctx context.Context, x *entry, now map[int64]state) error {
	id := *x.CustomerID
	after, asked := now[id]
	if !asked {
		var err error
		if after, err = get[state](ctx, w.admin, fmt.Sprintf("/api/customers/%d", id)); err != nil && !isMissing(err) {
			return err
		}
		now[id] = after
	}
	if before, known := w.customers[id]; known {
		x.Before = &before
	}
	x.After, w.customers[id] = &after, after
	return nil
}
