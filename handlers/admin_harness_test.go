package handlers

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/identity-webhooks/models"
)

// office is an admin server on loopback, with its store.
type office struct {
	t          testing.TB
	store      *models.Store
	rejections *Rejections
	wakes      *atomic.Int64
	url        string
}

func newOffice(t testing.TB, s *models.Store, password string) *office {
	t.Helper()
	o := &office{t, s, &Rejections{}, &atomic.Int64{}, ""}
	server := httptest.NewServer(NewAdmin(AdminConfig{
		Store: s, Rejections: o.rejections, Subscriptions: func() []SubscriptionState { return []SubscriptionState{} },
		Wake: func() { o.wakes.Add(1) }, Password: password, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// call makes a request, checks the status and decodes the answer.
func call[T any](o *office, method, path string, status int) (answer T) {
	o.t.Helper()
	got := send(o.t, method, o.url+path, nil, nil)
	if got.status != status {
		o.t.Errorf("%s %s: answered %d %.300s, want %d", method, path, got.status, got.body, status)
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || !utf8.ValidString(got.body) {
		o.t.Errorf("%s %s: %v in %.300q", method, path, err, got.body)
	}
	return answer
}

type eventList struct {
	Events []models.Event `json:"events"`
	Next   string         `json:"next_cursor"`
}

func (l eventList) ids() (ids []string) {
	for _, e := range l.Events {
		ids = append(ids, e.ExternalID)
	}
	return ids
}

type customerList struct {
	Customers []models.Customer `json:"customers"`
	Next      string            `json:"next_cursor"`
}

func (l customerList) subjects() (ids []string) {
	for _, c := range l.Customers {
		ids = append(ids, c.SubjectID)
	}
	return ids
}

// add puts an event into the inbox. It makes up a body if there is none, and the times.
func (o *office) add(e models.Event) {
	o.t.Helper()
	if e.Body == nil {
		e.Body = []byte(`{"id":"` + e.ExternalID + `"}`)
	}
	e.Generation, e.Queue, e.OccurredAt, e.ReceivedAt = "v1", models.DefaultQueue, models.At(noon), models.At(noon.Add(time.Second))
	if _, err := o.store.AddEvent(o.t.Context(), e); err != nil {
		o.t.Fatal(err)
	}
}

// process adds an event and applies facts as a worker would. A change of the customer causes a follow-up.
func (o *office) process(e models.Event, f models.Facts) {
	o.t.Helper()
	o.add(e)
	later := noon.Add(time.Minute)
	offer, _, err := o.store.Offer(o.t.Context(), models.EventWork, models.DefaultQueue, 10, later)
	if err != nil {
		o.t.Fatal(err)
	}
	claimed, err := o.store.ClaimEvents(o.t.Context(), offer, later)
	if err != nil || len(claimed) != 1 {
		o.t.Fatalf("%d claimed, %v", len(claimed), err)
	}
	tell := func(models.Change) []models.FollowUp { return []models.FollowUp{{Name: "tell", Queue: "tell"}} }
	if _, _, err := o.store.ApplyEvent(o.t.Context(), claimed[0], f, tell, models.At(later)); err != nil {
		o.t.Fatal(err)
	}
}

// fill puts in two customers and an event in every state. It returns the IDs of the events' rows by external ID.
func (o *office) fill() map[string]int64 {
	o.t.Helper()
	score := 18
	o.process(models.Event{Provider: "acme", ExternalID: "approved", Type: "person.reviewed"}, models.Facts{
		SubjectID: "ann",
		Profile:   models.Profile{models.ExternalID: "cust_1", models.FirstName: "Ann", models.RiskScore: &score, models.Flags: []string{"vpn"}},
		Decisions: []models.Decision{{Source: models.FromApplicant, Authority: models.ByAutomatic, Status: models.StatusVerified}},
		Checks:    []models.Check{{Kind: models.DocumentCheck, CheckID: "doc_1", Status: models.CheckPassed}},
	})
	o.process(models.Event{Provider: "acme", ExternalID: "hit", Type: "person.hit"}, models.Facts{
		SubjectID: "bob",
		Hits:      []models.Hit{{HitID: "hit_1", Kind: models.AlertKind, Type: "pep", Name: "B"}},
		Case:      &models.CaseFacts{CaseID: "case_1"},
	})
	o.process(models.Event{Provider: "acme", ExternalID: "case", Type: "case.created"}, models.Facts{
		Case: &models.CaseFacts{CaseID: "case_1", Opened: &models.Opening{Type: "pep", Priority: "high"}},
	})
	o.process(models.Event{Provider: "other", ExternalID: "ignored", Type: "webhook.test"}, models.Facts{Ignored: "a test of the connection"})
	o.add(models.Event{Provider: "other", ExternalID: "failed", Body: []byte("not JSON"), Problem: "unreadable body"})
	o.add(models.Event{Provider: "acme", ExternalID: "approved", Type: "person.reviewed", Body: []byte(`{}`)}) // quarantined
	o.add(models.Event{Provider: "other", ExternalID: "waiting", Type: "person.reviewed"})
	ids := map[string]int64{}
	for _, e := range call[eventList](o, "GET", "/api/events", 200).Events {
		if e.Status == models.Quarantined {
			e.ExternalID = "quarantined"
		}
		ids[e.ExternalID] = e.ID
	}
	if len(ids) != 7 {
		o.t.Fatalf("events %v", ids)
	}
	return ids
}
