package jobs

import (
	"cmp"
	"slices"
	"time"

	"example.com/identity-webhooks/models"
)

// diditEvents lists the event types of Didit. In version 2 of its payloads, only the decisions of sessions have another form.
func diditEvents(r *Registry) {
	for _, version := range []string{"v2", "v3"} {
		on(r, "didit/"+version+"/status.updated", diditStatusUpdated)
		on(r, "didit/"+version+"/data.updated", diditDataUpdated)
	}
	on(r, "didit/v3/user.status.updated", diditUserUpdated, critical)
	on(r, "didit/v3/user.data.updated", diditUserUpdated)
	on(r, "didit/v3/business.status.updated", diditBusinessStatusUpdated, critical)
	on(r, "didit/v3/business.data.updated", diditBusinessDataUpdated)
	ignore(r, "about a transaction, not about who a person is",
		"didit/v3/transaction.*", "didit/v3/transaction_rule_suggestions.*", "didit/v3/travel_rule.*")
	ignore(r, "about the settings of a workflow, not about a person", "didit/v3/workflow.*")
	ignore(r, "Didit lists it, but does not send it yet", "didit/v3/activity.created")
}

// diditPayload is the part of Didit's events that we read. A person is known by vendor_data, your own ID for the person, or else by
// the session. If you change somebody's vendor_data at Didit, later events are about another customer.
//
// https://docs.didit.me/integration/webhooks and https://docs.didit.me/entities/webhooks
type diditPayload struct {
	SessionID         string   `json:"session_id"`
	SessionKind       string   `json:"session_kind,omitempty" oneof:"user business"`
	BusinessSessionID string   `json:"business_session_id"`
	VendorBusinessID  string   `json:"vendor_business_id"`
	VendorData        string   `json:"vendor_data"`
	ApplicationID     string   `json:"application_id"`
	Resubmit          []string `json:"resubmit_info.nodes_to_resubmit"`
	Decision          struct {
		Documents []diditCheck  `json:"id_verifications"`
		Chips     []diditCheck  `json:"nfc_verifications"`
		Liveness  []diditCheck  `json:"liveness_checks"`
		Faces     []diditCheck  `json:"face_matches"`
		Addresses []diditCheck  `json:"poa_verifications"`
		AML       []diditCheck  `json:"aml_screenings"`
		Emails    []diditCheck  `json:"email_verifications"`
		Reviews   []diditReview `json:"reviews"`

		Document *diditCheck `json:"id_verification"` // from here on, version 2
		Chip     *diditCheck `json:"nfc"`
		Live     *diditCheck `json:"liveness"`
		Face     *diditCheck `json:"face_match"`
		Address  *diditCheck `json:"poa"`
		List     *diditCheck `json:"aml"`
		Mail     *diditCheck `json:"email"`
	} `json:"decision"`
}

