package handlers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

func TestListCustomers(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		send(t, "GET", o.url+"/api/customers", nil, nil).want(t, 200, `{"customers":[],"next_cursor":""}`)
		o.fill()
		for query, want := range map[string][]string{
			"":                   {"bob", "ann"},
			"provider=acme":      {"bob", "ann"},
			"provider=other":     nil,
			"subject_id=ann":     {"ann"},
			"external_id=cust_1": {"ann"},
			"external_id=cust_2": nil,
			"status=verified":    {"ann"},
			"status=in_review":   {"bob"},
			"aml_hold=true":      {"bob"},
			"aml_hold=false":     {"ann"},
			"limit=1":            {"bob"},
			"provider=acme&status=verified&aml_hold=true": nil,
		} {
			if diff := cmp.Diff(want, call[customerList](o, "GET", "/api/customers?"+query, 200).subjects()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	})
}

func TestCustomerDocument(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		for _, c := range call[customerList](o, "GET", "/api/customers", 200).Customers {
			path := fmt.Sprint("/api/customers/", c.ID)
			raw := call[map[string]json.RawMessage](o, "GET", path, 200)
			for _, name := range strings.Fields("id provider subject_id external_id tenant_id first_name last_name email status status_reason " +
				"status_at decided_by risk_level risk_score flags screening_status aml_hold sandbox revision created_at updated_at " +
				"decisions checks hits cases events") {
				list := slices.Contains(strings.Fields("flags decisions checks hits cases events"), name)
				if raw[name] == nil || list && string(raw[name]) == "null" {
					t.Errorf("%s: %s is %s", c.SubjectID, name, raw[name])
				}
			}
			full := call[struct {
				models.Customer
				models.CustomerFacts
				Events []models.Event `json:"events"`
			}](o, "GET", path, 200)
			got := fmt.Sprintf("%s %s %d", full.Status, eventList{Events: full.Events}.ids(), full.Revision)
			switch c.SubjectID {
			case "ann":
				if got != "verified [approved] 1" || len(full.Decisions) != 1 || len(full.Checks) != 1 || *full.RiskScore != 18 ||
					!slices.Equal(full.Flags, []string{"vpn"}) || full.FirstName != "Ann" || full.Checks[0].CheckID != "doc_1" {
					t.Errorf("ann: %s, %+v", got, full)
				}
			case "bob": // what the open case decides is shown
				if got != "in_review [case hit] 2" || len(full.Hits) != 1 || len(full.Cases) != 1 || full.Cases[0].Priority != "high" || !full.AMLHold ||
					len(full.Decisions) != 1 || full.Decisions[0].Authority != models.ByOpenCase {
					t.Errorf("bob: %s, %+v", got, full)
				}
			}
		}
	})
}

// TestListsAreBoundedInBytes: large rows are listed a few at a time.
func TestListsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	flags := make([]string, 1000)
	for i := range flags {
		flags[i] = strings.Repeat("f", 1000)
	}
	for i := range 9 {
		o.process(models.Event{Provider: "acme", ExternalID: fmt.Sprint(i)}, models.Facts{SubjectID: fmt.Sprint(i), Profile: models.Profile{models.Flags: flags}})
	}
	var got []string
	for next, pages := "", 0; pages == 0 || next != ""; pages++ {
		answer := send(t, "GET", o.url+"/api/customers?limit=500&cursor="+next, nil, nil)
		var page customerList
		if err := json.Unmarshal([]byte(answer.body), &page); err != nil || answer.status != 200 || len(answer.body) > maxBytes+1000 || len(page.Customers) == 0 {
			t.Fatalf("page %d: %d, %d bytes, %v", pages, answer.status, len(answer.body), err)
		}
		got, next = append(got, page.subjects()...), page.Next
	}
	if diff := cmp.Diff(strings.Fields("8 7 6 5 4 3 2 1 0"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListCasesAndCompanies(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		send(t, "GET", o.url+"/api/cases", nil, nil).want(t, 200, `{"cases":[],"next_cursor":""}`)
		send(t, "GET", o.url+"/api/companies", nil, nil).want(t, 200, `{"companies":[],"next_cursor":""}`)
		for i, f := range []models.Facts{
			{SubjectID: "bob", Case: &models.CaseFacts{CaseID: "case_1"}},
			{Case: &models.CaseFacts{CaseID: "case_2", Opened: &models.Opening{Type: "fraud"}}},
			{Company: &models.CompanyFacts{CompanyID: "ltd", Registered: &models.Registration{LegalName: "Example Ltd"}}},
			{Company: &models.CompanyFacts{CompanyID: "ltd", Owner: &models.BeneficialOwner{OwnerID: "ubo_1", Name: "Ann", Percentage: 40}}},
			{Company: &models.CompanyFacts{CompanyID: "gmbh", Registered: &models.Registration{LegalName: "Beispiel GmbH"}}},
		} {
			o.process(models.Event{Provider: "acme", ExternalID: fmt.Sprint(i)}, f)
		}
		type page struct {
			Cases     []models.Case    `json:"cases"`
			Companies []models.Company `json:"companies"`
			Next      string           `json:"next_cursor"`
		}
		newest := call[page](o, "GET", "/api/cases?limit=1", 200)
		next := call[page](o, "GET", "/api/cases?limit=1&cursor="+newest.Next, 200)
		if len(newest.Cases) != 1 || newest.Cases[0].CaseID != "case_2" || newest.Cases[0].CustomerID != nil ||
			len(next.Cases) != 1 || next.Cases[0].CaseID != "case_1" || next.Cases[0].CustomerID == nil {
			t.Errorf("cases: %+v, then %+v", newest, next)
		}
		newest = call[page](o, "GET", "/api/companies?limit=1", 200)
		next = call[page](o, "GET", "/api/companies?limit=1&cursor="+newest.Next, 200)
		if len(newest.Companies) != 1 || newest.Companies[0].LegalName != "Beispiel GmbH" || len(newest.Companies[0].Owners) != 0 ||
			len(next.Companies) != 1 || next.Companies[0].LegalName != "Example Ltd" || len(next.Companies[0].Owners) != 1 || next.Companies[0].Owners[0].Name != "Ann" {
			t.Errorf("companies: %+v, then %+v", newest, next)
		}
	})
}

