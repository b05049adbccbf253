package models

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// The rows of customers, cases and companies are pure functions of the facts about them: fold reads no clock and no database, and does
// not depend on the order of its arguments.

// CustomerFacts are the facts about a person, without the profile.
type CustomerFacts struct {
	Decisions []Decision `json:"decisions"` // including those that follow from the cases
	Checks    []Check    `json:"checks"`
	Hits      []Hit      `json:"hits"`
	Cases     []Case     `json:"cases"`
}

// customerFacts decodes the facts about a person, sorted.
func customerFacts(facts []Fact, cases []Case) CustomerFacts {
	k := CustomerFacts{Decisions: []Decision{}, Checks: []Check{}, Cases: append([]Case{}, cases...)}
	facts = slices.SortedFunc(slices.Values(facts), func(a, b Fact) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key)) })
	k.Hits = foldHits(facts)
	finished := map[string]bool{}
	for _, f := range facts {
		switch f.Name {
		case factDecision:
			if d := value[Decision](f); d.Status != "" {
				d.At, d.ExternalID = f.At, f.ExternalID
				k.Decisions = append(k.Decisions, d)
			}
		case factCheck, factUnfinished:
			if f.Name == factUnfinished && finished[f.Key] {
				continue // by name, it comes after the finished check
			}
			finished[f.Key] = true
			c := value[Check](f)
			c.At, c.ExternalID = f.At, f.ExternalID
			k.Checks = append(k.Checks, c)
		}
	}
	for i := range cases {
		k.Decisions = append(k.Decisions, cases[i].decisions()...)
	}
	slices.SortFunc(k.Decisions, func(a, b Decision) int {
		return cmp.Or(a.At.Compare(b.At.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Authority, b.Authority), cmp.Compare(a.ExternalID, b.ExternalID))
	})
	slices.SortFunc(k.Checks, func(a, b Check) int {
		return cmp.Or(a.At.Compare(b.At.Time), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.CheckID, b.CheckID))
	})
	return k
}

// foldHits joins hits with the checks that found them and with their resolutions.
func foldHits(sorted []Fact) []Hit {
	byID := map[string]Hit{}
	for _, f := range sorted {
		id, check, found := strings.Cut(f.Key, sep)
		h := byID[id]
		switch f.Name {
		case factHit:
			if newer(f.At, 0, f.ExternalID, h.FoundAt, 0, h.FoundBy) {
				n := value[Hit](f)
				h.Kind, h.CaseID, h.Type, h.Name, h.Source, h.Confidence = n.Kind, n.CaseID, n.Type, n.Name, n.Source, n.Confidence
				h.FoundAt, h.FoundBy = f.At, f.ExternalID
			}
			if found {
				h.CheckIDs = append(h.CheckIDs, check)
			}
		case factResolution:
			r := value[Resolution](f)
			h.Kind, h.Resolution, h.Resolver, h.ResolvedAt, h.ResolvedBy = cmp.Or(h.Kind, HitKind), r.Resolution, r.Resolver, f.At, f.ExternalID
		default:
			continue
		}
		h.HitID = id
		byID[id] = h
	}
	hits := []Hit{}
	for _, h := range byID {
		h.CheckIDs = append([]string{}, h.CheckIDs...) // never null in JSON
		hits = append(hits, h)
	}
	slices.SortFunc(hits, func(a, b Hit) int { return cmp.Or(a.FoundAt.Compare(b.FoundAt.Time), cmp.Compare(a.HitID, b.HitID)) })
	return hits
}

// newer compares two versions as the statement that writes facts does: by time, then severity, then the event's external ID, and never by
// the order of arrival.
func newer(at Time, rank int, by string, oldAt Time, oldRank int, oldBy string) bool {
	return cmp.Or(at.Compare(oldAt.Time), cmp.Compare(rank, oldRank), cmp.Compare(by, oldBy)) > 0
}

