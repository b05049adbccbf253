package jobs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/identity-webhooks/models"
)

// Facts about nobody, or about somebody whose ID cannot be kept, are an error at once.
func TestFactsNeedASubject(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxID+1)
	person := Person{ID: "p"}
	for name, f := range map[string]models.Facts{
		"decision about nobody":    sessionCompleted(Session{}),
		"check about nobody":       checkCompleted(Person{}, models.Check{}),
		"hit about nobody":         screeningHit(Screening{}),
		"alert about nobody":       monitoringAlert(models.Event{ExternalID: "e"}, Person{}, "", models.Hit{}),
		"redaction of nobody":      personRedacted(Person{}),
		"long ID of a person":      sessionCompleted(Session{Person: Person{ID: long}}),
		"case without ID":          caseUpdated(person, models.CaseFacts{Assignee: "u"}),
		"long ID of a case":        caseUpdated(Person{}, models.CaseFacts{CaseID: long}),
		"long ID of its company":   caseCreated(Opening{CaseID: "c", CompanyID: long}),
		"company without ID":       companyUpdated(models.CompanyFacts{}),
		"long ID of a company":     companyUpdated(models.CompanyFacts{CompanyID: long}),
		"owner without ID":         companyUpdated(models.CompanyFacts{CompanyID: "c", Owner: &models.BeneficialOwner{}}),
		"resolution without a hit": hitResolved(person, models.Resolution{Resolution: models.FalsePositive}),
	} {
		if err := complete(&f); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v, want %v", name, err, ErrPermanent)
		}
	}
}

// A long ID of a detail becomes a digest, and an ID that is only an aside is dropped: neither costs the event its meaning.
func TestLongIDsOfDetails(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxID+1)
	digest := shortID(long)
	if len(digest) > maxID || digest == shortID(long+"x") {
		t.Fatalf("digest %q", digest)
	}
	f := screeningHit(Screening{
		Person:  Person{ID: strings.Repeat("p", maxID), Profile: models.Profile{models.ExternalID: long, models.Email: "a@example.org"}},
		CheckID: long, CaseID: long, Hits: []models.Hit{{HitID: long, Resolution: models.FalsePositive}},
	})
	if err := complete(&f); err != nil {
		t.Fatal(err)
	}
	want := models.Facts{
		SubjectID:   strings.Repeat("p", maxID),
		Profile:     models.Profile{models.Email: "a@example.org"},
		Checks:      []models.Check{{Kind: models.ScreeningCheck, CheckID: digest, Status: models.CheckHit, HitCount: 1}},
		Hits:        []models.Hit{{HitID: digest, Kind: models.HitKind, CheckIDs: []string{digest}, CaseID: digest}},
		Resolutions: []models.Resolution{{HitID: digest, Resolution: models.FalsePositive}},
		Drift:       []string{"the case's ID is too long", "the person's external ID is too long"},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
