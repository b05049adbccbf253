package jobs

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"example.com/identity-webhooks/models"
)

// startSpan starts the span of an attempt, in the trace of the event that it is about.
func (w *Worker) startSpan(ctx context.Context, name string, e *models.Event, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	if w.Tracer == nil {
		return ctx, noop.Span{}
	}
	return w.Tracer.Start(trace.ContextWithSpanContext(ctx, e.TraceRoot()), name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(append(e.TraceAttributes(), attrs...)...))
}

// endSpan ends the span of an attempt with its result.
func endSpan(span trace.Span, result string, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	} else {
		span.SetAttributes(attribute.String("result", result))
	}
	span.End()
}