// fold sets every column of c that follows from the facts about the person and from the person's cases.
func (c *Customer) fold(facts []Fact, cases []Case) {
	k := customerFacts(facts, cases)
	d := k.Decision()
	c.Status, c.StatusReason, c.StatusAt, c.DecidedBy = d.Status, d.Reason, d.At, d.Authority
	c.ScreeningStatus, c.AMLHold = k.screeningStatus(), k.hold()
	c.foldProfile(facts)
	c.Revision = c.Events
	for _, kase := range cases {
		c.Revision += kase.Events
	}
}

// Decision returns the one that counts: the newest of those with the highest authority.
func (k *CustomerFacts) Decision() Decision {
	best := Decision{Status: StatusPending, Authority: ByProgress}
	for _, d := range k.Decisions {
		rank := cmp.Compare(authorityRank[d.Authority], authorityRank[best.Authority])
		if rank > 0 || rank == 0 && newer(d.At, severity[d.Status], d.ExternalID, best.At, severity[best.Status], best.ExternalID) {
			best = d
		}
	}
	return best
}

// screeningStatus returns the result of the newest screening; empty if there was none.
func (k *CustomerFacts) screeningStatus() string {
	var newest Check
	for _, c := range k.Checks {
		if c.Kind == ScreeningCheck && newer(c.At, checkSeverity[c.Status], c.ExternalID, newest.At, checkSeverity[newest.Status], newest.ExternalID) {
			newest = c
		}
	}
	return string(newest.Status)
}

// hold reports whether a hit or an alert keeps the person on hold.
//
// A check with hits holds until its hits are resolved as false positives: as many as it counted, all that are known, and at least one. An
// alert holds until it is resolved as a false positive. A clear screening or a manual approval lifts both, if its provider time is later. A
// screening that passed has replaced what the same check found before.
func (k *CustomerFacts) hold() bool {
	lifted := k.liftedAt()
	known, cleared := map[string]int{}, map[string]int{} // hits by check, and those of them that were false positives
	for _, h := range k.Hits {
		if h.Kind == AlertKind && h.Resolution != FalsePositive && !lifted.After(h.FoundAt.Time) {
			return true
		}
		for _, check := range h.CheckIDs {
			known[check]++
			if h.Resolution == FalsePositive {
				cleared[check]++
			}
		}
	}
	for _, c := range k.Checks {
		open := cleared[c.CheckID] < max(1, c.HitCount, known[c.CheckID])
		if c.Kind == ScreeningCheck && c.Status == CheckHit && open && !lifted.After(c.At.Time) {
			return true
		}
	}
	return false
}

// liftedAt returns the time of the newest clear screening or manual approval.
func (k *CustomerFacts) liftedAt() (at Time) {
	for _, c := range k.Checks {
		if c.Kind == ScreeningCheck && c.Status == CheckClear && c.At.After(at.Time) {
			at = c.At
		}
	}
	for _, d := range k.Decisions {
		if d.Authority == ByManual && d.Status == StatusVerified && d.At.After(at.Time) {
			at = d.At
		}
	}
	return at
}

// foldProfile copies the profile's values to their columns.
func (c *Customer) foldProfile(facts []Fact) {
	c.ExternalID, c.TenantID, c.FirstName, c.LastName, c.Email, c.RiskLevel = "", "", "", "", "", ""
	c.RiskScore, c.Flags, c.Sandbox = nil, nil, false
	columns := map[ProfileField]any{
		ExternalID: &c.ExternalID, TenantID: &c.TenantID, FirstName: &c.FirstName, LastName: &c.LastName, Email: &c.Email,
		RiskLevel: &c.RiskLevel, RiskScore: &c.RiskScore, Flags: &c.Flags, InSandbox: &c.Sandbox,
	}
	for _, f := range facts {
		if column := columns[ProfileField(f.Key)]; f.Name == factProfile && column != nil {
			_ = json.Unmarshal([]byte(f.Value), column) // a value of another type leaves the column empty
		}
	}
}

