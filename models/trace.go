package models

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// TraceID names all that is logged and traced about the event, as 32 hexadecimal digits. It follows from the provider and the external ID.
func (e *Event) TraceID() string { return e.TraceRoot().TraceID().String() }

// TraceRoot is the root of the event's trace: the span of its first delivery. Its IDs follow from the event's, so each process knows them,
// and no row or task has to carry them.
func (e *Event) TraceRoot() trace.SpanContext {
	id := trace.TraceID(eventKey(&Event{Provider: e.Provider, ExternalID: e.ExternalID}))
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: RootSpanID(id), TraceFlags: trace.FlagsSampled, Remote: true})
}

// RootSpanID returns the ID of the root of a trace.
func RootSpanID(id trace.TraceID) trace.SpanID { return trace.SpanID(id[:8]) }

// TraceAttributes describe the event in a span. They hold no personal data.
func (e *Event) TraceAttributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("provider", e.Provider), attribute.String("event.type", e.Type), attribute.String("event.external_id", e.ExternalID),
		attribute.String("event.correlation_id", e.CorrelationID),
	}
}
