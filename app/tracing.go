package app

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// flushTimeout is how long a shutdown waits for the collector to take the last spans.
const flushTimeout = 2 * time.Second

// openTracing returns a tracer that sends its spans to the collector at endpoint, which was checked before. The tracer is nil if endpoint
// is empty. The SDK reads all other settings from its own OTEL_… variables.
//
// Nothing waits for the collector: spans that it does not take in time are lost.
func (a *App) openTracing(ctx context.Context, endpoint string) (trace.Tracer, error) {
	if endpoint == "" {
		return nil, nil
	}
	seldom := rate.Sometimes{Interval: time.Minute}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { seldom.Do(func() { a.log.Warn("tracing", "err", err) }) }))
	otel.SetLogger(logr.FromSlogHandler(a.log.Handler()))
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	u = u.JoinPath("v1/traces")
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, err
	}
	of, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", "identity-webhooks")),
		resource.WithFromEnv()) // the last one wins
	if err != nil {
		otel.Handle(err)
	}
	reported := &reportedExporter{exporter, jobs.NewOutage("traces are lost: the collector does not take them", a.log), u}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(reported), sdktrace.WithIDGenerator(spanIDs{}), sdktrace.WithResource(of))
	a.closings = append(a.closings, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			reported.outage.Note(err)
		}
		_ = exporter.Shutdown(ctx) // ends a request that hangs
		return nil
	})
	return provider.Tracer("example.com/identity-webhooks"), nil
}

// reportedExporter logs the errors of an exporter.
type reportedExporter struct {
	sdktrace.SpanExporter
	outage *jobs.Outage
	url    *url.URL
}

// ExportSpans implements sdktrace.SpanExporter. The URL is not logged, since its path may contain a token.
func (e *reportedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), e.url.String(), e.url.Host))
	}
	e.outage.Note(err)
	return nil
}

// spanIDs makes the IDs of spans. The root of a trace has the ID that follows from the trace's, all others have random ones.
type spanIDs struct{}

// NewIDs implements sdktrace.IDGenerator. It is not used: each span of ours belongs to an event, whose trace has an ID.
func (s spanIDs) NewIDs(context.Context) (id trace.TraceID, root trace.SpanID) {
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())   //nolint:gosec // IDs are no secrets
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64()|1) //nolint:gosec // never all zero
	return id, models.RootSpanID(id)
}

// NewSpanID implements sdktrace.IDGenerator.
func (s spanIDs) NewSpanID(ctx context.Context, id trace.TraceID) (span trace.SpanID) {
	if !trace.SpanContextFromContext(ctx).HasSpanID() {
		return models.RootSpanID(id)
	}
	binary.NativeEndian.PutUint64(span[:], rand.Uint64()|1) //nolint:gosec // as above
	return span
}
