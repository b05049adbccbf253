package inspector

import (
	"context"
	"errors"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// overview is the data of the first page.
type overview struct {
	models.Load
	IsCut         bool // there were more deliveries in the last hour than Load counts
	AllCustomers  int64
	Chart         chart
	P50, P95      time.Duration
	WaitingFor    time.Duration // how long the oldest event has waited
	OnHoldNow     []models.Customer
	FailedEvents  []eventRow
	FailedUps     []models.FollowUp
	Subscriptions []handlers.SubscriptionState
	Rejections    []handlers.Rejection
	Rejected      int64
	Starts        []Sample // samples to begin with, if the database is empty
}

const (
	// fewRows is how many rows the lists of the overview have.
	fewRows = 5
	// cacheTime is how long an overview is kept.
	cacheTime = time.Second
)

func (i *inspector) overview(c *gin.Context) (page, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now := time.Now(); now.Sub(i.loadedAt) >= cacheTime {
		o, err := i.loadOverview(c.Request.Context(), now)
		if err != nil {
			return page{}, err
		}
		i.last, i.loadedAt = o, time.Now()
	}
	return page{Title: "Overview", Updates: true, Data: i.last}, nil
}

func (i *inspector) loadOverview(ctx context.Context, now time.Time) (o overview, err error) {
	few := models.Page{Limit: fewRows}
	var err1, err2, err3, err4 error
	o.Load, err1 = i.Store.Load(ctx, now)
	o.OnHoldNow, err2 = i.Store.Customers(ctx, models.CustomerFilter{AMLHold: new(true)}, few)
	o.FailedUps, err3 = i.Store.FollowUps(ctx, models.FollowUpFilter{Status: models.FollowUpFailed}, few)
	o.FailedEvents, err4 = i.inWords(ctx, models.EventFilter{Status: models.Failed}, few)
	o.Subscriptions, o.Rejected = i.Subscriptions(), i.Rejections.Total()
	rejections := i.Rejections.Newest()
	o.Rejections = rejections[:min(len(rejections), fewRows)]
	for _, n := range o.Customers {
		o.AllCustomers += n
	}
	o.IsCut = o.Since.After(now.Add(-time.Hour))
	o.Chart = newChart(o.Load, rejections, now)
	o.P50, o.P95 = percentile(o.Latency, 50), percentile(o.Latency, 95)
	if !o.Oldest.IsZero() {
		o.WaitingFor = now.Sub(o.Oldest.Time).Round(time.Second)
	}
	if o.Events == 0 {
		o.Starts = i.starts()
	}
	return o, errors.Join(err1, err2, err3, err4)
}

// percentile returns a percentile of sorted values, such as the 95th: 95 percent of them are not larger. It is 0 if there are no values.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// starts returns one sample of each provider for the guided start: the first that verifies a person or, if there is none, the first that is
// about a person.
func (i *inspector) starts() (list []Sample) {
	rank := func(s Sample) int {
		f, err := i.translate(models.Event{Provider: s.Provider, Generation: s.Generation, Type: s.Type, Body: s.Body})
		switch {
		case err != nil || f.Sandbox || f.SubjectID == "":
			return 0
		case len(f.Decisions) > 0 && f.Decisions[0].Status == models.StatusVerified:
			return 2
		}
		return 1
	}
	best := 0
	for _, s := range i.Catalogue {
		last := len(list) - 1
		if last < 0 || list[last].Provider != s.Provider {
			list, best = append(list, s), rank(s)
		} else if r := rank(s); r > best {
			list[last], best = s, r
		}
	}
	return list
}
