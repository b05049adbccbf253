package inspector

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// pageSize is how many rows a list shows.
const pageSize = 50

// listed is the data of a page with a list.
type listed struct {
	Rows          any
	Filter        url.Values
	Older, Newest string // URLs of the next page and of the first page; empty if there is none, or if this is the first
}

// list returns the view of a list. read reads the filter and the rows.
func list[T any](title string, read func(*gin.Context, models.Page) ([]T, error), id func(T) int64) view {
	return func(c *gin.Context) (page, error) {
		p, err := handlers.Page(c)
		if err != nil {
			return page{}, err
		}
		p.Limit = pageSize
		rows, err := read(c, p)
		l := listed{Rows: rows, Filter: filters(c)}
		if p.Before > 0 {
			l.Newest = c.Request.URL.Path + "?" + l.Filter.Encode()
		}
		if len(rows) == p.Limit {
			q := filters(c)
			q.Set("cursor", handlers.Cursor(id(rows[len(rows)-1])))
			l.Older = c.Request.URL.Path + "?" + q.Encode()
		}
		return page{Title: title, Updates: p.Before == 0 && c.Query("q") == "", Data: l}, err
	}
}

// filters returns the parameters of a list that are set, without the page.
func filters(c *gin.Context) url.Values {
	set := c.Request.URL.Query()
	for name := range set {
		if set.Get(name) == "" || name == "cursor" || name == "limit" {
			set.Del(name)
		}
	}
	return set
}

func (i *inspector) customers(c *gin.Context, p models.Page) ([]models.Customer, error) {
	f, err := handlers.CustomerFilter(c, "q")
	if err != nil {
		return nil, err
	}
	return i.Store.SearchCustomers(c.Request.Context(), c.Query("q"), f, p)
}

func (i *inspector) cases(c *gin.Context, p models.Page) ([]models.Case, error) {
	return i.Store.Cases(c.Request.Context(), p)
}

func (i *inspector) companies(c *gin.Context, p models.Page) ([]models.Company, error) {
	return i.Store.Companies(c.Request.Context(), p)
}

func (i *inspector) followUps(c *gin.Context, p models.Page) ([]models.FollowUp, error) {
	f, err := handlers.FollowUpFilter(c)
	if err != nil {
		return nil, err
	}
	return i.Store.FollowUps(c.Request.Context(), f, p)
}

// replayOne returns the action that replays one row, and then shows the page next.
func (i *inspector) replayOne(
	next string, replay func(context.Context, int64, time.Time) (bool, error),
) func(*gin.Context) (string, string, error) {
	return func(c *gin.Context) (string, string, error) {
		id, err := handlers.ID(c)
		if err != nil {
			return "", "", err
		}
		replayed, err := replay(c.Request.Context(), id, time.Now())
		if err != nil {
			return "", "", err
		}
		i.record(c, "replayed", "replayed", replayed)
		i.Wake()
		message := "It is being processed again."
		if !replayed {
			message = "It was not replayed. Only failed follow-ups, and failed, ignored or sandbox events, can be replayed."
		}
		return strings.Replace(next, ":id", c.Param("id"), 1), message, nil
	}
}

// queueRow is a queue, as the database and asynq see it.
type queueRow struct {
	Queue
	Kind, Short string        // the parts of its name: follow-up:callback has the kind follow-up
	Waiting     int64         // rows in the database
	Overdue     time.Duration // how long the first of them has been due
}

// queues shows each queue. If asynq's figures are not available, it shows only those of the database.
func (i *inspector) queues(c *gin.Context) (page, error) {
	ctx := c.Request.Context()
	backlogs, err := i.Store.Backlogs(ctx)
	if err != nil {
		return page{}, err
	}
	figures, err := i.Queues(ctx)
	if err != nil {
		i.Log.Warn("figures of the queue not available", "err", err)
	}
	var rows []queueRow
	add := func(q Queue) int {
		kind, short, found := strings.Cut(q.Name, ":")
		if !found {
			kind, short = "events", q.Name
		}
		rows = append(rows, queueRow{Queue: q, Kind: kind, Short: short})
		return len(rows) - 1
	}
	for _, q := range figures {
		add(q)
	}
	for _, b := range backlogs {
		at := slices.IndexFunc(rows, func(r queueRow) bool { return r.Name == b.Queue })
		if at < 0 {
			at = add(Queue{Name: b.Queue})
		}
		rows[at].Waiting = b.Waiting
		rows[at].Overdue = max(time.Since(b.DueAt.Time).Truncate(time.Second), 0)
	}
	return page{Title: "Queues", Updates: true, Data: struct {
		Rows        []queueRow
		Unavailable bool
	}{rows, err != nil}}, nil
}

// catalogue shows the event types of one provider.
func (i *inspector) catalogue(c *gin.Context) (page, error) {
	d := struct {
		Provider  string
		Providers []string
		Samples   []Sample // of the provider
	}{Provider: c.Query("provider")}
	for _, s := range i.Catalogue {
		d.Providers = append(d.Providers, s.Provider)
	}
	d.Providers = slices.Compact(d.Providers)
	if d.Provider == "" && len(d.Providers) > 0 {
		d.Provider = d.Providers[0]
	}
	for _, s := range i.Catalogue {
		if s.Provider == d.Provider {
			d.Samples = append(d.Samples, s)
		}
	}
	return page{Title: "Catalogue", Data: d}, nil
}

// sendSample sends a sample through the real receiver, and shows the event.
func (i *inspector) sendSample(c *gin.Context) (next, message string, err error) {
	provider, generation, eventType := c.PostForm("provider"), c.PostForm("generation"), c.PostForm("type")
	at := slices.IndexFunc(i.Catalogue, func(s Sample) bool {
		return s.Provider == provider && s.Generation == generation && s.Type == eventType
	})
	if at < 0 {
		return "", "", handlers.BadRequest("there is no such sample")
	}
	id, err := i.Send(c.Request.Context(), provider, i.Catalogue[at].Body)
	if err != nil {
		return "", "", handlers.BadRequest("the sample was not accepted: " + err.Error())
	}
	found, err := i.Store.Events(c.Request.Context(), models.EventFilter{Provider: provider, ExternalID: id}, models.Page{Limit: 1})
	if err != nil || len(found) == 0 {
		return "/events", "The sample was sent.", err
	}
	message = "The sample was signed with the server's own secret and went through the real receiver. This page shows what it did."
	return fmt.Sprintf("/events/%d", found[0].ID), message, nil
}
