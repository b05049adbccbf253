package models

import (
	"encoding/json"
	"slices"
)

// Facts are all that is known about one person, from which the customer's row follows.
type Facts struct {
	Decisions []Decision `json:"decisions"`
	Checks    []Check    `json:"checks"`
	Hits      []Hit      `json:"hits"`
	Cases     []Case     `json:"cases"`
}

// recompute sets every column of c that follows from its profile and from f. It reads no clock and no database: the same
// facts always lead to the same customer.
func (c *Customer) recompute(f Facts) {
	c.Revision = c.Events
	for _, k := range f.Cases {
		c.Revision += k.Events
	}
	d := f.decision()
	c.Status, c.StatusReason, c.StatusAt, c.DecidedBy = d.Status, d.Reason, d.At, d.Authority
	c.ScreeningStatus = f.screeningStatus()
	c.AMLHold = f.hold()
	c.fill()
}

// decision is the one that counts: of those with the highest authority, the newest.
func (f Facts) decision() Decision {
	best := Decision{Status: Pending, Authority: Progress}
	for _, d := range f.allDecisions() {
		rank, bestRank := authorityRank[d.Authority], authorityRank[best.Authority]
		if rank > bestRank || rank == bestRank && d.version().newer(best.version()) {
			best = d
		}
	}
	return best
}

// allDecisions are those that events made, and those that follow from the person's cases.
func (f Facts) allDecisions() []Decision {
	ds := slices.Clone(f.Decisions)
	for _, k := range f.Cases {
		ds = append(ds, k.decisions()...)
	}
	return ds
}

// screeningStatus is the result of the newest screening check; empty when there was none.
func (f Facts) screeningStatus() string {
	var status CheckStatus
	var newest version
	for _, k := range f.Checks {
		if v := ranked(k.At, checkSeverity[k.Status], k.ExternalID); k.Kind == ScreeningCheck && v.newer(newest) {
			status, newest = k.Status, v
		}
	}
	return string(status)
}

// hold reports whether a hit or an alert keeps the person on hold.
//
// A check with hits holds until all of them that are known, as many as it counted and at least one are resolved as false
// positives; an alert until it is. Both are lifted by a screening that came back clear, or by a person's approval, of a later provider time.
func (f Facts) hold() bool {
	var lifted Time
	lift := func(t Time) {
		if t.After(lifted.Time) {
			lifted = t
		}
	}
	for _, k := range f.Checks {
		if k.Kind == ScreeningCheck && k.Status == CheckClear {
			lift(k.At)
		}
	}
	for _, d := range f.allDecisions() {
		if d.Authority == Manual && d.Status == Verified {
			lift(d.At)
		}
	}
	found, cleared := map[string]int{}, map[string]int{} // hits by check, and those of them that were false positives
	for _, h := range f.Hits {
		for _, check := range h.CheckIDs {
			found[check]++
			if h.Resolution == FalsePositive {
				cleared[check]++
			}
		}
	}
	for _, k := range f.Checks {
		waits := cleared[k.CheckID] < max(1, k.HitCount, found[k.CheckID])
		if k.Kind == ScreeningCheck && k.Status == CheckHit && !lifted.After(k.At.Time) && waits {
			return true
		}
	}
	for _, h := range f.Hits {
		if h.Kind == AlertKind && h.Resolution != FalsePositive && !lifted.After(h.FoundAt.Time) {
			return true
		}
	}
	return false
}

// fill copies the profile's values to the columns they are searched and shown by.
func (c *Customer) fill() {
	get(c.Profile, "external_id", &c.ExternalID)
	get(c.Profile, "tenant_id", &c.TenantID)
	get(c.Profile, "first_name", &c.FirstName)
	get(c.Profile, "last_name", &c.LastName)
	get(c.Profile, "email", &c.Email)
	get(c.Profile, "risk_level", &c.RiskLevel)
	get(c.Profile, "risk_score", &c.RiskScore)
	get(c.Profile, "flags", &c.Flags)
	get(c.Profile, "sandbox", &c.Sandbox)
}

func get[T any](p profile, name string, into *T) {
	var zero T
	*into = zero
	if v, ok := p[name]; ok {
		if err := json.Unmarshal(v.Value, into); err != nil {
			*into = zero // only this package writes profiles, from the same types
		}
	}
}
