package models_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/identity-webhooks/models"
)

// said is one event of a history.
type said struct {
	id     string
	minute int
	facts  models.Facts
}

// history draws some events about two people, two cases and a company, many of them at the same instant.
func history(t *rapid.T) (events []said) {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	for i := range rapid.IntRange(2, 9).Draw(t, "events") {
		f := models.Facts{SubjectID: pick("person", "p", "q")}
		switch what := pick("what", "decision", "check", "hit", "resolution", "profile", "case", "open case", "resolved case", "company"); what {
		case "decision":
			f.Decisions = []models.Decision{{
				Source:    pick("source", models.FromSession, models.FromApplicant),
				Authority: rapid.SampledFrom([]models.Authority{models.ByProgress, models.ByAutomatic, models.ByManual}).Draw(t, "authority"),
				Status:    rapid.SampledFrom(models.Statuses).Draw(t, "status"),
			}}
		case "check":
			f.Checks = []models.Check{{Kind: models.ScreeningCheck, CheckID: pick("check", "c", "d"), HitCount: rapid.IntRange(0, 2).Draw(t, "hits"),
				Status: rapid.SampledFrom([]models.CheckStatus{models.CheckClear, models.CheckHit, models.CheckNotRun, models.CheckError}).Draw(t, "result")}}
		case "hit":
			f.Hits = []models.Hit{{HitID: pick("hit", "1", "2"), Kind: models.HitKind, CheckIDs: []string{pick("check", "c", "d")}, Name: fmt.Sprint("hit of ", i)},
				{HitID: pick("alert", "3", "4"), Kind: models.AlertKind}}
		case "resolution":
			f.Resolutions = []models.Resolution{{HitID: pick("hit", "1", "2", "3", "4"), Resolution: pick("resolution", models.FalsePositive, "true_match")}}
		case "profile":
			f.Profile = models.Profile{models.Email: pick("e-mail", "", "a@example.com", "b@example.com"), models.Flags: []string{pick("flag", "pep", "fraud")}}
		case "company":
			f = models.Facts{Company: &models.CompanyFacts{CompanyID: "k", Owner: &models.BeneficialOwner{OwnerID: pick("owner", "x", "y"), Name: fmt.Sprint("owner of ", i)},
				Verified: &models.CompanyVerification{Status: rapid.SampledFrom([]models.Status{models.StatusVerified, models.StatusInReview}).Draw(t, "status")}}}
		default:
			c := &models.CaseFacts{CaseID: pick("case", "c1", "c2"), Assignee: pick("assignee", "", "u", "v"), Status: pick("state", "", "open", "closed")}
			f.SubjectID, f.Case = pick("linked to", "", "p", "q"), c
			if what == "open case" {
				c.Opened = &models.Opening{Type: fmt.Sprint("opened by ", i)}
			}
			if what == "resolved case" {
				c.Resolved = &models.CaseResolution{Action: rapid.SampledFrom([]models.Status{"", models.StatusVerified, models.StatusRejected}).Draw(t, "action")}
			}
		}
		events = append(events, said{fmt.Sprint("evt-", i), rapid.IntRange(0, 3).Draw(t, "minute"), f})
	}
	return events
}

// Whatever the order in which events are applied, the rows that follow are the same.
func TestAnyOrderLeadsToTheSameRows(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite:"+t.TempDir()+"/test.db")
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		events := history(rt)
		order := rapid.Permutation(events).Draw(rt, "order")
		runs++
		var rows [2]string
		for i, events := range [][]said{events, order} {
			provider := fmt.Sprint(runs, "-", i) // a history of its own, in the same database
			for _, e := range events {
				row := at(e.minute, e.id)
				row.Provider = provider
				if _, err := s.AddEvent(ctx, row); err != nil {
					rt.Fatal(err)
				}
				o, _, err := s.Offer(ctx, models.EventWork, models.DefaultQueue, 1, now)
				if err != nil {
					rt.Fatal(err)
				}
				claimed, err := s.ClaimEvents(ctx, o, now)
				if err != nil || len(claimed) != 1 {
					rt.Fatal(claimed, err)
				}
				if _, _, err := s.ApplyEvent(ctx, claimed[0], e.facts, nothing, models.At(now)); err != nil {
					rt.Fatal(err)
				}
			}
			rows[i] = rowsOf(rt, s, provider)
		}
		if diff := gocmp.Diff(rows[0], rows[1]); diff != "" {
			rt.Fatalf("%+v\nin the order %+v\nrows (-as drawn +in that order)\n%s", events, order, diff)
		}
	})
}

// rowsOf prints what is known of a provider's people, cases and companies, without the numbers that the database gave them.
func rowsOf(t *rapid.T, s *models.Store, provider string) (rows string) {
	people, err := s.Customers(ctx, models.CustomerFilter{Provider: provider}, models.Page{Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(people, func(a, b models.Customer) int { return cmp.Compare(a.SubjectID, b.SubjectID) })
	for _, c := range people {
		_, known, err := s.Customer(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.ID = 0
		rows += fmt.Sprintf("%+v\n%+v\n%+v\n%+v\n%d cases\n", c, known.Decisions, known.Checks, known.Hits, len(known.Cases))
	}
	cases, err := s.Cases(ctx, models.Page{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(cases, func(a, b models.Case) int { return cmp.Compare(a.CaseID, b.CaseID) })
	for _, c := range cases {
		if c.Provider == provider {
			c.ID, c.CustomerID = 0, nil
			rows += fmt.Sprintf("%+v\n", c)
		}
	}
	companies, err := s.Companies(ctx, models.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range companies {
		if c.Provider == provider {
			c.ID = 0
			rows += fmt.Sprintf("%+v\n", c)
		}
	}
	return strings.ReplaceAll(rows, "Provider:"+provider, "")
}
