package inspector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// maxTranslated is how many bytes the body of a listed event may have to be read for its headline. For a larger one the headline is its type.
const maxTranslated = 64 << 10

// eventRow is an event in a list.
type eventRow struct {
	models.Event
	Headline string
	Customer *models.Customer
	Late     bool // it arrived after an event that happened later
}

func (i *inspector) events(c *gin.Context, p models.Page) ([]eventRow, error) {
	f, err := handlers.EventFilter(c, "limit", "cursor")
	if err != nil {
		return nil, err
	}
	return i.inWords(c.Request.Context(), f, p)
}

// inWords lists events, each with its customer and a headline.
func (i *inspector) inWords(ctx context.Context, f models.EventFilter, p models.Page) ([]eventRow, error) {
	events, err := i.Store.Events(ctx, f, p)
	if err != nil {
		return nil, err
	}
	var ids, people []int64
	for _, e := range events {
		ids = append(ids, e.ID)
		if e.CustomerID != nil {
			people = append(people, *e.CustomerID)
		}
	}
	bodies, err1 := i.Store.Bodies(ctx, ids, maxTranslated)
	customers, err2 := i.Store.CustomersByID(ctx, people)
	rows := make([]eventRow, len(events))
	for n, e := range events {
		r := eventRow{Event: e, Headline: e.Type}
		if e.CustomerID != nil {
			r.Customer = found(customers, *e.CustomerID)
		}
		if body := bodies[e.ID]; body != nil {
			e.Body = body
			facts, err := i.translate(e)
			r.Headline = headline(e, facts, err, r.Customer)
		}
		rows[n] = r
	}
	return rows, errors.Join(err1, err2)
}

// found returns a customer from a map, or nil.
func found(customers map[int64]models.Customer, id int64) *models.Customer {
	if c, known := customers[id]; known {
		return &c
	}
	return nil
}

// translate returns the facts of an event, unless its body cannot be read. A panic becomes an error, as in the worker.
func (i *inspector) translate(e models.Event) (f models.Facts, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in translation: %v", p)
		}
	}()
	if err := e.BodyError(); err != nil {
		return f, err
	}
	return i.Translate(e)
}

// eventDetails is the page of one event.
type eventDetails struct {
	models.Event
	Headline       string
	Customer       *models.Customer
	Facts          models.Facts
	Problem        error // why its facts cannot be read; nil if they can
	Changes        []models.Change
	FailedAttempts []models.FailedAttempt
	FollowUps      []models.FollowUp
	Previous, Next int64 // events of the same customer
}

func (i *inspector) event(c *gin.Context) (page, error) {
	ctx := c.Request.Context()
	e, err := i.eventInPath(c)
	if err != nil {
		return page{}, err
	}
	d := eventDetails{Event: e}
	d.Facts, d.Problem = i.translate(e)
	var err1, err2, err3, err4 error
	err1 = i.about(ctx, &d)
	d.Changes, err2 = i.Store.ChangesBy(ctx, e.ID)
	d.FollowUps, err3 = i.Store.FollowUps(ctx, models.FollowUpFilter{EventID: e.ID}, models.Page{Limit: pageSize})
	d.FailedAttempts, err4 = i.Store.FailedAttempts(ctx, e.ID)
	d.Headline = headline(e, d.Facts, d.Problem, d.Customer)
	return page{
		Title: handlers.ProviderTitle(e.Provider) + ": " + d.Headline, Updates: e.Status == models.Received || e.Status == models.Queued, Data: d,
	}, errors.Join(err1, err2, err3, err4)
}

// eventInPath reads the event whose ID is in the path.
func (i *inspector) eventInPath(c *gin.Context) (models.Event, error) {
	id, err := handlers.ID(c)
	if err != nil {
		return models.Event{}, err
	}
	return i.Store.Event(c.Request.Context(), id)
}

// about sets the customer of an event, and that customer's previous and next events. If the event names only a case, the customer is that of
// the case.
func (i *inspector) about(ctx context.Context, d *eventDetails) error {
	customer := d.CustomerID
	if k := d.Facts.Case; k != nil && k.CaseID != "" && customer == nil {
		known, err := i.Store.Case(ctx, d.Provider, k.CaseID)
		if err != nil && !errors.Is(err, models.ErrNotFound) {
			return err
		}
		customer = known.CustomerID
	}
	if customer == nil {
		return nil
	}
	customers, err1 := i.Store.CustomersByID(ctx, []int64{*customer})
	d.Customer = found(customers, *customer)
	var err2 error
	d.Previous, d.Next, err2 = i.Store.Neighbours(ctx, *customer, d.ID)
	return errors.Join(err1, err2)
}

// difference is a column of a customer that an event changed.
type difference struct {
	Name, Before, After string
	Personal            bool
}

