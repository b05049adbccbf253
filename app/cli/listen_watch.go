package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// watch finds out what has come to a server since it looked last.
type watch struct {
	*follower
	waiting   map[int64]models.Event // events without an outcome yet
	rejection int64                  // the newest that was shown
	customers map[int64]standing     // as last seen
}

func newWatch(admin *adminClient) *watch {
	return &watch{newFollower(admin, url.Values{}), map[int64]models.Event{}, 0, map[int64]standing{}}
}

// start takes all that is there as seen.
func (w *watch) start(ctx context.Context) error {
	if _, err := w.follower.start(ctx, 0); err != nil {
		return err
	}
	_, err := w.rejections(ctx)
	return err
}

// round returns what has come, in that order. An event waits for its outcome.
func (w *watch) round(ctx context.Context) ([]sighting, error) {
	fresh, repeated, err := w.next(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range fresh {
		w.waiting[e.ID] = e
	}
	done, err := w.finished(ctx)
	if err != nil {
		return nil, err
	}
	var seen []sighting
	now := map[int64]standing{} // whom this round has asked for
	for _, e := range done {
		s := sightEvent(e)
		if e.CustomerID != nil {
			if err := w.change(ctx, &s, *e.CustomerID, now); err != nil {
				return nil, err
			}
		}
		seen = append(seen, s)
		delete(w.waiting, e.ID)
	}
	for _, e := range repeated {
		seen = append(seen, sightRepeat(e))
	}
	rejections, err := w.rejections(ctx)
	for _, r := range rejections {
		seen = append(seen, sightRejection(r))
	}
	slices.SortStableFunc(seen, func(a, b sighting) int { return a.Time.Compare(b.Time.Time) })
	return seen, err
}

// finished returns the waiting events that have an outcome, the newest last.
func (w *watch) finished(ctx context.Context) (done []models.Event, err error) {
	for _, e := range w.page {
		if _, waits := w.waiting[e.ID]; waits {
			w.waiting[e.ID] = e
		}
	}
	asked := 0
	for _, id := range slices.Sorted(maps.Keys(w.waiting)) {
		e := w.waiting[id]
		if underWay(e) && len(w.page) > 0 && id < w.page[len(w.page)-1].ID && asked < 20 { // it has left the window
			asked++
			if err := w.admin.get(ctx, fmt.Sprintf("/api/events/%d", id), &e); err != nil {
				return nil, err
			}
		}
		if !underWay(e) {
			done = append(done, e)
		}
	}
	return done, nil
}

// rejections returns those that are new, the newest last. Their ids begin anew when the server does.
func (w *watch) rejections(ctx context.Context) (fresh []handlers.Rejection, err error) {
	var list struct{ Rejections []handlers.Rejection }
	if err := w.admin.get(ctx, "/api/rejections", &list); err != nil {
		return nil, err
	}
	last := w.rejection
	if len(list.Rejections) == 0 || list.Rejections[0].ID < last {
		last = 0
	}
	w.rejection = last
	for _, r := range slices.Backward(list.Rejections) {
		if r.ID > last {
			fresh, w.rejection = append(fresh, r), r.ID
		}
	}
	return fresh, nil
}

// standing is what listen tells of a customer.
type standing struct {
	Status  models.Status `json:"status"`
	AMLHold bool          `json:"aml_hold"`
}

// change adds to an event what has changed for its customer since they were seen last.
func (w *watch) change(ctx context.Context, s *sighting, id int64, now map[int64]standing) error {
	after, asked := now[id]
	if !asked {
		err := w.admin.get(ctx, fmt.Sprintf("/api/customers/%d", id), &after)
		if status, isStatus := errors.AsType[statusError](err); isStatus && status.status == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		now[id] = after
	}
	if before, known := w.customers[id]; known {
		s.Before = &before
	}
	s.After, w.customers[id] = &after, after
	return nil
}
