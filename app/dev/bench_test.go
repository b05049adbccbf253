package dev

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/handlers"
	"example.com/identity-webhooks/jobs"
	"example.com/identity-webhooks/models"
)

// benched reads the report of a run in which nothing went wrong.
func benched(t *testing.T, args ...string) (r benchReport) {
	t.Helper()
	out := succeed(t, append([]string{"bench", "--duration", "600ms", "--connections", "4", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Acknowledged == 0 || r.Lost+r.Waiting+r.AppliedTwice+r.Refused+r.Unanswered > 0 {
		t.Errorf("got %+v", r)
	}
	if r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.Max || r.BaselineAfter == nil {
		t.Errorf("impossible times: %+v", r)
	}
	if left, err := filepath.Glob("data/bench-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

func TestBench(t *testing.T) {
	isolate(t)
	r := benched(t, "--dup", "20%", "--shuffle", "--customers", "200")
	if r.Repeated != r.Acknowledged/5 || r.AckRatio <= 0 {
		t.Errorf("got %+v, want a fifth sent again", r)
	}
	r = benched(t, "--rate", "100", "--providers", handlers.ProviderNames()[0])
	if float64(r.Acknowledged) > 110*r.Seconds || r.AckRatio != 0 {
		t.Errorf("%d events in %.1f s at 100 a second, ratio %v", r.Acknowledged, r.Seconds, r.AckRatio)
	}
	out := succeed(t, "bench", "--duration", "300ms", "--rate", "50", "--connections", "2")
	holds(t, out, "50 events/s wanted", "bare net/http + HMAC, before", "acknowledged, on disk", "lost")
	narrow(t, out)
}

func TestBenchOnServers(t *testing.T) {
	isolate(t)
	t.Setenv("REDIS_URL", testservers.RedisURL(t))
	t.Setenv("ROLE", "worker") // is not for the server of bench
	t.Setenv("DATABASE_URL", testservers.DatabaseURL(t))
	benched(t, "--providers", handlers.ProviderNames()[0])
	if _, err := os.Stat("data"); err == nil {
		t.Error("there is a SQLite file")
	}
	t.Setenv("REDIS_URL", "http://x")
	fails(t, run(t, "bench", "--duration", "1ms"), true, "REDIS_URL: want redis://")
}

// TestBenchRunning measures a running server, which has other events already, until Ctrl+C.
func TestBenchRunning(t *testing.T) {
	a := server(t)
	succeed(t, "trigger", verifying(t))
	url := "http://" + os.Getenv("ADDR") + "/webhooks/"
	l := launch(t, Env{}, "bench", "--url", url, "--duration", "6s", "--connections", "4", "--json")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		events, err := newest[models.Event](ctx, a, "events", nil, 20)
		return len(events) == 20, err
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := l.end()
	var r benchReport
	if err := json.Unmarshal([]byte(ended.stdout), &r); err != nil || ended.err != nil {
		t.Fatalf("%v, %v: %s", err, ended.err, ended.stdout)
	}
	if !r.Interrupted || r.Acknowledged < 10 || r.Lost+r.Waiting+r.AppliedTwice > 0 || r.BaselineAfter != nil {
		t.Errorf("got %+v", r)
	}
}

// TestBenchOfAnotherServer: the admin API of another server does not have what was acknowledged.
func TestBenchOfAnotherServer(t *testing.T) {
	server(t)
	other := strings.TrimPrefix(fakeAdmin(t, nil, nil).base, "http://")
	r := run(t, "bench", "--url", "http://"+os.Getenv("ADDR"), "--admin", other, "--duration", "100ms", "--connections", "2")
	fails(t, r, false, "has none of the ", "does it belong to another server?")
}

func TestBenchFlags(t *testing.T) {
	isolate(t)
	r := run(t, "bench", "--dup", "101%", "--connections", "0", "--duration", "-1s", "--providers", "unknown", "--admin", "x")
	fails(t, r, true, `--dup is "101%"`, "--connections is 0", "--duration is -1s", `no provider "unknown"`, "--admin needs --url")
	fails(t, run(t, "bench", "--url", "localhost:8080"), true, "want http://")
	name := handlers.ProviderNames()[0]
	t.Setenv(strings.ToUpper(handlers.ProviderNames()[1])+"_WEBHOOK_SECRET", "whsec_0123456789abcdef")
	fails(t, run(t, "bench", "--url", "http://localhost:1", "--providers", name), true, "there is no secret for "+name)
}

// preparedBench is one that can make events.
func preparedBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{Env: Env{Samples: samples()}, providers: handlers.ProviderNames(), all: true, connections: 1, customers: 10, shuffle: true,
		runID: "test", start: testTime, signers: map[string]handlers.Provider{}}
	for _, name := range b.providers {
		p, err := withSecret(name, "any")
		if err != nil {
			t.Fatal(err)
		}
		b.signers[name] = p
	}
	if err := b.prepare(); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBenchEvents: each event of a run is new and about a made-up customer, and those with later numbers occur later.
func TestBenchEvents(t *testing.T) {
	t.Parallel()
	b := preparedBench(t)
	seen, last := map[string]bool{}, map[string]time.Time{}
	for n := range b.window() {
		provider, body := b.event(n)
		e, err := b.signers[provider].Envelope(body)
		if err != nil || seen[e.ExternalID] || e.OccurredAt.Before(last[provider+e.Type]) ||
			!strings.Contains(string(body), `"bench-test-customer-`) {
			t.Fatalf("event %d: %v, %s, seen is %t", n, err, body, seen[e.ExternalID])
		}
		seen[e.ExternalID], last[provider+e.Type] = true, e.OccurredAt
	}
}

// TestBenchEventsOfOneID: where nothing but the person's ID makes an event another one, each event is about a new customer.
func TestBenchEventsOfOneID(t *testing.T) {
	t.Parallel()
	const provider, body = "veriff", `{"id":"b7c1f0d4","code":7001,"action":"started"}`
	if !slices.Contains(handlers.ProviderNames(), provider) {
		t.Skip("there is no " + provider)
	}
	p, err := withSecret(provider, "any")
	if err != nil {
		t.Fatal(err)
	}
	sample, ok := newBenchSample(jobs.NewRegistry(), provider, p, []byte(body))
	b := &bench{customers: 1, runID: "test", prepared: []benchSample{sample}}
	_, one := b.event(1)
	_, two := b.event(2)
	if want := strings.Replace(body, "b7c1f0d4", "bench-test-customer-of-1", 1); !ok || string(one) != want || string(two) == want {
		t.Errorf("%t, %s, %s", ok, one, two)
	}
}

// fakeAdmin is an admin API with these events and customers.
func fakeAdmin(t *testing.T, events []models.Event, customers []models.Customer) admin {
	t.Helper()
	return admin{base: newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"events": events, "customers": customers})
	}).url}
}

// TestBenchChecksEachEvent: what is lost, waits or was applied twice is counted, and events of others are not.
func TestBenchChecksEachEvent(t *testing.T) {
	t.Parallel()
	b := preparedBench(t)
	at := models.At(testTime)
	row := func(id int64, n int, status models.EventStatus, outcome models.Outcome, customer int64) models.Event {
		provider, body := b.event(n)
		e, err := b.signers[provider].Envelope(body)
		if err != nil {
			t.Fatal(err)
		}
		return models.Event{ID: id, ExternalID: e.ExternalID, Status: status, Outcome: outcome, CustomerID: &customer,
			ReceivedAt: at, ProcessedAt: at}
	}
	events := []models.Event{
		row(17, 0, models.Processed, models.Applied, 1),
		row(16, 1, models.Processed, models.Stale, 1),
		row(15, 2, models.Processed, models.Applied, 2),
		row(14, 3, models.Failed, "", 2),
		row(12, 0, models.Processed, models.Applied, 3),
		{ID: 11, ExternalID: "of somebody else", Status: models.Failed},
		row(2, 5, models.Processed, models.Applied, 4), // before the run
	}
	var customers []models.Customer
	for id, revision := range map[int64]int{1: 1, 2: 3, 3: 1} {
		customers = append(customers, models.Customer{ID: id, Revision: revision, SubjectID: "bench-test-customer-1"})
	}
	l := &load{bench: b, acknowledged: []int{0, 1, 2, 3, 5}, elapsed: time.Second}
	check := func(events []models.Event) (r benchReport) {
		if err := l.check(t.Context(), fakeAdmin(t, events, customers), 10, &r); err != nil || r.problem() == nil {
			t.Errorf("%v, %v", err, r.problem())
		}
		return r
	}
	// Lost: 3 failed, 5 is not there, and customer 1 lacks an effect. Twice: 0, and customer 2 has two more effects.
	if r := check(events); r.Lost != 3 || r.Waiting != 0 || r.AppliedTwice != 3 {
		t.Errorf("got %+v, want 3 lost and 3 applied twice", r)
	}
	// While an event waits, the revisions say nothing.
	events[0] = row(17, 0, models.Queued, "", 1)
	if r := check(events[:4]); r.Lost != 2 || r.Waiting != 1 || r.AppliedTwice != 0 {
		t.Errorf("got %+v, want 2 lost and 1 waiting", r)
	}
}

// TestBenchCountsFromWhenDue: a server that hangs for a moment delays all that were due meanwhile.
func TestBenchCountsFromWhenDue(t *testing.T) {
	t.Parallel()
	hang := make(chan time.Time, 1)
	hang <- time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-hang:
			<-time.After(300 * time.Millisecond)
		default:
		}
		_, _ = w.Write([]byte(`{"status":"accepted"}`))
	}))
	t.Cleanup(s.Close)
	b := preparedBench(t)
	l := &load{bench: b, base: s.URL, rate: 100, duration: 600 * time.Millisecond}
	l.sign = func(provider string, body []byte) handlers.Request { return b.signers[provider].Sign(body, testTime) }
	if err := l.send(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Of the 60 events some 30 were due while it hung: half of all waited, though only one was answered late.
	if v := l.speed(); v.P95 < 100 || len(l.acknowledged) < 25 {
		t.Errorf("%d events, %+v", len(l.acknowledged), v)
	}
}
