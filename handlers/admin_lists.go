package handlers

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

func (a admin) customers(c *gin.Context) (int, any, error) {
	return list(c, "customers", func(c *gin.Context) (models.CustomerFilter, error) { return CustomerFilter(c) }, a.Store.Customers, func(x models.Customer) int64 { return x.ID })
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
