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
	var newest Check
	for _, k := range f.Checks {
		if k.Kind == ScreeningCheck && k.version().newer(newest.version()) {
			newest = k
		}
	}
	return string(newest.Status)
}

// hold reports whether a hit or an alert keeps the person on hold.
//
// A check with hits holds until as many of them as it counted, and at least one, are resolved as false positives; an alert
// until it is. Both are lifted by a screening that came back clear, or by a person's approval, of a later provider time.
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
	cleared := map[string]int{} // false positives by check
	for _, h := range f.Hits {
		if h.Resolution == FalsePositive {
			cleared[h.CheckID]++
		}
	}
	for _, k := range f.Checks {
		if k.Kind == ScreeningCheck && k.Status == CheckHit && !lifted.After(k.At.Time) && cleared[k.CheckID] < max(1, k.HitCount) {
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