// diditCheck is the result of one step of a session. Which members it has depends on the step.
type diditCheck struct {
	NodeID    string `json:"node_id"` // of the step in the workflow, not of this check; version 2 has none
	Status    string `json:"status,omitempty" oneof:"in_review approved declined"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
	TotalHits int    `json:"total_hits"`
	Hits      []struct {
		ID   string `json:"id"`
		Name string `json:"caption"`
	} `json:"hits"`
}

// diditReview is what one of the integrator's reviewers did.
//
// https://docs.didit.me/management-api/sessions/create-review
type diditReview struct {
	NewStatus string `json:"new_status,omitempty" oneof:"resubmitted in_review approved declined kyc_expired"`
	Comment   string `json:"comment"`
	CreatedAt string `json:"created_at"` // RFC 3339
}

func (r diditReview) time() time.Time {
	t, _ := time.Parse(time.RFC3339, r.CreatedAt) // without one, it is the oldest
	return t
}

// diditSession is an event about a session.
type diditSession struct {
	diditPayload
	Status string `json:"status" oneof:"not_started in_progress awaiting_user resubmitted in_review approved declined abandoned expired kyc_expired"`
}

// steps returns the results of one kind of step, in the form of either version.
func steps(list []diditCheck, one *diditCheck) []diditCheck {
	if one != nil {
		list = append(list, *one)
	}
	return list
}

func (p diditPayload) person() Person {
	texts := map[models.ProfileField]string{models.ExternalID: p.VendorData, models.TenantID: p.ApplicationID}
	for _, c := range slices.Concat(steps(p.Decision.Documents, p.Decision.Document), steps(p.Decision.Emails, p.Decision.Mail)) {
		for field, text := range map[models.ProfileField]string{models.FirstName: c.FirstName, models.LastName: c.LastName, models.Email: c.Email} {
			texts[field] = cmp.Or(texts[field], text)
		}
	}
	return Person{ID: cmp.Or(p.VendorData, p.SessionID), Profile: profile(texts)}
}

func (p diditPayload) isBusiness() bool {
	return p.SessionKind == "business" || p.BusinessSessionID != ""
}

func (p diditPayload) companyID() string {
	return cmp.Or(p.VendorBusinessID, p.VendorData, p.BusinessSessionID, p.SessionID)
}

// checks returns the document, address and face steps. A step is known by its place in the workflow, so that a later session replaces what
// an earlier one found.
func (p diditPayload) checks() (list []models.Check) {
	d := p.Decision
	add := func(kind, name string, results []diditCheck) {
		for _, c := range results {
			status := checkStatus(c.Status == "approved", c.Status == "declined")
			list = append(list, models.Check{Kind: kind, CheckID: cmp.Or(c.NodeID, name), Status: status, Reason: joined(name, c.Status)})
		}
	}
	add(models.DocumentCheck, "id_verification", steps(d.Documents, d.Document))
	add(models.DocumentCheck, "nfc", steps(d.Chips, d.Chip))
	add(models.DocumentCheck, "poa", steps(d.Addresses, d.Address))
	add(models.BiometricCheck, "liveness", steps(d.Liveness, d.Live))
	add(models.BiometricCheck, "face_match", steps(d.Faces, d.Face))
	return list
}

// screened adds the results of searches of lists. A search that was not approved holds if it found somebody, a declined one always.
func (p diditPayload) screened(f models.Facts) models.Facts {
	for _, c := range steps(p.Decision.AML, p.Decision.List) {
		s := Screening{CheckID: cmp.Or(c.NodeID, "aml"), Status: models.CheckInReview, Reason: c.Status, HitCount: c.TotalHits}
		for _, h := range c.Hits {
			s.Hits = append(s.Hits, models.Hit{HitID: h.ID, Name: h.Name})
		}
		switch c.Status {
		case "approved":
			s.Status = models.CheckClear
		case "declined":
			s.Status = models.CheckHit
		}
		found := screeningCompleted(s)
		f.Checks, f.Hits, f.Drift = append(f.Checks, found.Checks...), append(f.Hits, found.Hits...), append(f.Drift, found.Drift...)
	}
	return f
}

func diditStatusUpdated(_ models.Event, p diditSession) (models.Facts, error) {
	f := diditDecided(p)
	if p.isBusiness() {
		return companyReviewed(p.companyID(), f), nil
	}
	return f, nil
}

// review returns the newest review, and whether it decided the status: it did if it names that status or none. The order of the list is not
// documented. If no review has a time, the first one counts.
func (p diditSession) review() (newest diditReview, decided bool) {
	if len(p.Decision.Reviews) == 0 {
		return newest, false
	}
	newest = slices.MaxFunc(p.Decision.Reviews, func(a, b diditReview) int { return a.time().Compare(b.time()) })
	return newest, cmp.Or(newest.NewStatus, p.Status) == p.Status
}

// diditDecided returns what a status means. A reviewer's decision on a person stands until a session of theirs is resubmitted, is put in
// review by a reviewer, or its KYC expires. Sessions that were abandoned or expired count as progress: another session may have verified the
// person.
func diditDecided(p diditSession) models.Facts {
	s := Session{Person: p.person(), Checks: p.checks(), By: models.ByAutomatic, Reason: p.Status}
	review, byReviewer := p.review()
	if byReviewer {
		s.Reason = joined(p.Status, review.Comment)
	}
	switch p.Status {
	case "approved":
		s.Verdict = models.StatusVerified
		if byReviewer { // the reviewer has seen what the screening found
			s.By = models.ByManual
			return sessionCompleted(s)
		}
	case "declined":
		s.Verdict = models.StatusFailed
		if byReviewer {
			s.By = models.ByManual
		}
	case "not_started":
		return sessionProgressed(s, models.StatusPending)
	case "in_progress", "awaiting_user":
		return sessionProgressed(s, models.StatusInProgress)
	case "abandoned", "expired":
		s.By = models.ByProgress
		return p.screened(sessionWithdrawn(s))
	case "resubmitted": // the person goes on in the same session: it counts as a result, so that it replaces an earlier one
		s.Verdict, s.Reason = models.StatusInProgress, joined(p.Status, joined(p.Resubmit...))
		return reviewTakenBack(p.screened(sessionCompleted(s)))
	case "kyc_expired":
		return reviewTakenBack(verdictUndone(s.Person, models.StatusPending, p.Status))
	default: // in_review, or a word that we do not know
		s.Verdict = models.StatusInReview
		if byReviewer {
			return reviewTakenBack(p.screened(sessionCompleted(s)))
		}
	}
	return p.screened(sessionCompleted(s))
}

// diditDataUpdated: data.updated is sent when data that a session has read is corrected, even after it was approved. Nothing is decided
// anew, so the status and the checks stay.
func diditDataUpdated(_ models.Event, p diditPayload) (models.Facts, error) {
	if p.isBusiness() {
		return companyUpdated(models.CompanyFacts{CompanyID: p.companyID()}), nil
	}
	return p.person().facts(), nil
}

// diditEntity is an event about a user or a business, which belong to no session.
type diditEntity struct {
	diditPayload
	Status string `json:"status,omitempty" oneof:"active flagged blocked"`
}

// diditUserUpdated keeps a status other than active as a flag. The event has the full name in one piece, which is not kept.
func diditUserUpdated(_ models.Event, p diditEntity) (models.Facts, error) {
	person := Person{ID: p.VendorData, Profile: p.person().Profile}
	switch p.Status {
	case "": // it is as it was
	case "active":
		person.Profile[models.Flags] = []string{}
	default:
		person.Profile[models.Flags] = []string{p.Status}
	}
	return person.facts(), nil
}

// diditBusinessStatusUpdated: a company that is active again waits for a review, since Didit does not say whether it had passed.
func diditBusinessStatusUpdated(_ models.Event, p diditEntity) (models.Facts, error) {
	c := models.CompanyFacts{CompanyID: p.companyID(), Verified: &models.CompanyVerification{Status: models.StatusInReview}}
	if p.Status == "blocked" {
		c.Verified.Status = models.StatusFailed
	}
	return companyUpdated(c), nil
}

func diditBusinessDataUpdated(_ models.Event, p diditEntity) (models.Facts, error) {
	return companyUpdated(models.CompanyFacts{CompanyID: p.companyID()}), nil
}
