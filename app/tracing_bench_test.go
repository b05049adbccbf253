package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

// BenchmarkTracing measures the processor time of a delivery, with its signing and its commit on SQLite, with tracing off and on: a span,
// and its way to a collector in this process that only reads them.
func BenchmarkTracing(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(collector.Close)
	for name, endpoint := range map[string]string{"off": "", "on": collector.URL} {
		b.Run(name, func(b *testing.B) {
			a := &App{log: slog.New(slog.DiscardHandler)}
			tracer, err1 := a.openTracing(b.Context(), endpoint)
			store, err2 := models.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "webhooks.db"))
			if err1 != nil || err2 != nil {
				b.Fatal(err1, err2)
			}
			a.closings = append(a.closings, store.Close)
			if _, err := migrations.Up(b.Context(), store.DB(), store.Dialect()); err != nil {
				b.Fatal(err)
			}
			p, err := handlers.NewProvider(provider, handlers.Settings{Secrets: []handlers.Secret{{Value: "whsec_" + strong + strong}}})
			if err != nil {
				b.Fatal(err)
			}
			receiver := handlers.NewReceiver(store, func(string, string, string) string { return models.DefaultQueue }, func() {}, &handlers.Rejections{}, a.log)
			receiver.Trace(tracer)
			router := handlers.NewRouter(receiver, map[string]handlers.Provider{provider: p}, store.Ready, a.log)
			spent, n := processorTime(b), 0
			for b.Loop() {
				n++
				q := p.Sign(fmt.Appendf(nil, `{"n":"%s-%d"}`, name, n), time.Now())
				req := httptest.NewRequest(http.MethodPost, "/webhooks/"+q.Path, bytes.NewReader(q.Body))
				req.Header = q.Header
				answer := httptest.NewRecorder()
				if router.ServeHTTP(answer, req); answer.Code != http.StatusOK {
					b.Fatal(answer.Code, answer.Body)
				}
			}
			if err := a.close(); err != nil { // with the last spans
				b.Fatal(err)
			}
			b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(n), "cpu-µs/delivery")
		})
	}
}

// processorTime is what this process has spent.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
