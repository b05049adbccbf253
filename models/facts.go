package models

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Status is what is known of a person's verification.
type Status string

// The customer's states.
const (
	Pending    Status = "pending"
	InProgress Status = "in_progress"
	InReview   Status = "in_review"
	Verified   Status = "verified"
	FailedAuto Status = "failed"   // an automatic no
	Rejected   Status = "rejected" // a person's no, or a no for money-laundering reasons
	Withdrawn  Status = "withdrawn"
)

// Statuses lists the customer's states.
var Statuses = []Status{Pending, InProgress, InReview, Verified, FailedAuto, Rejected, Withdrawn}

// severity orders the states for two decisions of the same instant: the more severe one counts.
var severity = map[Status]int{Pending: 0, InProgress: 1, Verified: 2, InReview: 3, FailedAuto: 4, Rejected: 5, Withdrawn: 6}

// Authority says who stands behind a decision.
type Authority string

// The authorities, weakest first. OpenCase is never stored: it follows from the cases.
const (
	Progress  Authority = "progress"
	Automatic Authority = "automatic"
	OpenCase  Authority = "open_case"
	Manual    Authority = "manual"
)

var authorityRank = map[Authority]int{Progress: 0, Automatic: 1, OpenCase: 2, Manual: 3}

// The sources of a decision: what the provider decided on.
const (
	FromSession   = "session"
	FromApplicant = "applicant"
	FromCase      = "case"
)

// version orders what is said about one thing: by the provider's time, then the more severe value, then the external ID of
// the event that said it. It never looks at the order of arrival, so that any order leads to the same facts.
type version struct {
	at      Time
	rank    int
	id      string
	decided bool // comes before time: see Check
}

// said is the version of what has no degrees of severity.
func said(at Time, by string) version { return version{at: at, id: by} }

// ranked is the version of what has.
func ranked(at Time, rank int, by string) version { return version{at: at, rank: rank, id: by} }

func (v version) newer(than version) bool {
	if v.decided != than.decided {
		return v.decided
	}
	return cmp.Or(
		v.at.Compare(than.at.Time),
		cmp.Compare(v.rank, than.rank),
		cmp.Compare(v.id, than.id),
	) > 0
}

// Decision is a verdict on a person, or a step towards one. The newest counts for each source and authority.
type Decision struct {
	CustomerID int64     `json:"-"`
	Source     string    `json:"source"`
	Authority  Authority `json:"authority"`
	Status     Status    `json:"status"`
	Reason     string    `json:"reason"`
	Reviewer   string    `json:"reviewer"` // the provider's ID of the person who decided, if one did
	At         Time      `json:"at"`
	ExternalID string    `json:"external_id"` // of the event that said so
}

func (d Decision) version() version { return ranked(d.At, severity[d.Status], d.ExternalID) }

func (d Decision) key() factKey { return factKey{d.CustomerID, d.Source, string(d.Authority)} }

// factKey says what a fact is about. A newer one of the same key takes its place.
type factKey struct {
	customer int64
	one, two string
}

// The kinds of check.
const (
	IdentityCheck  = "identity"
	AISCheck       = "ais" // account information: the person's bank confirms who they are
	DocumentCheck  = "document"
	BiometricCheck = "biometric"
	ScreeningCheck = "screening" // sanctions, politically exposed persons, adverse media
)

// CheckStatus is the result of a check.
type CheckStatus string

// The results of a check.
const (
	CheckPending  CheckStatus = "pending"
	CheckPassed   CheckStatus = "passed"
	CheckClear    CheckStatus = "clear" // a screening that found nobody
	CheckNotRun   CheckStatus = "not_run"
	CheckInReview CheckStatus = "in_review"
	CheckError    CheckStatus = "error"
	CheckFailed   CheckStatus = "failed"
	CheckHit      CheckStatus = "hit" // a screening that found somebody
)

var checkSeverity = map[CheckStatus]int{
	CheckNotRun: 0, CheckPending: 1, CheckPassed: 2, CheckClear: 2, CheckError: 3, CheckInReview: 4, CheckFailed: 5, CheckHit: 6,
}

// Check is the result of one check of a person.
type Check struct {
	CustomerID int64       `json:"-"`
	Kind       string      `json:"kind"`
	CheckID    string      `json:"check_id"` // the provider's; empty where the provider runs one per person
	Status     CheckStatus `json:"status"`
	Reason     string      `json:"reason"`
	HitCount   int         `json:"hit_count"`
	At         Time        `json:"at"`
	ExternalID string      `json:"external_id"`
}

