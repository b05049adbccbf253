package handlers

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/models"
)

func (a *Admin) customers(c *gin.Context) (int, any, error) {
	f, err := customerFilter(c)
	if err != nil {
		return 0, nil, err
	}
	p, err := page(c)
	if err != nil {
		return 0, nil, err
	}
	customers, err := a.store.Customers(c.Request.Context(), f, p)
	return list("customers", customers, p, func(x models.Customer) int64 { return x.ID }, err)
}

func (a *Admin) customer(c *gin.Context) (int, any, error) {
	id, err := pathID(c)
	if err != nil {
		return 0, nil, err
	}
	customer, facts, err := a.store.Customer(c.Request.Context(), id)
	if err != nil {
		return 0, nil, err
	}
	events, err := a.store.Events(c.Request.Context(), models.EventFilter{CustomerID: id}, models.Page{Limit: maxLimit})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, struct {
		models.Customer
		models.Facts
		Events []models.Event `json:"events"`
	}{customer, facts, events}, nil
}

func (a *Admin) cases(c *gin.Context) (int, any, error) {
	if err := known(c, "limit", "cursor"); err != nil {
		return 0, nil, err
	}
	p, err := page(c)
	if err != nil {
		return 0, nil, err
	}
	cases, err := a.store.Cases(c.Request.Context(), p)
	return list("cases", cases, p, func(k models.Case) int64 { return k.ID }, err)
}

func (a *Admin) companies(c *gin.Context) (int, any, error) {
	if err := known(c, "limit", "cursor"); err != nil {
		return 0, nil, err
	}
	p, err := page(c)
	if err != nil {
		return 0, nil, err
	}
	companies, err := a.store.Companies(c.Request.Context(), p)
	return list("companies", companies, p, func(k models.Company) int64 { return k.ID }, err)
}

func (a *Admin) stats(c *gin.Context) (int, any, error) {
	st, err := a.store.Stats(c.Request.Context())
	if err != nil {
		return 0, nil, err
	}
	waiting := 0.0
	if !st.OldestWaiting.IsZero() {
		waiting = time.Since(st.OldestWaiting.Time).Seconds()
	}
	return http.StatusOK, struct {
		models.Stats
		Rejected int64   `json:"rejected_deliveries"`
		Waiting  float64 `json:"oldest_waiting_seconds"`

		Secrets       map[string][]SecretUse `json:"secrets"`
		Subscriptions []SubscriptionState    `json:"subscriptions"`
	}{st, a.rejections.Total(), waiting, a.uses.List(), a.watched()}, nil
}

func (a *Admin) rejected(*gin.Context) (int, any, error) {
	return http.StatusOK, gin.H{"rejections": a.rejections.Newest()}, nil
}
