package handlers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/models"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		if got := send(t, "GET", o.url+"/api/customers", nil, nil); got.body != `{"customers":[],"next_cursor":""}` {
			t.Errorf("nobody: %s", got.body)
		}
		o.fill()
		for query, want := range map[string][]string{
			"":                   {"bob", "ann"},
			"provider=trustgate": {"bob", "ann"},
			"provider=trst":      nil,
			"subject_id=ann":     {"ann"},
			"external_id=cust_1": {"ann"},
			"external_id=cust_2": nil,
			"status=verified":    {"ann"},
			"status=in_review":   {"bob"},
			"aml_hold=true":      {"bob"},
			"aml_hold=false":     {"ann"},
			"limit=1":            {"bob"},
			"provider=trustgate&status=verified&aml_hold=true": nil,
		} {
			var got []string
			for _, c := range call[customerList](o, "GET", "/api/customers?"+query, 200).Customers {
				got = append(got, c.SubjectID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
		first := call[customerList](o, "GET", "/api/customers?limit=1", 200)
		second := call[customerList](o, "GET", "/api/customers?limit=1&cursor="+first.Next, 200)
		if len(second.Customers) != 1 || second.Customers[0].SubjectID != "ann" {
			t.Errorf("second page: %+v", second)
		}
	})
}

func TestCustomerDocument(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		o.fill()
		for _, c := range call[customerList](o, "GET", "/api/customers", 200).Customers {
			raw := call[map[string]json.RawMessage](o, "GET", fmt.Sprint("/api/customers/", c.ID), 200)
			for _, name := range strings.Fields("id provider subject_id external_id tenant_id first_name last_name email status status_reason " +
				"status_at decided_by risk_level risk_score flags screening_status aml_hold sandbox revision created_at updated_at " +
				"decisions checks hits cases events") {
				if raw[name] == nil {
					t.Errorf("%s has no %s", c.SubjectID, name)
				}
			}
			for _, name := range strings.Fields("flags decisions checks hits cases events") {
				if string(raw[name]) == "null" {
					t.Errorf("%s: %s is null, want a list", c.SubjectID, name)
				}
			}
			full := call[struct {
				models.Customer
				models.Facts
				Events []models.Event `json:"events"`
			}](o, "GET", fmt.Sprint("/api/customers/", c.ID), 200)
			f := full.Facts
			got := fmt.Sprintf("%s %s %d", full.Status, eventList{Events: full.Events}.ids(), full.Revision)
			switch c.SubjectID {
			case "ann":
				if got != "verified [approved] 1" || len(f.Decisions) != 1 || len(f.Checks) != 1 || *full.RiskScore != 18 ||
					!slices.Equal(full.Flags, []string{"vpn"}) || full.FirstName != "Ann" || f.Checks[0].CheckID != "doc_1" {
					t.Errorf("ann: %s, %+v", got, full)
				}
			case "bob":
				if got != "in_review [case hit] 2" || len(f.Hits) != 1 || len(f.Cases) != 1 || f.Cases[0].Priority != "high" || !full.AMLHold {
					t.Errorf("bob: %s, %+v", got, full)
				}
			}
		}
	})
}

func TestCases(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		if got := send(t, "GET", o.url+"/api/cases", nil, nil); got.body != `{"cases":[],"next_cursor":""}` {
			t.Errorf("none: %s", got.body)
		}
		o.process(models.Event{Provider: "trustgate", ExternalID: "one"}, models.Change{
			SubjectID: "bob", Cases: []models.CaseChange{{CaseID: "case_1"}},
		})
		o.process(models.Event{Provider: "trustgate", ExternalID: "two"}, models.Change{
			Cases: []models.CaseChange{{CaseID: "case_2", Opened: &models.Opening{Type: "fraud"}}},
		})
		type caseList struct {
			Cases []models.Case `json:"cases"`
			Next  string        `json:"next_cursor"`
		}
		first := call[caseList](o, "GET", "/api/cases?limit=1", 200)
		second := call[caseList](o, "GET", "/api/cases?limit=1&cursor="+first.Next, 200)
		if len(first.Cases) != 1 || first.Cases[0].CaseID != "case_2" || first.Cases[0].CustomerID != nil {
			t.Errorf("newest: %+v", first)
		}
		if len(second.Cases) != 1 || second.Cases[0].CaseID != "case_1" || second.Cases[0].CustomerID == nil {
			t.Errorf("next: %+v", second)
		}
	})
}