// version orders the results of a check. A screening that ended without one (not run, error) takes the place of no clear one
// and no hit, however new it is: a hold is lifted by nothing less than a clear result.
func (c Check) version() version {
	v := ranked(c.At, checkSeverity[c.Status], c.ExternalID)
	v.decided = c.Kind == ScreeningCheck && (c.Status == CheckClear || c.Status == CheckHit)
	return v
}

func (c Check) key() factKey { return factKey{c.CustomerID, c.Kind, c.CheckID} }

// merge puts f into facts in place of what it is newer than, and reports whether it did.
func merge[F interface {
	key() factKey
	version() version
}](facts []F, f F) ([]F, bool) {
	for i, old := range facts {
		if old.key() == f.key() {
			if !f.version().newer(old.version()) {
				return facts, false
			}
			facts[i] = f
			return facts, true
		}
	}
	return append(facts, f), true
}

// Hit is a possible match on a list. What it says and how it was resolved have their own times, and either may come first.
type Hit struct {
	CustomerID int64   `json:"-"`
	HitID      string  `json:"hit_id"`
	Kind       string  `json:"kind"`      // HitKind or AlertKind
	CheckIDs   Strings `json:"check_ids"` // all checks that found it
	CaseID     string  `json:"case_id"`
	Type       string  `json:"type"`
	Name       string  `json:"name"`
	Source     string  `json:"source"`
	Confidence float64 `json:"confidence"` // 0 to 100
	FoundAt    Time    `json:"found_at"`
	FoundBy    string  `json:"found_by"` // external ID of the event that said so
	Resolution string  `json:"resolution"`
	Resolver   string  `json:"resolver"`
	ResolvedAt Time    `json:"resolved_at"`
	ResolvedBy string  `json:"resolved_by"`
}

// The kinds of hit.
const (
	HitKind   = "hit"   // found by a screening check
	AlertKind = "alert" // raised by ongoing monitoring
)

func (h Hit) key() factKey { return factKey{h.CustomerID, h.HitID, ""} }

// HitResolution is how a hit was resolved.
type HitResolution struct{ HitID, Resolution, Resolver string }

// FalsePositive is the resolution of a hit that was somebody else.
const FalsePositive = "false_positive"

// merge takes each part of n that is newer than h's, and reports whether there was one. The checks add up.
func (h *Hit) merge(n Hit) bool {
	checks := slices.Concat(h.CheckIDs, n.CheckIDs)
	slices.Sort(checks)
	checks = slices.Compact(checks)
	changed := len(checks) > len(h.CheckIDs)
	h.CheckIDs = checks
	if said(n.FoundAt, n.FoundBy).newer(said(h.FoundAt, h.FoundBy)) {
		h.Kind, h.CaseID, h.Type, h.Name, h.Source, h.Confidence = n.Kind, n.CaseID, n.Type, n.Name, n.Source, n.Confidence
		h.FoundAt, h.FoundBy = n.FoundAt, n.FoundBy
		changed = true
	}
	if said(n.ResolvedAt, n.ResolvedBy).newer(said(h.ResolvedAt, h.ResolvedBy)) {
		h.Resolution, h.Resolver, h.ResolvedAt, h.ResolvedBy = n.Resolution, n.Resolver, n.ResolvedAt, n.ResolvedBy
		changed = true
	}
	return changed
}

// mergeHit puts h into f's hits, and returns the row as it now stands and whether h changed it.
func (f *Facts) mergeHit(h Hit) (*Hit, bool) {
	for i := range f.Hits {
		if f.Hits[i].HitID == h.HitID {
			return &f.Hits[i], f.Hits[i].merge(h)
		}
	}
	f.Hits = append(f.Hits, h)
	return &f.Hits[len(f.Hits)-1], true
}

// Profile is what a payload says about a person beside the verdict. An empty field is one that the payload does not carry.
type Profile struct {
	ExternalID string
	TenantID   string
	FirstName  string
	LastName   string
	Email      string
	RiskLevel  string
	RiskScore  *int
	Flags      []string // nil: not carried; empty: carried, and none raised
	Sandbox    bool
}

// field is one profile value with the version that set it.
type field struct {
	Value json.RawMessage `json:"value"`
	At    Time            `json:"at"`
	By    string          `json:"by"` // external ID of the event that said so
}
