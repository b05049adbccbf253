package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

func (a admin) customers(c *gin.Context) (int, any, error) {
	if c.Request.URL.Query().Has("updated_after") {
		return a.changedCustomers(c)
	}
	return list(c, "customers", func(c *gin.Context) (models.CustomerFilter, error) { return CustomerFilter(c) }, a.Store.Customers, func(x models.Customer) int64 { return x.ID })
}

// changedCustomers lists the customers that changed after a cursor, in the order of their changes. There is always a next cursor, for the
// next poll.
func (a admin) changedCustomers(c *gin.Context) (int, any, error) {
	n, err := number(c, "limit", maxLimit)
	if err := errors.Join(known(c, "updated_after", "limit"), err); err != nil {
		return 0, nil, err
	}
	p := models.Page{Limit: cmp.Or(n, defaultLimit)}
	if text := c.Query("updated_after"); text != "" {
		if p.Before = position(text); p.Before < 0 {
			return 0, nil, BadRequest("updated_after must be empty or a next_cursor of an earlier answer")
		}
	}
	rows, _, err := collect(&p, func(p models.Page) ([]models.Customer, error) {
		return a.Store.ChangedCustomers(c.Request.Context(), p.Before, p.Limit)
	}, func(x models.Customer) int64 { return *x.Sequence })
	return http.StatusOK, gin.H{"customers": rows, "next_cursor": Cursor(p.Before)}, err
}

func (a admin) customer(c *gin.Context, id int64) (int, any, error) {
	customer, facts, err := a.Store.Customer(c.Request.Context(), id)
	if err != nil {
		return 0, nil, err
	}
	// The newest events are enough here; all of them are at /api/events?customer_id=.
	events, err := a.Store.Events(c.Request.Context(), models.EventFilter{CustomerID: id}, models.Page{Limit: maxLimit})
	return http.StatusOK, struct {
		models.Customer
		models.CustomerFacts
		Events []models.Event `json:"events"`
	}{customer, facts, events}, err
}

func (a admin) cases(c *gin.Context) (int, any, error) {
	return list(c, "cases", noFilter, func(ctx context.Context, _ struct{}, p models.Page) ([]models.Case, error) {
		return a.Store.Cases(ctx, p)
	}, func(k models.Case) int64 { return k.ID })
}

func (a admin) companies(c *gin.Context) (int, any, error) {
	return list(c, "companies", noFilter, func(ctx context.Context, _ struct{}, p models.Page) ([]models.Company, error) {
		return a.Store.Companies(ctx, p)
	}, func(k models.Company) int64 { return k.ID })
}

func (a admin) followUps(c *gin.Context) (int, any, error) {
	return list(c, "follow_ups", FollowUpFilter, a.Store.FollowUps, func(f models.FollowUp) int64 { return f.ID })
}
