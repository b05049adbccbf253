package models

// apply applies one event to the rows, and reports whether any of it was new.
func (r *rows) apply(a *application) (changed bool) {
	c, at, by := a.change, a.event.OccurredAt, a.event.ExternalID
	touched := map[*person]bool{}
	touch := func(subject string) *person {
		p := r.customers[identity{a.event.Provider, subject}]
		if p != nil {
			touched[p] = true
		}
		return p
	}
	for _, k := range c.Cases {
		row := r.cases[identity{a.event.Provider, k.CaseID}]
		touch(row.SubjectID) // whom it belonged to before
		changed = row.merge(k, c.SubjectID, at, by) || changed
		row.CustomerID = nil
		if p := touch(row.SubjectID); p != nil {
			row.CustomerID = &p.ID
		}
		if c.SubjectID == "" && k.CompanyID == "" {
			row.Events++
			a.caseID = &row.ID
		}
	}
	if p := touch(c.SubjectID); p != nil {
		p.Events++
		a.customerID = &p.ID
		changed = r.applyTo(p, c, at, by) || changed
	}
	for p := range touched {
		p.recompute(r.factsAbout(p))
	}
	if c.Company != nil {
		changed = r.applyToCompany(r.companies[identity{a.event.Provider, c.Company.CompanyID}], *c.Company, at, by) || changed
	}
	return changed
}

// applyTo adds what c says to a person's facts.
func (r *rows) applyTo(p *person, c Change, at Time, by string) (changed bool) {
	changed = p.merge(c.Profile, at, by)
	for _, d := range c.Decisions {
		d.CustomerID, d.At, d.ExternalID = p.ID, at, by
		var newer bool
		if p.facts.Decisions, newer = merge(p.facts.Decisions, d); newer {
			r.decisions[d.key()], changed = d, true
		}
	}
	for _, k := range c.Checks {
		k.CustomerID, k.At, k.ExternalID = p.ID, at, by
		var newer bool
		if p.facts.Checks, newer = merge(p.facts.Checks, k); newer {
			r.checks[k.key()], changed = k, true
		}
	}
	for _, h := range c.found(at, by) {
		h.CustomerID = p.ID
		if row, newer := p.facts.mergeHit(h); newer {
			r.hits[row.key()], changed = *row, true
		}
	}
	return changed
}

// factsAbout are a person's facts with the cases as they now are.
func (r *rows) factsAbout(p *person) Facts {
	f := p.facts
	f.Cases = f.Cases[:len(f.Cases):len(f.Cases)] // what is added below is another's
	for _, k := range r.cases {
		if k.CustomerID != nil && *k.CustomerID == p.ID {
			f.Cases = append(f.Cases, *k)
		}
	}
	return f
}

// found lists the hits that c reports and those whose resolution it reports, with the time that belongs to each.
func (c Change) found(at Time, by string) (hits []Hit) {
	for _, h := range c.Hits {
		h.FoundAt, h.FoundBy = at, by
		hits = append(hits, h)
	}
	for _, r := range c.Resolved {
		hits = append(hits, Hit{HitID: r.HitID, Kind: HitKind, Resolution: r.Resolution, Resolver: r.Resolver, ResolvedAt: at, ResolvedBy: by})
	}
	return hits
}

// applyToCompany takes what is new about a company and its owner.
func (r *rows) applyToCompany(row *Company, k CompanyChange, at Time, by string) (changed bool) {
	if changed = row.merge(k, at, by); changed {
		r.newCompanies[row.identity()] = row
	}
	if k.Owner == nil {
		return changed
	}
	o := *k.Owner
	o.Company, o.At, o.ExternalID = row.ID, at, by
	if known, found := r.owners[o.key()]; found && !said(at, by).newer(said(known.At, known.ExternalID)) {
		return changed
	}
	r.owners[o.key()], r.newOwners[o.key()] = o, o
	return true
}
