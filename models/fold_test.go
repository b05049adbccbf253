package models

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// minute is a time of the provider's.
func minute(n int) Time { return At(time.Date(2026, 3, 2, 10, n, 0, 0, time.UTC)) }

// saying is one event.
type saying struct {
	minute int
	facts  Facts
}

// known is what is left of the events when each fact has kept its newest version.
func known(list func(*Facts) []Fact, events []saying) (facts []Fact) {
	newest := map[string]Fact{}
	for i, e := range events {
		for _, f := range list(&e.facts) {
			f.At, f.ExternalID = minute(e.minute), fmt.Sprint("evt-", i)
			old, twice := newest[f.Name+sep+f.Key]
			if !twice || newer(f.At, f.Rank, f.ExternalID, old.At, old.Rank, old.ExternalID) {
				newest[f.Name+sep+f.Key] = f
			}
		}
	}
	for _, f := range newest { // in any order
		facts = append(facts, f)
	}
	return facts
}

// says is an event about the person.
func says(minute int, d ...Decision) saying { return saying{minute, Facts{Decisions: d}} }

func session(a Authority, s Status) Decision {
	return Decision{Source: FromSession, Authority: a, Status: s}
}
func applicant(a Authority, s Status) Decision {
	return Decision{Source: FromApplicant, Authority: a, Status: s}
}

func screening(minute int, id string, s CheckStatus, hits int) saying {
	return saying{minute, Facts{Checks: []Check{{Kind: ScreeningCheck, CheckID: id, Status: s, HitCount: hits}}}}
}

func hit(id string, checks ...string) saying {
	return saying{2, Facts{Hits: []Hit{{HitID: id, Kind: HitKind, CheckIDs: checks}}}}
}

func alert(minute int, id string) saying {
	return saying{minute, Facts{Hits: []Hit{{HitID: id, Kind: AlertKind}}}}
}

func resolved(id, resolution string) saying {
	return saying{3, Facts{Resolutions: []Resolution{{HitID: id, Resolution: resolution}}}}
}

// reviewed is an event about the person's case.
func reviewed(minute int, c CaseFacts) saying { return saying{minute, Facts{Case: &c}} }

func settled(minute int, action Status) saying {
	return reviewed(minute, CaseFacts{Resolved: &CaseResolution{Resolution: "done", Action: action}})
}

