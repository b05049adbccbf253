package handlers

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.com/identity-webhooks/models"
)

// Trace makes the receiver record the verified deliveries. Call it before the first one.
func (r *Receiver) Trace(t trace.Tracer) { r.tracer = t }

// trace records a delivery and its wait for the commit, which began at storing. It does so afterwards, since only then it is known whether
// the event is new: its span is then the root of the trace. Other deliveries are below the root. What a header says about traces is ignored.
func (r *Receiver) trace(ctx context.Context, e models.Event, storing time.Time, receipt models.Receipt, err error) {
	if r.tracer == nil {
		return
	}
	parent, result := e.TraceRoot(), "repeated"
	switch {
	case err != nil:
		result = "not stored"
	case receipt == models.Accepted:
		parent, result = parent.WithSpanID(trace.SpanID{}), "accepted"
	case receipt == models.Conflicting:
		result = "quarantined"
	}
	ctx, span := r.tracer.Start(trace.ContextWithSpanContext(ctx, parent), "receive "+e.Provider, trace.WithTimestamp(e.ReceivedAt.Time),
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(append(e.TraceAttributes(), attribute.String("result", result))...))
	_, store := r.tracer.Start(ctx, "store", trace.WithTimestamp(storing))
	if err != nil {
		store.SetStatus(codes.Error, err.Error())
		span.SetStatus(codes.Error, "not stored")
	}
	store.End()
	span.End()
}
