package cli

import "encoding/json"

// report is what --json prints of an event. What is not known is zero or null.
type report struct {
	Sample     string `json:"sample"`
	Seed       uint64 `json:"seed,omitempty"` // of the random order
	EventID    int64  `json:"event_id"`       // in the inbox, as the admin API has it
	ExternalID string `json:"external_id"`
	HTTPStatus int    `json:"http_status"`
	Answer     string `json:"answer"` // accepted, duplicate, or why it was refused; of several deliveries that of the accepted one
	Deliveries int    `json:"deliveries"`
	Duplicates int    `json:"duplicates"` // of the deliveries, those answered so
	Status     string `json:"status"`
	Outcome    string `json:"outcome"`
	Error      string `json:"error"`
	Rejection  string `json:"rejection,omitempty"` // why the server refused it

	CustomerBefore json.RawMessage `json:"customer_before"` // null where there was none, or none was found
	CustomerAfter  json.RawMessage `json:"customer_after"`  // null where the event is about nobody
	Changes        changes         `json:"changes"`
}
