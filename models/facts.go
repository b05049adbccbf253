package models

// Facts are what one event establishes. The provider's time and the event's ID are added when they are applied, so that the newest version
// of each fact counts, whatever the order of arrival.
type Facts struct {
	Ignored     string // why the event changes nothing; empty if it is to be applied
	Sandbox     bool   // a test in the provider's sandbox, which is recorded and not applied
	SubjectID   string // the provider's ID of the person; empty if the event names nobody
	Profile     Profile
	Decisions   []Decision
	Checks      []Check
	Hits        []Hit
	Resolutions []Resolution // of hits; they may arrive before the hits
	Case        *CaseFacts   // it is linked to SubjectID, if that is set
	Company     *CompanyFacts
	Drift       []string // what was unexpected about the payload; it is counted and changes nothing
}

// Profile holds a person's data from a payload. A field that is absent does not change; an empty value clears the field.
type Profile map[ProfileField]any

// ProfileField names a column of Customer that comes from payloads.
type ProfileField string

// The fields of a profile, with the type of their value.
const (
	ExternalID ProfileField = "external_id" // string
	TenantID   ProfileField = "tenant_id"   // string
	FirstName  ProfileField = "first_name"  // string
	LastName   ProfileField = "last_name"   // string
	Email      ProfileField = "email"       // string
	RiskLevel  ProfileField = "risk_level"  // string
	RiskScore  ProfileField = "risk_score"  // *int
	Flags      ProfileField = "flags"       // []string
	InSandbox  ProfileField = "sandbox"     // bool: an applied event of the provider's sandbox
)

// Status is the state of a person's verification.
type Status string

// The states of a customer.
const (
	StatusPending    Status = "pending"
	StatusInProgress Status = "in_progress"
	StatusInReview   Status = "in_review"
	StatusVerified   Status = "verified"
	StatusFailed     Status = "failed"   // refused automatically
	StatusRejected   Status = "rejected" // refused by a reviewer, or for money-laundering reasons
	StatusWithdrawn  Status = "withdrawn"
)

// Statuses lists the states of a customer.
var Statuses = []Status{StatusPending, StatusInProgress, StatusInReview, StatusVerified, StatusFailed, StatusRejected, StatusWithdrawn}

// severity orders the states: of two decisions with the same time, the more severe one counts.
var severity = map[Status]int{
	StatusPending: 0, StatusInProgress: 1, StatusVerified: 2, StatusInReview: 3, StatusFailed: 4, StatusRejected: 5, StatusWithdrawn: 6,
}

// Authority is who made a decision.
type Authority string

// The authorities, weakest first. ByOpenCase is never stored as a fact: it follows from the cases.
const (
	ByProgress  Authority = "progress"
	ByAutomatic Authority = "automatic"
	ByOpenCase  Authority = "open_case"
	ByManual    Authority = "manual"
)

var authorityRank = map[Authority]int{ByProgress: 0, ByAutomatic: 1, ByOpenCase: 2, ByManual: 3}

// The sources of a decision: what the provider decided about.
const (
	FromSession   = "session"
	FromApplicant = "applicant"
	FromCase      = "case"
)

// Decision is a verdict on a person, or a step towards one. For each source and authority, the newest counts. A
// decision with an empty status takes back the one before it.
type Decision struct {
	Source     string    `json:"source"`
	Authority  Authority `json:"authority"`
	Status     Status    `json:"status"`
	Reason     string    `json:"reason"`
	Reviewer   string    `json:"reviewer"` // the provider's ID of the person who decided, if one did
	At         Time      `json:"at"`
	ExternalID string    `json:"external_id"` // of the event that said so
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
	CheckPassed   CheckStatus = "passed" // a screening that passed ends only the hold of the same check
	CheckClear    CheckStatus = "clear"  // a screening that found nobody: it lifts every earlier hold
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
	Kind       string      `json:"kind"`
	CheckID    string      `json:"check_id"` // the provider's; empty where the provider runs one per person
	Status     CheckStatus `json:"status"`
	Reason     string      `json:"reason"`
	HitCount   int         `json:"hit_count"`
	At         Time        `json:"at"`
	ExternalID string      `json:"external_id"`
}

// Hit is a possible match on a list. The hit and its resolution are two facts, and either may arrive first.
type Hit struct {
	HitID      string   `json:"hit_id"`
	Kind       string   `json:"kind"`      // HitKind or AlertKind
	CheckIDs   []string `json:"check_ids"` // all checks that found it
	CaseID     string   `json:"case_id"`
	Type       string   `json:"type"`
	Name       string   `json:"name"`
	Source     string   `json:"source"`
	Confidence float64  `json:"confidence"` // 0 to 100
	FoundAt    Time     `json:"found_at"`
	FoundBy    string   `json:"found_by"` // external ID of the event that said so
	Resolution string   `json:"resolution"`
	Resolver   string   `json:"resolver"`
	ResolvedAt Time     `json:"resolved_at"`
	ResolvedBy string   `json:"resolved_by"`
}

// The kinds of hit.
const (
	HitKind   = "hit"   // found by a screening check
	AlertKind = "alert" // raised by ongoing monitoring
)

// Resolution is how a hit was resolved.
type Resolution struct {
	HitID      string `json:"-"`
	Resolution string `json:"resolution"`
	Resolver   string `json:"resolver"`
}

// FalsePositive is the resolution of a hit that is about somebody else.
const FalsePositive = "false_positive"

// CaseFacts are what an event says about a case. Empty fields say nothing.
type CaseFacts struct {
	CaseID    string
	Opened    *Opening
	CompanyID string // for a case about a company
	Assignee  string
	Status    string // the provider's word
	Escalated *Escalation
	Resolved  *CaseResolution
}

// Opening is how a case began.
type Opening struct {
	Type     string `json:"type"`
	Priority string `json:"priority"`
	Reason   string `json:"reason"`
}

// Escalation is who a case was passed to, and why.
type Escalation struct {
	To     string `json:"to"`
	Reason string `json:"reason"`
}

// CaseResolution is how a case ended. Action is what it means for the person: StatusVerified, StatusRejected, StatusInReview for an unknown
// action, or empty.
type CaseResolution struct {
	Resolution string `json:"resolution"`
	Resolver   string `json:"resolver"`
	Action     Status `json:"action"`
}

// CompanyFacts are what an event says about a company.
type CompanyFacts struct {
	CompanyID  string
	Registered *Registration
	Verified   *CompanyVerification
	Owner      *BeneficialOwner
}

// Registration is what a register says about a company.
type Registration struct {
	LegalName          string `json:"legal_name"`
	RegistrationNumber string `json:"registration_number"`
	Country            string `json:"country"`
}

// CompanyVerification is the result of a company's verification.
type CompanyVerification struct {
	Status         Status `json:"status"` // StatusVerified, StatusFailed or StatusInReview
	RegistryMatch  bool   `json:"registry_match"`
	OwnerCount     int    `json:"owner_count"`
	OwnersVerified int    `json:"owners_verified"`
}

// BeneficialOwner is a person who owns a part of a company.
type BeneficialOwner struct {
	OwnerID    string  `json:"owner_id"`
	Name       string  `json:"name"`
	Percentage float64 `json:"percentage"` // of ownership, 0 to 100
	Status     string  `json:"status"`     // the provider's word
	At         Time    `json:"at"`
	ExternalID string  `json:"external_id"` // of the event that said so
}