// stages orders the states of a case: of two with the same time, the later stage counts. An unknown state counts as open.
var stages = []string{"open", "in_progress", "escalated", "resolved", "closed"}

// fold sets every column of c that follows from the facts about the case. The caller sets CustomerID.
func (c *Case) fold(facts []Fact) {
	for _, f := range facts {
		switch f.Name {
		case factOpened:
			o := value[Opening](f)
			c.Type, c.Priority, c.Reason, c.OpenedAt = o.Type, o.Priority, o.Reason, f.At
		case factLinked:
			l := value[link](f)
			c.SubjectID, c.CompanyID = l.SubjectID, l.CompanyID
		case factAssigned:
			c.Assignee, c.AssignedAt = value[string](f), f.At
		case factStatus:
			c.Status, c.StatusAt = value[string](f), f.At
		case factEscalated:
			e := value[Escalation](f)
			c.EscalatedTo, c.Escalation, c.EscalatedAt = e.To, e.Reason, f.At
		case factResolved:
			r := value[CaseResolution](f)
			c.Resolution, c.ApplicantAction, c.Resolver, c.ResolvedAt, c.ResolvedBy = r.Resolution, r.Action, r.Resolver, f.At, f.ExternalID
		}
	}
}

// IsOpen reports whether the case waits for a reviewer. A resolution closes it, unless a later status opens it again. A case that is known
// only because a hit names it is not open: a hit does not change the person's status.
func (c *Case) IsOpen() bool {
	if c.StatusAt.After(c.ResolvedAt.Time) {
		status := strings.ToLower(c.Status)
		return status != "resolved" && status != "closed"
	}
	return c.ResolvedAt.IsZero() && !c.since().IsZero()
}

// since returns when the case was opened, or else the first time at which it is known to be open.
func (c *Case) since() Time {
	if !c.OpenedAt.IsZero() {
		return c.OpenedAt
	}
	var first Time
	for _, t := range []Time{c.AssignedAt, c.StatusAt, c.EscalatedAt} {
		if first.IsZero() || !t.IsZero() && t.Before(first.Time) {
			first = t
		}
	}
	return first
}

// decisions returns what the case means for its person: a review while it is open, and its action once it is resolved.
func (c *Case) decisions() (ds []Decision) {
	if c.IsOpen() {
		ds = append(ds, Decision{
			Source: FromCase, Authority: ByOpenCase, Status: StatusInReview, Reason: cmp.Or(c.Reason, "a case is open"),
			At: c.since(), ExternalID: c.CaseID,
		})
	}
	if c.ApplicantAction != "" {
		ds = append(ds, Decision{
			Source: FromCase, Authority: ByManual, Status: c.ApplicantAction, Reason: cmp.Or(c.Resolution, "case resolved"),
			Reviewer: c.Resolver, At: c.ResolvedAt, ExternalID: c.ResolvedBy,
		})
	}
	return ds
}

// fold sets every column of c that follows from the facts about the company.
func (c *Company) fold(facts []Fact) {
	c.Owners = []BeneficialOwner{}
	for _, f := range facts {
		switch f.Name {
		case factRegistered:
			r := value[Registration](f)
			c.LegalName, c.RegistrationNumber, c.Country, c.RegisteredAt = r.LegalName, r.RegistrationNumber, r.Country, f.At
		case factVerified:
			v := value[CompanyVerification](f)
			c.Status, c.RegistryMatch, c.OwnerCount, c.OwnersVerified, c.VerifiedAt = v.Status, v.RegistryMatch, v.OwnerCount, v.OwnersVerified, f.At
		case factOwner:
			o := value[BeneficialOwner](f)
			o.At, o.ExternalID = f.At, f.ExternalID
			c.Owners = append(c.Owners, o)
		}
	}
	slices.SortFunc(c.Owners, func(a, b BeneficialOwner) int { return cmp.Compare(a.OwnerID, b.OwnerID) })
}
