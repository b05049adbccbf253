package models

// EventStatus says where an event is on its way through the inbox.
type EventStatus string

// The states of an event. A row moves received → queued → processed or failed; quarantined rows never move.
const (
	Received    EventStatus = "received"    // stored, not yet offered to the queue
	Queued      EventStatus = "queued"      // offered; due again at NextAt if nobody finishes it
	Processed   EventStatus = "processed"   // done, with an Outcome
	Failed      EventStatus = "failed"      // given up: the dead letters
	Quarantined EventStatus = "quarantined" // not to be trusted with the ID it carries; never applied
)

// EventStatuses lists the states of an event.
var EventStatuses = []EventStatus{Received, Queued, Processed, Failed, Quarantined}

// Outcome says what a processed event did.
type Outcome string

// The outcomes of a processed event.
const (
	Applied   Outcome = "applied"   // it established at least one new fact
	Stale     Outcome = "stale"     // all it says is older than what is known
	Ignored   Outcome = "ignored"   // it has no meaning for a customer
	Duplicate Outcome = "duplicate" // its ID was processed before, under an inbox row that is gone
	Sandbox   Outcome = "sandbox"   // a test in the provider's sandbox; not applied
)

// Outcomes lists the outcomes of a processed event.
var Outcomes = []Outcome{Applied, Stale, Ignored, Duplicate, Sandbox}

// The queues of the background work.
const (
	CriticalQueue = "critical" // screening hits, alerts and cases
	DefaultQueue  = "default"
)

// Event is a row of the inbox: one thing that happened at a provider, unique by provider and external ID.
type Event struct {
	ID            int64       `json:"id"`
	Provider      string      `json:"provider"`
	Generation    string      `json:"generation"` // of the payload's form: the same type may mean two things
	ExternalID    string      `json:"external_id"`
	Derived       bool        `json:"-"` // ExternalID is computed from the body, since the provider gives none
	Type          string      `json:"type"`
	TenantID      string      `json:"tenant_id"`
	CorrelationID string      `json:"correlation_id"`
	Queue         string      `json:"queue"`
	Body          []byte      `json:"-"` // exactly the bytes that were signed
	SHA256        []byte      `json:"-" gorm:"column:sha256"`
	Status        EventStatus `json:"status"`
	Outcome       Outcome     `json:"outcome"`
	LastError     string      `json:"error"`
	Deliveries    int         `json:"deliveries"`
	Attempts      int         `json:"attempts"`
	Offers        int         `json:"-"`
	Unclaimed     int         `json:"-"` // offers since the last claim
	NextAt        Time        `json:"-"`
	OccurredAt    Time        `json:"occurred_at"` // the provider's clock; the other times are ours
	ReceivedAt    Time        `json:"received_at"`
	ProcessedAt   Time        `json:"processed_at"`
	CustomerID    *int64      `json:"customer_id"`
	CaseID        *int64      `json:"-"` // set where the event names a case and nobody
}