// The rules of the customer's state, one row each.
func TestFold(t *testing.T) {
	t.Parallel()
	opened := reviewed(1, CaseFacts{Opened: &Opening{Reason: "list match"}})
	status := func(minute int, s string) saying { return reviewed(minute, CaseFacts{Status: s}) }
	type state struct {
		Status    Status
		DecidedBy Authority
		Screening string
		Hold      bool
	}
	free := func(s Status, by Authority) state { return state{Status: s, DecidedBy: by} }
	held := state{StatusPending, ByProgress, "hit", true}
	lifted := state{StatusPending, ByProgress, "hit", false}
	for name, test := range map[string]struct {
		events []saying
		want   state
	}{
		"nobody has said anything": {nil, free(StatusPending, ByProgress)},

		// Authority before time.
		"an automatic result beats later progress": {
			[]saying{says(1, session(ByAutomatic, StatusVerified)), says(2, session(ByProgress, StatusInProgress))}, free(StatusVerified, ByAutomatic)},
		"a person's decision stands against a later automatic no": {
			[]saying{says(1, applicant(ByManual, StatusVerified)), says(2, applicant(ByAutomatic, StatusFailed))}, free(StatusVerified, ByManual)},
		"until a person decides otherwise": {
			[]saying{says(1, applicant(ByManual, StatusVerified)), says(2, applicant(ByManual, StatusWithdrawn))}, free(StatusWithdrawn, ByManual)},

		"or takes the decision back": {
			[]saying{says(1, session(ByManual, StatusVerified)), says(2, session(ByManual, ""), session(ByAutomatic, StatusPending))}, free(StatusPending, ByAutomatic)},
		"a decision after one was taken back counts": {
			[]saying{says(2, session(ByManual, "")), says(3, session(ByManual, StatusRejected))}, free(StatusRejected, ByManual)},

		// Within an authority the newest, then the more severe.
		"of two automatic results the newer": {
			[]saying{says(1, applicant(ByAutomatic, StatusFailed)), says(2, session(ByAutomatic, StatusVerified))}, free(StatusVerified, ByAutomatic)},
		"of two at the same instant the more severe": {
			[]saying{says(1, applicant(ByAutomatic, StatusVerified)), says(1, session(ByAutomatic, StatusInReview))}, free(StatusInReview, ByAutomatic)},
		"of two by one event the more severe": {
			[]saying{says(1, applicant(ByAutomatic, StatusVerified), session(ByAutomatic, StatusFailed))}, free(StatusFailed, ByAutomatic)},

		// Cases.
		"an open case holds against a later automatic pass": {
			[]saying{opened, says(9, applicant(ByAutomatic, StatusVerified))}, free(StatusInReview, ByOpenCase)},
		"a person's decision beats an open case": {
			[]saying{says(0, applicant(ByManual, StatusVerified)), opened}, free(StatusVerified, ByManual)},
		"a case that only a hit names holds nobody": {
			[]saying{{1, Facts{SubjectID: "p", Case: &CaseFacts{}}}}, free(StatusPending, ByProgress)},
		"a case known by its assignment holds": {
			[]saying{reviewed(1, CaseFacts{Assignee: "u"})}, free(StatusInReview, ByOpenCase)},
		"a case known by its escalation holds": {
			[]saying{reviewed(1, CaseFacts{Escalated: &Escalation{To: "u"}})}, free(StatusInReview, ByOpenCase)},
		"a resolved case leaves its action": {
			[]saying{opened, settled(5, StatusVerified), says(9, applicant(ByAutomatic, StatusFailed))}, free(StatusVerified, ByManual)},
		"a resolved case without an action leaves nothing": {
			[]saying{opened, settled(5, ""), says(1, applicant(ByAutomatic, StatusFailed))}, free(StatusFailed, ByAutomatic)},
		"a case whose opening came after its resolution is resolved": {
			[]saying{settled(5, StatusRejected)}, free(StatusRejected, ByManual)},
		"a resolved case that was opened again holds": {
			[]saying{opened, settled(5, ""), status(6, "in_progress")}, free(StatusInReview, ByOpenCase)},
		"but its action outranks that": {
			[]saying{opened, settled(5, StatusVerified), status(6, "in_progress")}, free(StatusVerified, ByManual)},
		"a case closed by its status holds nobody": {
			[]saying{opened, status(2, "CLOSED")}, free(StatusPending, ByProgress)},
		"of a case's states of one instant the later stage": {
			[]saying{status(2, "closed"), status(2, "open")}, free(StatusPending, ByProgress)},

		// Holds never change the status.
		"a hit holds": {
			[]saying{says(1, applicant(ByAutomatic, StatusVerified)), screening(2, "c", CheckHit, 1)}, state{StatusVerified, ByAutomatic, "hit", true}},
		"a hit count of zero still wants one false positive": {[]saying{screening(2, "c", CheckHit, 0)}, held},
		"all hits resolved as false positives lift it": {
			[]saying{screening(2, "c", CheckHit, 2), hit("1", "c"), hit("2", "c"), resolved("1", FalsePositive), resolved("2", FalsePositive)}, lifted},
		"some do not": {
			[]saying{screening(2, "c", CheckHit, 2), hit("1", "c"), hit("2", "c"), resolved("1", FalsePositive), resolved("2", "true_match")}, held},
		"fewer hits than counted do not": {
			[]saying{screening(2, "c", CheckHit, 2), hit("1", "c"), resolved("1", FalsePositive)}, held},
		"more hits than counted want as many": {
			[]saying{screening(2, "c", CheckHit, 1), hit("1", "c"), hit("2", "c"), resolved("1", FalsePositive)}, held},
		"another check's false positives do not lift it": {
			[]saying{screening(2, "c", CheckHit, 1), hit("1", "d"), resolved("1", FalsePositive)}, held},
		"a hit that nobody reported counts for no check": {
			[]saying{screening(2, "", CheckHit, 0), resolved("1", FalsePositive)}, held},
		"a hit that two checks found counts for both": {
			[]saying{screening(2, "c", CheckHit, 1), screening(3, "d", CheckHit, 1), hit("1", "c", "d"), resolved("1", FalsePositive)}, lifted},
		"a later clear screening lifts it": {
			[]saying{screening(2, "c", CheckHit, 1), screening(3, "d", CheckClear, 0)}, state{StatusPending, ByProgress, "clear", false}},
		"a clear one of the same instant does not": {[]saying{screening(2, "c", CheckHit, 1), screening(2, "d", CheckClear, 0)}, held},
		"a later approval by a person lifts it": {
			[]saying{screening(2, "c", CheckHit, 1), says(3, applicant(ByManual, StatusVerified))}, state{StatusVerified, ByManual, "hit", false}},
		"so does one by a case's resolution": {
			[]saying{screening(2, "c", CheckHit, 1), settled(3, StatusVerified)}, state{StatusVerified, ByManual, "hit", false}},
		"a later automatic pass does not": {
			[]saying{screening(2, "c", CheckHit, 1), says(3, applicant(ByAutomatic, StatusVerified))}, state{StatusVerified, ByAutomatic, "hit", true}},
		"an alert after the approval holds again": {
			[]saying{says(3, applicant(ByManual, StatusVerified)), alert(5, "a")}, state{StatusVerified, ByManual, "", true}},
		"until it is resolved as a false positive": {
			[]saying{says(3, applicant(ByManual, StatusVerified)), alert(5, "a"), resolved("a", FalsePositive)}, free(StatusVerified, ByManual)},
		"or a screening comes back clear": {
			[]saying{alert(5, "a"), screening(6, "c", CheckClear, 0)}, state{StatusPending, ByProgress, "clear", false}},
		"a screening that passed ends its own hold": {
			[]saying{screening(2, "c", CheckHit, 2), screening(3, "c", CheckPassed, 0)}, state{StatusPending, ByProgress, "passed", false}},
		"but no other": {
			[]saying{screening(2, "c", CheckHit, 1), screening(3, "d", CheckPassed, 0)}, state{StatusPending, ByProgress, "passed", true}},
		"nor an alert": {
			[]saying{alert(2, "c"), screening(3, "c", CheckPassed, 0)}, state{StatusPending, ByProgress, "passed", true}},
		"a screening that did not finish lifts nothing": {
			[]saying{screening(2, "c", CheckHit, 1), screening(3, "d", CheckError, 0)}, state{StatusPending, ByProgress, "error", true}},
		"nor does it take a hit's place": {[]saying{screening(2, "c", CheckHit, 1), screening(3, "c", CheckNotRun, 0)}, held},
		"or a clear one's": {
			[]saying{screening(2, "c", CheckClear, 0), screening(3, "c", CheckNotRun, 0)}, state{StatusPending, ByProgress, "clear", false}},
		"other checks hold nobody": {
			[]saying{{1, Facts{Checks: []Check{{Kind: DocumentCheck, Status: CheckFailed}, {Kind: IdentityCheck, Status: CheckHit}}}}}, free(StatusPending, ByProgress)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var person, cased []saying
			for _, e := range test.events {
				if e.facts.Case != nil {
					cased = append(cased, e)
				} else {
					person = append(person, e)
				}
			}
			var cases []Case
			if cased != nil {
				cases = []Case{{CaseID: "c"}}
				cases[0].fold(known((*Facts).aboutCase, cased))
			}
			var c Customer
			c.fold(known((*Facts).aboutPerson, person), cases)
			if diff := cmp.Diff(test.want, state{c.Status, c.DecidedBy, c.ScreeningStatus, c.AMLHold}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Each part of a profile keeps its newest value; an empty one clears it.
func TestFoldProfile(t *testing.T) {
	t.Parallel()
	zero := 0
	var c Customer
	c.fold(known((*Facts).aboutPerson, []saying{
		{2, Facts{Profile: Profile{FirstName: "Asha", RiskScore: &zero, Email: "a@example.com", Flags: []string{"pep"}}}},
		{1, Facts{Profile: Profile{FirstName: "Ash", LastName: "Patel", InSandbox: true}}},
		{3, Facts{Profile: Profile{Flags: []string{}, Email: "", "unknown": "x"}}},
	}), nil)
	want := Customer{FirstName: "Asha", LastName: "Patel", RiskScore: &zero, Flags: Strings{}, Sandbox: true, Status: StatusPending, DecidedBy: ByProgress}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A company is what its newest facts say.
func TestFoldCompany(t *testing.T) {
	t.Parallel()
	of := func(n int, c CompanyFacts) saying { return saying{n, Facts{Company: &c}} }
	events := []saying{
		of(1, CompanyFacts{Registered: &Registration{LegalName: "Acme Ltd"}}),
		of(2, CompanyFacts{Verified: &CompanyVerification{Status: StatusVerified, OwnerCount: 2}}),
		of(2, CompanyFacts{Verified: &CompanyVerification{Status: StatusFailed, OwnerCount: 2}}),
		of(3, CompanyFacts{Owner: &BeneficialOwner{OwnerID: "b", Percentage: 40}}),
		of(4, CompanyFacts{Owner: &BeneficialOwner{OwnerID: "a", Percentage: 60}}),
	}
	want := Company{
		LegalName: "Acme Ltd", RegisteredAt: minute(1), Status: StatusFailed, OwnerCount: 2, VerifiedAt: minute(2), Owners: []BeneficialOwner{
			{OwnerID: "a", Percentage: 60, At: minute(4), ExternalID: "evt-4"}, {OwnerID: "b", Percentage: 40, At: minute(3), ExternalID: "evt-3"},
		},
	}
	var got Company
	got.fold(known((*Facts).aboutCompany, events))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The order of facts does not matter, not even between facts of one event.
func TestFoldIsOrderIndependent(t *testing.T) {
	t.Parallel()
	facts := known((*Facts).aboutPerson, []saying{
		screening(2, "c", CheckHit, 2), screening(2, "d", CheckHit, 1), alert(2, "a"), resolved("1", FalsePositive), resolved("a", "true_match"),
		{2, Facts{Hits: []Hit{{HitID: "1", CheckIDs: []string{"c"}, Name: "Asha Patel"}, {HitID: "1", CheckIDs: []string{"d"}, Name: "A. Patel"}}}},
		says(2, session(ByAutomatic, StatusVerified), applicant(ByAutomatic, StatusVerified)),
	})
	want := customerFacts(facts, nil)
	for range 50 {
		rand.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		if diff := cmp.Diff(want, customerFacts(facts, nil)); diff != "" {
			t.Fatalf("(-one order +another)\n%s", diff)
		}
	}
}