// Differences lists the columns that changed. A new customer has no values before the change.
func (eventDetails) Differences(c models.Change) (list []difference) {
	columns := func(x models.Customer) []difference {
		return []difference{
			{Name: "status", After: plain(x.Status)},
			{Name: "status reason", After: x.StatusReason, Personal: true},
			{Name: "decided by", After: words(x.DecidedBy)},
			{Name: "on hold", After: plain(x.AMLHold)},
			{Name: "screening", After: x.ScreeningStatus},
			{Name: "risk level", After: x.RiskLevel},
			{Name: "risk score", After: plain(x.RiskScore)},
			{Name: "flags", After: plain(x.Flags)},
			{Name: "your ID", After: x.ExternalID},
			{Name: "tenant", After: x.TenantID},
			{Name: "first name", After: x.FirstName, Personal: true},
			{Name: "last name", After: x.LastName, Personal: true},
			{Name: "e-mail", After: x.Email, Personal: true},
			{Name: "sandbox", After: plain(x.Sandbox)},
		}
	}
	before := columns(c.Before)
	for n, d := range columns(c.After) {
		if d.After == before[n].After {
			continue
		}
		if c.Before.Revision > 0 {
			d.Before = before[n].After
		}
		list = append(list, d)
	}
	return list
}

// replayed is the data of the page that replays the filtered events.
type replayed struct {
	Filter url.Values
	Count  int64 // how many were replayed or, before it is done, would be
	Done   bool
	More   bool // the time ran out before all were replayed
}

// replayFilter reads the filter. It refuses an empty one, which would replay everything.
func replayFilter(c *gin.Context) (models.EventFilter, error) {
	f, err := handlers.EventFilter(c, "limit", "cursor")
	if err == nil && f == (models.EventFilter{}) {
		err = handlers.BadRequest("choose a filter first, such as the status “failed”")
	}
	return f, err
}

func (i *inspector) replayPreview(c *gin.Context) (page, error) {
	f, err := replayFilter(c)
	if err != nil {
		return page{}, err
	}
	n, err := i.Store.CountReplayable(c.Request.Context(), f, models.Pace{})
	return page{Title: "Replay events", Data: replayed{Filter: filters(c), Count: n}}, err
}

func (i *inspector) replayFiltered(c *gin.Context) (page, error) {
	f, err := replayFilter(c)
	if err != nil {
		return page{}, err
	}
	n, err := i.Store.ReplayEvents(c.Request.Context(), f, models.Pace{}, time.Now())
	i.record(c, "replayed", "replayed", n)
	i.Wake()
	more := errors.Is(err, context.DeadlineExceeded) && n > 0
	if more {
		err = nil
	}
	return page{Title: "Replay events", Data: replayed{filters(c), n, true, more}}, err
}

// copyEvent answers with a text to copy: a curl command that sends the event again, or a sample for testdata.
func (i *inspector) copyEvent(c *gin.Context) {
	e, err := i.eventInPath(c)
	if err = cmp.Or(err, e.BodyError()); err != nil {
		i.fail(c, err)
		return
	}
	if i.Mask {
		i.record(c, "personal data shown", "what", "copy of event")
	}
	text, _ := indent(e.Body)
	if c.Query("as") == "curl" {
		text = i.curl(e)
	}
	c.String(http.StatusOK, "%s", text)
}

// curl returns a command that delivers the event again, signed with the first secret. If the path ends in a token, the command takes it from
// the environment.
func (i *inspector) curl(e models.Event) string {
	if e.WasRead() {
		return "# This event was read from the provider's API. To read it again, replay the event that led to the read."
	}
	p := i.Providers[e.Provider]
	if p == nil {
		return "# There is no secret for " + e.Provider + ", so the event cannot be signed."
	}
	signed := p.Sign(e.Body, time.Now())
	if header := p.Schemes()[0].Header; header != "" && signed.Header.Get(header) == "" {
		return "# " + e.Provider + " signs with a key of its own, so the event cannot be signed."
	}
	target := quote(i.PublicURL + "/webhooks/" + signed.Path)
	if handlers.TokenInPath(e.Provider) {
		target = quote(i.PublicURL+"/webhooks/"+e.Provider+"/") + `"$` + strings.ToUpper(e.Provider) + `_WEBHOOK_SECRET"`
	}
	var b strings.Builder
	fmt.Fprintf(&b, "curl -X POST %s \\\n  -H 'Content-Type: application/json' \\\n", target)
	for _, name := range slices.Sorted(maps.Keys(signed.Header)) {
		fmt.Fprintf(&b, "  -H %s \\\n", quote(name+": "+signed.Header.Get(name)))
	}
	fmt.Fprintf(&b, "  --data-binary %s\n", quote(string(signed.Body)))
	return b.String()
}

// quote quotes text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
