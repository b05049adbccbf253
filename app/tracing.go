package app

import (
	"context"
	"errors"
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

	"example.com/identity-webhooks/models"
)

// flushTimeout is how long a shutdown waits for the collector to take the last spans.
const flushTimeout = 2 * time.Second

// openTracing returns a tracer that sends its spans to the collector at endpoint. The tracer is nil if endpoint is empty. The SDK reads all
// other settings from its own OTEL_… variables. Nothing waits for the collector: spans that it does not take in time are lost.
func (a *App) openTracing(ctx context.Context, endpoint string) (trace.Tracer, error) {
	if endpoint == "" {
		return nil, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.JoinPath("v1/traces").Path}
	seldom := rate.Sometimes{Interval: time.Minute}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		text := strings.ReplaceAll(err.Error(), u.EscapedPath(), "") // it may contain a token
		seldom.Do(func() { a.log.Error("tracing does not work", "err", text[:min(len(text), 300)]) })
	}))
	otel.SetLogger(logr.Discard()) // it would print values of settings that cannot be read, such as headers with a login
	exporter, err1 := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	service, err2 := resource.Merge(resource.NewSchemaless(attribute.String("service.name", "identity-webhooks")), resource.Environment())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithIDGenerator(models.SpanIDs{}), sdktrace.WithResource(service))
	a.closings = append(a.closings, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
		_ = exporter.Shutdown(ctx) // ends a request that hangs
		return nil
	})
	return provider.Tracer("example.com/identity-webhooks"), nil
}
