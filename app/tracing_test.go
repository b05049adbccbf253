package app_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/models"
)

// collector takes traces by OTLP over HTTP.
type collector struct {
	*httptest.Server
	answer int // a status
	mu     sync.Mutex
	bodies [][]byte
}

func newCollector(t testing.TB, answer int) *collector {
	t.Helper()
	c := &collector{answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasSuffix(r.URL.Path, "/v1/traces") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, body)
		w.WriteHeader(c.answer)
	}))
	t.Cleanup(c.Close)
	return c
}

// spans returns what the collector got. An app sends the last of it when it stops.
func (c *collector) spans(t testing.TB) (spans []*tracepb.Span) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, body := range c.bodies {
		var request collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Fatal(err)
		}
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				spans = append(spans, scope.Spans...)
			}
		}
	}
	return spans
}

// seen is a span as these tests compare it. Numbers that differ from run to run are "n".
type seen struct{ Trace, Name, Parent, Attributes string }

func see(spans []*tracepb.Span) (list []seen) {
	names := map[string]string{"": ""} // by span ID
	for _, s := range spans {
		names[hex.EncodeToString(s.SpanId)] = s.Name
	}
	for _, s := range spans {
		var attributes []string
		for _, a := range s.Attributes {
			value := a.Value.GetStringValue()
			if value == "" && a.Value.GetIntValue() >= 0 {
				value = "n"
			}
			attributes = append(attributes, a.Key+"="+value)
		}
		slices.Sort(attributes)
		list = append(list, seen{hex.EncodeToString(s.TraceId), s.Name, names[hex.EncodeToString(s.ParentSpanId)], strings.Join(attributes, " ")})
	}
	slices.SortFunc(list, func(a, b seen) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Parent, b.Parent), strings.Compare(a.Attributes, b.Attributes))
	})
	return list
}

// One trace shows what an event's deliveries led to. A collector that is down or hangs changes nothing, and without one there are no traces.
func TestTracing(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, b backend){
		"one trace from the delivery to the follow-up": oneTrace,
		"off by default": func(t *testing.T, b backend) {
			r := start(t, b)
			r.applied(r.acceptNewAndSettle(1))
			if n := strings.Count(r.log.String(), "trace_id="); n < 2 {
				t.Errorf("%d lines with a trace ID, want those of the delivery and the attempt", n)
			}
		},
		"a collector that is down": func(t *testing.T, b backend) { untraced(t, b, "http://"+testservers.FreeAddress(t)) },
		"a collector that hangs": func(t *testing.T, b backend) {
			hung := newSink(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			untraced(t, b, hung.URL)
		},
	} {
		t.Run(name, func(t *testing.T) { onBothBackends(t, test) })
	}
}

func oneTrace(t *testing.T, b backend) {
	c, s, v := newCollector(t, http.StatusOK), newSink(t, answering(http.StatusOK)), anyVerdicts(t)
	r := start(t, b, append(s.settings(), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL)...)
	id := uuid.NewString()
	body := v.yes.event(id, uuid.NewString(), now)
	r.accept(v.provider, body)
	r.settle()
	r.callbacks(models.FollowUpDone)
	stranger := func(h http.Header) { h.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") }
	if _, answer, err := r.trySend(v.provider, body, stranger); err != nil || answer != duplicate {
		t.Fatal(answer, err)
	}
	r.post("/webhooks/"+v.provider, string(body)) // rejected, so it leaves no trace
	e := r.events("")[0]
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	key := sha256.Sum256([]byte(v.provider + "\x1f" + id))
	trace, root := hex.EncodeToString(key[:16]), "receive "+v.provider
	about := "event.correlation_id=" + cmp.Or(e.CorrelationID, "n") + " event.external_id=" + id + " "
	kind := "event.type=" + e.Type + " "
	from := "provider=" + v.provider + " result="
	want := []seen{
		{trace, "follow-up " + callback, root, "attempt=n " + about + kind + "follow_up.id=n " + from + "done"},
		{trace, "process " + v.provider, root, "attempt=n " + about + "event.id=n " + kind + from + "applied waited_ms=n"},
		{trace, root, "", about + kind + from + "accepted"},
		{trace, root, root, about + kind + from + "repeated"},
	}
	spans := slices.DeleteFunc(see(c.spans(t)), func(s seen) bool { // a fork has follow-ups of its own
		return strings.HasPrefix(s.Name, "follow-up ") && s.Name != "follow-up "+callback
	})
	if diff := gocmp.Diff(want, spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	for _, line := range []string{"event accepted", "event processed", "follow-up done", "event repeated"} {
		if !slices.ContainsFunc(strings.Split(r.log.String(), "\n"), func(l string) bool {
			return strings.Contains(l, line) && strings.Contains(l, "trace_id="+trace)
		}) {
			t.Errorf("no line %q with the trace's ID", line)
		}
	}
}

// untraced wants an app to work as always while its collector does not.
func untraced(t *testing.T, b backend, endpoint string) {
	r := start(t, b, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint)
	r.applied(r.acceptNewAndSettle(5))
	stopping := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(stopping); took > 10*time.Second {
		t.Errorf("stopped after %s", took)
	}
	if n := strings.Count(r.log.String(), "tracing does not work"); n > 1 {
		t.Errorf("%d lines about it, want one a minute", n)
	}
}

func (r *running) acceptNewAndSettle(n int) []string {
	r.t.Helper()
	ids := r.acceptNew(n)
	r.settle()
	return ids
}