func TestCompanies(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		if got := send(t, "GET", o.url+"/api/companies", nil, nil); got.body != `{"companies":[],"next_cursor":""}` {
			t.Errorf("none: %s", got.body)
		}
		for id, c := range map[string]models.CompanyChange{
			"one": {CompanyID: "ltd", Registered: &models.Registration{LegalName: "Example Ltd"}},
			"two": {CompanyID: "ltd", Owner: &models.BeneficialOwner{OwnerID: "ubo_1", Name: "Ann", Percentage: 40}},
		} {
			o.process(models.Event{Provider: "trustgate", ExternalID: id}, models.Change{Company: &c})
		}
		o.process(models.Event{Provider: "trustgate", ExternalID: "three"}, models.Change{Company: &models.CompanyChange{
			CompanyID: "gmbh", Registered: &models.Registration{LegalName: "Beispiel GmbH"},
		}})
		type companyList struct {
			Companies []models.Company `json:"companies"`
			Next      string           `json:"next_cursor"`
		}
		first := call[companyList](o, "GET", "/api/companies?limit=1", 200)
		second := call[companyList](o, "GET", "/api/companies?limit=1&cursor="+first.Next, 200)
		if len(first.Companies) != 1 || first.Companies[0].LegalName != "Beispiel GmbH" || len(first.Companies[0].Owners) != 0 {
			t.Errorf("newest: %+v", first)
		}
		if len(second.Companies) != 1 || second.Companies[0].LegalName != "Example Ltd" || len(second.Companies[0].Owners) != 1 ||
			second.Companies[0].Owners[0].Name != "Ann" {
			t.Errorf("next: %+v", second)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	onEachBackEnd(t, func(t *testing.T, s *models.Store) {
		o := newOffice(t, s, "")
		type stats struct {
			Events    map[models.EventStatus]int `json:"events"`
			Customers map[models.Status]int      `json:"customers"`
			Rejected  int                        `json:"rejected_deliveries"`
			Waiting   *float64                   `json:"oldest_waiting_seconds"`
		}
		empty := call[stats](o, "GET", "/api/stats", 200)
		if len(empty.Events) != len(models.EventStatuses) || len(empty.Customers) != len(models.Statuses) || empty.Waiting == nil || *empty.Waiting != 0 {
			t.Errorf("nothing: %+v, want a zero for each status", empty)
		}
		o.fill()
		o.rejections.add(Rejection{Provider: "trst", Reason: WrongSecret})
		got := call[stats](o, "GET", "/api/stats", 200)
		if got.Events[models.Received] != 1 || got.Events[models.Processed] != 4 || got.Events[models.Failed] != 1 || got.Events[models.Quarantined] != 1 ||
			got.Customers[models.Verified] != 1 || got.Customers[models.InReview] != 1 || got.Rejected != 1 {
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
	send(t, "GET", o.url+"/api/rejections", nil, nil).want(t, 200, `{"rejections":[]}`)
	o.rejections.add(Rejection{Time: models.At(noon), Provider: "trst", RemoteAddress: "203.0.113.7", Reason: TooOld})
	o.rejections.add(Rejection{Time: models.At(noon), Provider: "trustist", RemoteAddress: "203.0.113.8", Reason: WrongToken})
	send(t, "GET", o.url+"/api/rejections", nil, nil).want(t, 200, `{"rejections":[`+
		`{"id":2,"time":"2026-02-04T12:00:00Z","provider":"trustist","remote_address":"203.0.113.8","reason":"wrong path token"},`+
		`{"id":1,"time":"2026-02-04T12:00:00Z","provider":"trst","remote_address":"203.0.113.7","reason":"too old"}]}`)
}
