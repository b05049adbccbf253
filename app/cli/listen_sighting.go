package cli

import (
	"fmt"
	"strconv"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/models"
)

// sighting is one delivery, as listen shows it.
type sighting struct {
	Time       models.Time        `json:"time"`
	Kind       string             `json:"kind"` // event, repeat or rejection
	Provider   string             `json:"provider"`
	Type       string             `json:"type,omitempty"`
	EventID    int64              `json:"event_id,omitempty"`
	ExternalID string             `json:"external_id,omitempty"`
	Status     models.EventStatus `json:"status,omitempty"`
	Outcome    models.Outcome     `json:"outcome,omitempty"`
	Deliveries int                `json:"deliveries,omitempty"`
	Error      string             `json:"error,omitempty"`
	Reason     handlers.Reason    `json:"reason,omitempty"` // of a rejection
	Remote     string             `json:"remote_address,omitempty"`
	CustomerID *int64             `json:"customer_id,omitempty"`
	Before     *standing          `json:"customer_before,omitempty"` // absent for one who was not seen before
	After      *standing          `json:"customer_after,omitempty"`
}

func sightEvent(e models.Event) sighting {
	return sighting{
		Time: e.ReceivedAt, Kind: "event", Provider: e.Provider, Type: e.Type, EventID: e.ID, ExternalID: e.ExternalID,
		Status: e.Status, Outcome: e.Outcome, Deliveries: e.Deliveries, Error: e.LastError, CustomerID: e.CustomerID,
	}
}

// sightRepeat is one more delivery of an event. When it came is not stored: it is seen now.
func sightRepeat(e models.Event) sighting {
	return sighting{
		Time: models.At(time.Now()), Kind: "repeat", Provider: e.Provider, Type: e.Type, EventID: e.ID, ExternalID: e.ExternalID, Deliveries: e.Deliveries,
	}
}

func sightRejection(r handlers.Rejection) sighting {
	return sighting{Time: r.Time, Kind: "rejection", Provider: r.Provider, Reason: r.Reason, Remote: r.RemoteAddress}
}

// row is the sighting as a line of a table, with the time of the clock on the wall.
func (s sighting) row() []cell {
	outcome, what := s.told()
	id := ""
	if s.EventID > 0 {
		id = strconv.FormatInt(s.EventID, 10)
	}
	return []cell{{s.Time.Local().Format(time.TimeOnly), grey}, {id, ""}, {s.Provider, ""}, {s.Type, ""}, outcome, what}
}

func (s sighting) told() (outcome, what cell) {
	switch {
	case s.Kind == "rejection":
		return cell{"rejected", red}, cell{fmt.Sprintf("%s (from %s)", s.Reason, s.Remote), ""}
	case s.Kind == "repeat":
		return cell{"duplicate", grey}, cell{fmt.Sprintf("delivery %d", s.Deliveries), grey}
	}
	outcome = eventState(models.Event{Status: s.Status, Outcome: s.Outcome})
	switch {
	case s.Status != models.Processed:
		return outcome, cell{s.Error, ""}
	case s.After == nil:
		return outcome, cell{}
	}
	text, colour := fmt.Sprintf("customer %d: ", *s.CustomerID), customerStatus(s.After.Status).colour
	switch {
	case s.Before == nil:
		text += string(s.After.Status)
		if s.After.AMLHold {
			text += ", aml_hold"
		}
		return outcome, cell{text, colour}
	case *s.Before == *s.After:
		return outcome, cell{text + "still " + string(s.After.Status), grey}
	case s.Before.Status != s.After.Status:
		text += string(s.Before.Status) + " → "
	}
	text += string(s.After.Status)
	if s.Before.AMLHold != s.After.AMLHold {
		text += map[bool]string{true: ", aml_hold set", false: ", aml_hold lifted"}[s.After.AMLHold]
	}
	return outcome, cell{text, colour}
}
