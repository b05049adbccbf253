package models

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at is a time of the provider's, in minutes.
func at(minute int) Time {
	return At(time.Date(2026, 3, 2, 10, minute, 0, 0, time.UTC))
}

func decision(a Authority, s Status, minute int) Decision {
	return Decision{Source: FromApplicant, Authority: a, Status: s, At: at(minute), ExternalID: "evt"}
}

func screening(id string, s CheckStatus, hits, minute int) Check {
	return Check{Kind: ScreeningCheck, CheckID: id, Status: s, HitCount: hits, At: at(minute)}
}

func hit(id, check, resolution string) Hit {
	return Hit{HitID: id, Kind: HitKind, CheckIDs: Strings{check}, Resolution: resolution, FoundAt: at(1)}
}

// The rules of the customer's state, one row each.
func TestRecompute(t *testing.T) {
	t.Parallel()
	opened := Case{OpenedAt: at(1), Reason: "list match"}
	resolved := func(action Status, minute int) Case {
		return Case{OpenedAt: at(1), ResolvedAt: at(minute), Resolution: "done", ApplicantAction: action}
	}
	reopened := resolved(Verified, 5)
	reopened.Status, reopened.StatusAt = "in_progress", at(6)
	closedByStatus := opened
	closedByStatus.Status, closedByStatus.StatusAt = "closed", at(2)
	alert := Hit{HitID: "evt_a", Kind: AlertKind, FoundAt: at(5)}

	type state struct {
		Status    Status
		DecidedBy Authority
		Hold      bool
		Screening string
	}
	for name, test := range map[string]struct {
		facts Facts
		want  state
	}{
		"nobody has said anything": {Facts{}, state{Pending, Progress, false, ""}},

		// Authority before time.
		"an automatic result beats later progress": {
			Facts{Decisions: []Decision{decision(Automatic, Verified, 1), decision(Progress, InProgress, 2)}},
			state{Verified, Automatic, false, ""},
		},
		"an open case holds against a later automatic pass": {
			Facts{Decisions: []Decision{decision(Automatic, Verified, 9)}, Cases: []Case{opened}},
			state{InReview, OpenCase, false, ""},
		},
		"a person's word beats an open case": {
			Facts{Decisions: []Decision{decision(Manual, Verified, 0)}, Cases: []Case{opened}},
			state{Verified, Manual, false, ""},
		},
		"a person's word stands against a later automatic no": {
			Facts{Decisions: []Decision{decision(Manual, Verified, 1), decision(Automatic, FailedAuto, 2)}},
			state{Verified, Manual, false, ""},
		},

		// Within an authority the newest, then the more severe.
		"of two automatic results the newer": {
			Facts{Decisions: []Decision{decision(Automatic, FailedAuto, 1), {Source: FromSession, Authority: Automatic, Status: Verified, At: at(2)}}},
			state{Verified, Automatic, false, ""},
		},
		"of two at the same instant the more severe": {
			Facts{Decisions: []Decision{decision(Automatic, Verified, 1), {Source: FromSession, Authority: Automatic, Status: InReview, At: at(1)}}},
			state{InReview, Automatic, false, ""},
		},

		// Cases.
		"a case that only a hit names holds nobody": {
			Facts{Cases: []Case{{LinkedAt: at(1)}}}, state{Pending, Progress, false, ""},
		},
		"a case known by its assignment holds": {
			Facts{Cases: []Case{{AssignedAt: at(1), Assignee: "u"}}}, state{InReview, OpenCase, false, ""},
		},
		"a resolved case leaves its action": {
			Facts{Decisions: []Decision{decision(Automatic, FailedAuto, 9)}, Cases: []Case{resolved(Verified, 5)}},
			state{Verified, Manual, false, ""},
		},
		"a resolved case without an action leaves nothing": {
			Facts{Decisions: []Decision{decision(Automatic, FailedAuto, 1)}, Cases: []Case{resolved("", 5)}},
			state{FailedAuto, Automatic, false, ""},
		},
		"a case resolved before it was opened, as the news came, is resolved": {
			Facts{Cases: []Case{{ResolvedAt: at(5), ApplicantAction: Rejected}}}, state{Rejected, Manual, false, ""},
		},
		"a case that was opened again keeps its action, which outranks it": {
			Facts{Cases: []Case{reopened}}, state{Verified, Manual, false, ""},
		},
		"a case closed by its status holds nobody": {
			Facts{Cases: []Case{closedByStatus}}, state{Pending, Progress, false, ""},
		},

		// Holds never change the status.
		"a hit holds": {
			Facts{Decisions: []Decision{decision(Automatic, Verified, 1)}, Checks: []Check{screening("c", CheckHit, 1, 2)}},
			state{Verified, Automatic, true, "hit"},
		},
		"a hit count of zero still wants one false positive": {
			Facts{Checks: []Check{screening("c", CheckHit, 0, 2)}}, state{Pending, Progress, true, "hit"},
		},
		"all hits resolved as false positives lift it": {
			Facts{Checks: []Check{screening("c", CheckHit, 2, 2)}, Hits: []Hit{hit("1", "c", FalsePositive), hit("2", "c", FalsePositive)}},
			state{Pending, Progress, false, "hit"},
		},
		"some do not": {
			Facts{Checks: []Check{screening("c", CheckHit, 2, 2)}, Hits: []Hit{hit("1", "c", FalsePositive), hit("2", "c", "true_match")}},
			state{Pending, Progress, true, "hit"},
		},
		"another check's false positives do not": {
			Facts{Checks: []Check{screening("c", CheckHit, 1, 2)}, Hits: []Hit{hit("1", "d", FalsePositive)}},
			state{Pending, Progress, true, "hit"},
		},
		"more hits than counted want as many": {
			Facts{Checks: []Check{screening("c", CheckHit, 1, 2)}, Hits: []Hit{hit("1", "c", FalsePositive), hit("2", "c", "true_match")}},
			state{Pending, Progress, true, "hit"},
		},
		"a hit that nobody reported counts for no check": {
			Facts{Checks: []Check{screening("", CheckHit, 0, 2)}, Hits: []Hit{{HitID: "1", Kind: HitKind, Resolution: FalsePositive}}},
			state{Pending, Progress, true, "hit"},
		},
		"a hit that two checks found counts for both": {
			Facts{
				Checks: []Check{screening("c", CheckHit, 1, 2), screening("d", CheckHit, 1, 3)},
				Hits:   []Hit{{HitID: "1", Kind: HitKind, CheckIDs: Strings{"c", "d"}, Resolution: FalsePositive}},
			},
			state{Pending, Progress, false, "hit"},
		},
		"a later clear screening lifts it": {
			Facts{Checks: []Check{screening("c", CheckHit, 1, 2), screening("d", CheckClear, 0, 3)}},
			state{Pending, Progress, false, "clear"},
		},
		"an earlier or simultaneous one does not": {
			Facts{Checks: []Check{screening("c", CheckHit, 1, 2), screening("d", CheckClear, 0, 2)}},
			state{Pending, Progress, true, "hit"},
		},
		"a later approval by a person lifts it": {
			Facts{Decisions: []Decision{decision(Manual, Verified, 3)}, Checks: []Check{screening("c", CheckHit, 1, 2)}},
			state{Verified, Manual, false, "hit"},
		},
		"so does one by a case's resolution": {
			Facts{Cases: []Case{resolved(Verified, 3)}, Checks: []Check{screening("c", CheckHit, 1, 2)}},
			state{Verified, Manual, false, "hit"},
		},
		"a later automatic pass does not": {
			Facts{Decisions: []Decision{decision(Automatic, Verified, 3)}, Checks: []Check{screening("c", CheckHit, 1, 2)}},
			state{Verified, Automatic, true, "hit"},
		},
		"an alert after the approval holds again": {
			Facts{Decisions: []Decision{decision(Manual, Verified, 3)}, Hits: []Hit{alert}}, state{Verified, Manual, true, ""},
		},
		"until a screening comes back clear": {
			Facts{Decisions: []Decision{decision(Manual, Verified, 3)}, Hits: []Hit{alert}, Checks: []Check{screening("c", CheckClear, 0, 6)}},
			state{Verified, Manual, false, "clear"},
		},
		"a screening that ended in an error is no clear one": {
			Facts{Checks: []Check{screening("c", CheckHit, 1, 2), screening("d", CheckError, 0, 3)}},
			state{Pending, Progress, true, "error"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Customer
			c.recompute(test.facts)
			if diff := cmp.Diff(test.want, state{c.Status, c.DecidedBy, c.AMLHold, c.ScreeningStatus}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A screening that ended without a result takes the place of none that had one, in whatever order they are known.
func TestNoResultReplacesNone(t *testing.T) {
	t.Parallel()
	for _, status := range []CheckStatus{CheckClear, CheckHit} {
		result, none := screening("c", status, 1, 1), screening("c", CheckNotRun, 0, 2)
		for _, order := range [][]Check{{result, none}, {none, result}} {
			var known []Check
			for _, k := range order {
				known, _ = merge(known, k)
			}
			if len(known) != 1 || known[0].Status != status {
				t.Errorf("known %v, want the %s", known, status)
			}
		}
	}
}

// The revision counts each processed event once: those that name the person, and those of the person's cases.
func TestRevision(t *testing.T) {
	t.Parallel()
	c := Customer{Events: 3}
	c.recompute(Facts{Cases: []Case{{Events: 2}, {Events: 1}}})
	if c.Revision != 6 {
		t.Errorf("revision %d, want 6", c.Revision)
	}
}

// Each part of a profile keeps its newest version.
func TestProfile(t *testing.T) {
	t.Parallel()
	var c Customer
	score := 0
	c.merge(Profile{FirstName: "Asha", RiskScore: &score, Flags: []string{"pep"}}, at(2), "b")
	c.merge(Profile{FirstName: "Ash", LastName: "Patel"}, at(1), "a")
	c.merge(Profile{Flags: []string{}}, at(3), "c")
	c.recompute(Facts{})
	if c.FirstName != "Asha" || c.LastName != "Patel" || c.RiskScore == nil || *c.RiskScore != 0 || len(c.Flags) != 0 {
		t.Errorf("profile %+v", c)
	}
}

// What is said of a case's parts may come in any order.
func TestCaseMerge(t *testing.T) {
	t.Parallel()
	type news struct {
		change CaseChange
		at     int
	}
	all := []news{
		{CaseChange{Opened: &Opening{Type: "aml"}}, 1}, {CaseChange{Assignee: "first"}, 2}, {CaseChange{Assignee: "second"}, 3},
		{CaseChange{Status: "in_progress"}, 4}, {CaseChange{Status: "escalated"}, 4},
		{CaseChange{Resolved: &CaseResolution{Resolution: "done", Action: Verified}}, 5},
		{CaseChange{Resolved: &CaseResolution{Resolution: "undone", Action: Rejected}}, 5},
	}
	var forwards, backwards Case
	for i := range all {
		forwards.merge(all[i].change, "", at(all[i].at), "evt")
		j := len(all) - 1 - i
		backwards.merge(all[j].change, "", at(all[j].at), "evt")
	}
	if diff := cmp.Diff(forwards, backwards); diff != "" {
		t.Errorf("(-forwards +backwards)\n%s", diff)
	}
	if forwards.Assignee != "second" || forwards.Status != "escalated" || forwards.ApplicantAction != Rejected {
		t.Errorf("case %+v", forwards)
	}
}
