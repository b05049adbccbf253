package models

import "time"

// EventStatus is the state of an event. It follows from three tables: see eventColumns.
type EventStatus string

// The states of an event.
const (
	Received    EventStatus = "received"    // stored, and not offered to the queue yet
	Queued      EventStatus = "queued"      // offered to the queue, being processed, or waiting for a retry
	Processed   EventStatus = "processed"   // done, with an Outcome
	Failed      EventStatus = "failed"      // given up: the dead letters
	Quarantined EventStatus = "quarantined" // contradicts itself, or another event that has not failed; not applied
)

// EventStatuses lists the states of an event.
var EventStatuses = []EventStatus{Received, Queued, Processed, Failed, Quarantined}

// Outcome says what a processed event did.
type Outcome string

// The outcomes of a processed event.
const (
	Applied   Outcome = "applied"   // it established at least one new fact
	Stale     Outcome = "stale"     // all its facts are older than the stored ones
	Ignored   Outcome = "ignored"   // it says nothing about a customer; Reason says why
	Duplicate Outcome = "duplicate" // its ID was processed before, under an event row that is gone
	Sandbox   Outcome = "sandbox"   // a test in the provider's sandbox; not applied
)

// Outcomes lists the outcomes of a processed event.
var Outcomes = []Outcome{Applied, Stale, Ignored, Duplicate, Sandbox}

// The queues of events.
const (
	CriticalQueue = "critical" // screening hits, alerts and cases
	DefaultQueue  = "default"
)

// GenerationRead is the generation of events that were read from a provider's API.
const GenerationRead = "read"

// Event is something that happened at a provider: a row of the inbox. The row is written once, when the event is delivered.
type Event struct {
	ID            int64  `json:"id"`
	Key           []byte `json:"-"` // see eventKey
	Provider      string `json:"provider"`
	Generation    string `json:"generation"` // version of the payload's form, since one type may have two meanings; GenerationRead if the event was read
	ExternalID    string `json:"external_id"`
	Derived       bool   `json:"-"` // ExternalID is computed from the body, since the provider gives none
	Type          string `json:"type"`
	TenantID      string `json:"tenant_id"`
	CorrelationID string `json:"correlation_id"`
	Queue         string `json:"queue"`
	Secret        string `json:"secret"`  // fingerprint of the secret that verified it
	Sandbox       bool   `json:"sandbox"` // it comes from the provider's sandbox
	Body          []byte `json:"-"`       // exactly the bytes that were signed
	BodyKey       string `json:"-"`       // fingerprint of the Key that encrypts it in the database; empty if none does
	SHA256        []byte `json:"-" gorm:"column:sha256"`
	Quarantined   bool   `json:"-"`
	Problem       string `json:"-"`           // why the body cannot be read, or is quarantined; empty if it can be applied
	Deliveries    int    `json:"deliveries"`  // how often its ID was delivered
	OccurredAt    Time   `json:"occurred_at"` // the provider's clock; the other times are ours
	ReceivedAt    Time   `json:"received_at"`

	// The outcome. These are not columns of events: see Store.Events.
	Status      EventStatus `json:"status" gorm:"->"`
	Outcome     Outcome     `json:"outcome" gorm:"->"`
	Reason      string      `json:"reason" gorm:"->"` // why it was ignored
	Error       string      `json:"error" gorm:"->"`  // of the last attempt
	Attempts    int         `json:"attempts" gorm:"->"`
	CustomerID  *int64      `json:"customer_id" gorm:"->"`
	ProcessedAt Time        `json:"processed_at" gorm:"->"`
	BodyRemoved bool        `json:"body_removed,omitempty" gorm:"->"`
	BodyProblem BodyProblem `json:"body_problem,omitempty" gorm:"-"` // only of an event that is read with its body
}

// maxAhead is how far a provider's clock may be ahead of ours.
const maxAhead = 5 * time.Minute

// LimitTime replaces a time that is missing or too far ahead by the time of receipt, and reports whether it was too far ahead. Facts are
// ordered by time, and one from next year would win over all that follow. No other code compares the time of an event with our clock.
func (e *Event) LimitTime() (ahead bool) {
	if ahead = e.OccurredAt.Sub(e.ReceivedAt.Time) > maxAhead; ahead || e.OccurredAt.IsZero() {
		e.OccurredAt = e.ReceivedAt
	}
	return ahead
}

// WasRead reports whether the event was read from the provider's API. It was not delivered, so it has no signature.
func (e Event) WasRead() bool { return e.Generation == GenerationRead }