func TestFollowUpList(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		send(t, "GET", o.url+"/api/follow_ups", nil, nil).want(t, 200, `{"follow_ups":[],"next_cursor":""}`)
		ids := o.fill()
		type page struct {
			FollowUps []models.FollowUp `json:"follow_ups"`
		}
		all := call[page](o, "GET", "/api/follow_ups", 200).FollowUps
		if len(all) < 2 {
			t.Fatalf("follow-ups %+v, want some for ann and bob", all)
		}
		ann := all[len(all)-1]
		for query, want := range map[string]int{
			"status=waiting": len(all), "status=failed": 0, "name=tell": len(all), "name=other": 0, "limit=1": 1,
			fmt.Sprint("customer_id=", ann.CustomerID): 1, fmt.Sprint("event_id=", ids["approved"]): 1, fmt.Sprint("event_id=", ids["waiting"]): 0,
		} {
			if got := call[page](o, "GET", "/api/follow_ups?"+query, 200).FollowUps; len(got) != want {
				t.Errorf("%s: %+v, want %d", query, got, want)
			}
		}
		offer, _, err := s.Offer(t.Context(), models.FollowUpWork, "tell", 10, noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		claimed, err := s.ClaimFollowUps(t.Context(), offer, noon.Add(time.Hour))
		if err != nil || len(claimed) != len(all) {
			t.Fatalf("%d claimed, %v", len(claimed), err)
		}
		for _, f := range claimed {
			if err := s.Retry(t.Context(), models.FollowUpWork, f.ID, f.Attempts, fmt.Errorf("the receiver hung up"), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		failed := call[page](o, "GET", "/api/follow_ups?status=failed", 200).FollowUps
		if len(failed) != len(all) || failed[0].Error != "the receiver hung up" {
			t.Errorf("failed: %+v", failed)
		}
		path := fmt.Sprintf("/api/follow_ups/%d/replay", ann.ID)
		for _, want := range []int{1, 0} { // the second time it is waiting already
			if got := call[map[string]int](o, "POST", path, 202); got["replayed"] != want {
				t.Errorf("replay: %v, want %d", got, want)
			}
		}
		if got := call[page](o, "GET", "/api/follow_ups?status=waiting", 200).FollowUps; len(got) != 1 || got[0].ID != ann.ID || o.wakes.Load() == 0 {
			t.Errorf("waiting: %+v, %d wakes", got, o.wakes.Load())
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		type stats struct {
			Events        map[models.EventStatus]int    `json:"events"`
			Customers     map[models.Status]int         `json:"customers"`
			FollowUps     map[models.FollowUpStatus]int `json:"follow_ups"`
			Rejected      int                           `json:"rejected_deliveries"`
			Waiting       *float64                      `json:"oldest_waiting_seconds"`
			Subscriptions []SubscriptionState           `json:"subscriptions"`
		}
		empty := call[stats](o, "GET", "/api/stats", 200)
		if len(empty.Events) != len(models.EventStatuses) || len(empty.Customers) != len(models.Statuses) ||
			len(empty.FollowUps) != len(models.FollowUpStatuses) || empty.Waiting == nil || *empty.Waiting != 0 || empty.Subscriptions == nil {
			t.Errorf("nothing: %+v, want a zero for each status", empty)
		}
		o.fill()
		o.rejections.add(Rejection{Provider: "acme", Reason: WrongSecret})
		got := call[stats](o, "GET", "/api/stats", 200)
		if got.Events[models.Received] != 1 || got.Events[models.Processed] != 4 || got.Events[models.Failed] != 1 || got.Events[models.Quarantined] != 1 ||
			got.Customers[models.StatusVerified] != 1 || got.Customers[models.StatusInReview] != 1 || got.FollowUps[models.FollowUpWaiting] < 2 || got.Rejected != 1 {
			t.Errorf("%+v", got)
		}
		if want := time.Since(noon).Seconds(); *got.Waiting < want-60 || *got.Waiting > want+60 {
			t.Errorf("waiting for %v s, want about %v", *got.Waiting, want)
		}
	})
}

func TestListRejections(t *testing.T) {
	t.Parallel()
	o := newOffice(t, openStore(t, sqliteURL(t)), "")
	o.rejections.add(Rejection{Time: models.At(noon), Provider: "acme", RemoteAddress: "203.0.113.7", Reason: TooOld})
	o.rejections.add(Rejection{Time: models.At(noon), Provider: "other", RemoteAddress: "203.0.113.8", Reason: WrongSecret})
	send(t, "GET", o.url+"/api/rejections", nil, nil).want(t, 200, `{"rejections":[`+
		`{"id":2,"time":"2026-02-04T12:00:00Z","provider":"other","remote_address":"203.0.113.8","reason":"`+string(WrongSecret)+`"},`+
		`{"id":1,"time":"2026-02-04T12:00:00Z","provider":"acme","remote_address":"203.0.113.7","reason":"`+string(TooOld)+`"}]}`)
}
