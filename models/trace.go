package models

import (
	"context"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TraceID names all that is logged and traced about the event, as 32 hexadecimal digits. It follows from the provider and the external ID,
// so each process knows it, and no row or task has to carry it.
func (e *Event) TraceID() string { return e.traceID().String() }

func (e *Event) traceID() trace.TraceID {
	return trace.TraceID(eventKey(&Event{Provider: e.Provider, ExternalID: e.ExternalID}))
}

// StartSpan starts a span that describes the event, without personal data. The root of the event's trace is the span of its first delivery,
// and all others are below the root, even if they start before it. Without a tracer, StartSpan does nothing.
func (e *Event) StartSpan(ctx context.Context, t trace.Tracer, name string, isRoot bool, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if t == nil {
		return ctx, noop.Span{}
	}
	parent := trace.SpanContextConfig{TraceID: e.traceID(), TraceFlags: trace.FlagsSampled, Remote: true}
	if !isRoot {
		parent.SpanID = rootSpanID(parent.TraceID)
	}
	return t.Start(trace.ContextWithSpanContext(ctx, trace.NewSpanContext(parent)), name, append(options, trace.WithAttributes(
		attribute.String("provider", e.Provider), attribute.String("event.type", e.Type),
		attribute.String("event.external_id", e.ExternalID), attribute.String("event.correlation_id", e.CorrelationID)))...)
}

// EndSpan ends a span with an error, or with a result if err is nil.
func EndSpan(span trace.Span, result string, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	} else {
		span.SetAttributes(attribute.String("result", result))
	}
	span.End()
}

// SpanIDs makes the IDs of spans for OpenTelemetry's SDK. The ID of a root follows from its trace's, and all others are random.
type SpanIDs struct{}

// NewIDs returns the IDs of a trace that is about no event.
func (SpanIDs) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	id := trace.TraceID(uuid.New())
	return id, rootSpanID(id)
}

// NewSpanID returns the ID of a span in the trace id. Its parent is in ctx.
func (SpanIDs) NewSpanID(ctx context.Context, id trace.TraceID) trace.SpanID {
	if !trace.SpanContextFromContext(ctx).HasSpanID() {
		return rootSpanID(id)
	}
	random := uuid.New()
	return trace.SpanID(random[:8])
}

func rootSpanID(id trace.TraceID) trace.SpanID { return trace.SpanID(id[:8]) }
