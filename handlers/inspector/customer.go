package inspector

import (
	"cmp"
	"errors"
	"slices"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// maxTimeline is how many events a customer's page shows.
const maxTimeline = 100

// customerDetails is the page of one customer.
type customerDetails struct {
	models.Customer
	models.CustomerFacts
	WhyEvent  int64      // the event that established the status; 0 if it is not known
	Timeline  []eventRow // by the provider's time, newest first
	IsCut     bool       // there are more events
	FollowUps []models.FollowUp
	Others    []models.Customer // the other customers with the same ExternalID: records of the same person
}

func (i *inspector) customer(c *gin.Context) (page, error) {
	id, err := handlers.ID(c)
	if err != nil {
		return page{}, err
	}
	ctx := c.Request.Context()
	var d customerDetails
	if d.Customer, d.CustomerFacts, err = i.Store.Customer(ctx, id); err != nil {
		return page{}, err
	}
	var err1, err2, err3 error
	d.Timeline, err1 = i.inWords(ctx, models.EventFilter{CustomerID: id}, models.Page{Limit: maxTimeline})
	d.FollowUps, err2 = i.Store.FollowUps(ctx, models.FollowUpFilter{CustomerID: id}, models.Page{Limit: pageSize})
	if d.ExternalID != "" {
		d.Others, err3 = i.Store.Customers(ctx, models.CustomerFilter{ExternalID: d.ExternalID}, models.Page{Limit: pageSize})
		d.Others = slices.DeleteFunc(d.Others, func(x models.Customer) bool { return x.ID == id })
	}
	d.IsCut = len(d.Timeline) == maxTimeline
	sortTimeline(d.Timeline)
	why := d.Decision()
	for _, e := range d.Timeline {
		if e.ExternalID == why.ExternalID {
			d.WhyEvent = e.ID
		}
	}
	return page{Title: "Customer " + name(d.Customer), Updates: true, Data: &d}, errors.Join(err1, err2, err3)
}

// sortTimeline sorts events by the time at which they happened, newest first, and marks those that arrived after a later one.
func sortTimeline(rows []eventRow) {
	slices.SortStableFunc(rows, func(a, b eventRow) int {
		return cmp.Or(b.OccurredAt.Compare(a.OccurredAt.Time), cmp.Compare(b.ID, a.ID))
	})
	var first int64 // the lowest ID so far: of the events that happened later, the one that arrived first
	for n := range rows {
		e := &rows[n]
		e.Late = n > 0 && e.ID > first && e.OccurredAt.Before(rows[n-1].OccurredAt.Time)
		if n == 0 || e.ID < first {
			first = e.ID
		}
	}
}
