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
	"example.com/identity-webhooks/models"
)

// benched reads the report of a run that went well.
func benched(t *testing.T, args ...string) (r benchReport) {
	t.Helper()
	out := succeed(t, append([]string{"bench", "--duration", "600ms", "--connections", "4", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Acknowledged == 0 || r.Lost+r.Waiting+r.AppliedTwice+r.Misjudged+r.Refused+r.Unanswered > 0 {
		t.Errorf("got %+v", r)
	}
	if r.AckLatency.P50 <= 0 || r.AckLatency.P50 > r.AckLatency.P99 || r.AckLatency.P99 > r.AckLatency.Max || r.EndToEndP99 < r.EndToEndP50 {
		t.Errorf("times that cannot be: %+v", r)
	}
	if left, err := filepath.Glob("data/bench-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

func TestBench(t *testing.T) {
	isolate(t)
	r := benched(t, "--dup", "20%", "--shuffle", "--customers", "200")
	if r.Repeated < r.Acknowledged/5-4 || r.Repeated > r.Acknowledged/5 {
		t.Errorf("%d of %d events were sent again, want a fifth", r.Repeated, r.Acknowledged)
	}
	if r.AckRatio == nil || *r.AckRatio <= 0 || !slices.Equal(r.Providers, handlers.ProviderNames()) {
		t.Errorf("got %+v, want it beside the bare server, with all providers", r)
	}
}

// TestBenchAtARate: so many events and no more.
func TestBenchAtARate(t *testing.T) {
	isolate(t)
	r := benched(t, "--rate", "100", "--providers", handlers.ProviderNames()[0])
	if r.Acknowledged < 30 || r.Acknowledged > 61 || r.AckRatio != nil {
		t.Errorf("%d events in %.1f s, ratio %v", r.Acknowledged, r.Seconds, r.AckRatio)
	}
	out := succeed(t, "bench", "--duration", "300ms", "--rate", "50", "--connections", "2")
	holds(t, out, "50 events/s wanted", "bare net/http + HMAC, before", "acknowledged, on disk", "too little was waiting")
	for line := range strings.Lines(out) {
		if len([]rune(line)) > 81 {
			t.Errorf("a line is longer than 80 characters: %s", line)
		}
	}
}

func TestBenchOnServers(t *testing.T) {
	isolate(t)
	t.Setenv("REDIS_URL", testservers.RedisURL(t))
	t.Setenv("ROLE", "worker") // is not for the server of bench
	r := benched(t, "--database", testservers.DatabaseURL(t), "--providers", handlers.ProviderNames()[0])
	if r.Server != "a server in this process, on the given database and the given Redis" {
		t.Errorf("got %q", r.Server)
	}
	fails(t, run(t, "bench", "--duration", "1ms", "--redis", "http://x"), true, "REDIS_URL: want redis://")
}

// TestBenchRunning measures a running server, which has other events already, until Ctrl+C.
func TestBenchRunning(t *testing.T) {
	a := server(t)
	base := "http://" + os.Getenv("ADDR")
	l := launch(t, Env{}, "bench", "--url", base+"/webhooks/", "--duration", "6s", "--connections", "4", "--json")
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
	if err := json.Unmarshal([]byte(ended.stdout), &r); err != nil || ended.err != nil || !r.Interrupted || r.Acknowledged < 10 || r.Lost+r.AppliedTwice > 0 {
		t.Errorf("%v, %v: %s", err, ended.err, ended.stdout)
	}
	if r.BaselineBefore == nil || r.BaselineAfter != nil {
		t.Errorf("got %+v", r)
	}
}

// TestBenchOfAnotherServer: the admin API of another server does not have what was acknowledged.
func TestBenchOfAnotherServer(t *testing.T) {
	server(t)
	other := strings.TrimPrefix(fakeAdmin(t, nil, nil).base, "http://")
	r := run(t, "bench", "--url", "http://"+os.Getenv("ADDR"), "--admin", other, "--duration", "100ms", "--connections", "2")
	fails(t, r, false, "has none of the ", "is it that of another server?")
}

func TestBenchFlags(t *testing.T) {
	isolate(t)
	for want, args := range map[string][]string{
		`--dup is "5x": want a share such as 5%`:  {"--dup", "5x"},
		`--dup is "101%": want a share`:           {"--dup", "101%"},
		"--connections is 0: want 1 or more":      {"--connections", "0", "--customers", "0"},
		"--customers is 0: want 1 or more":        {"--connections", "0", "--customers", "0"},
		"--duration is -1s: want a time":          {"--duration", "-1s"},
		"--rate is -2: want events per second":    {"--rate", "-2"},
		`there is no provider "unknown"`:          {"--providers", "unknown"},
		"[database url] were all set":             {"--url", "http://localhost", "--database", "x"},
		"--admin needs --url":                     {"--admin", "localhost:1"},
		`--url is "localhost:8080": want http://`: {"--url", "localhost:8080"},
	} {
		fails(t, run(t, append([]string{"bench"}, args...)...), true, want)
	}
	name := handlers.ProviderNames()[0]
	t.Setenv(strings.ToUpper(handlers.ProviderNames()[1])+"_WEBHOOK_SECRET", "whsec_0123456789abcdef")
	fails(t, run(t, "bench", "--url", "http://localhost:1", "--providers", name), true, "there is no secret for "+name)
}

// TestBenchSource: each event of a run is another one, that of a later number occurs later, and each is about the customer of its number.
func TestBenchSource(t *testing.T) {
	t.Parallel()
	b := &bench{Env: Env{Samples: samples()}, providers: handlers.ProviderNames(), customers: 10, shuffle: true, signers: map[string]handlers.Provider{}}
	for _, name := range b.providers {
		p, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: "any"}}})
		if err != nil {
			t.Fatal(err)
		}
		b.signers[name] = p
	}
	s, err := b.newSource()
	if err != nil {
		t.Fatal(err)
	}
	taken, seen := map[int64]bool{}, map[string]bool{}
	last := map[string]time.Time{} // by type
	for range s.window() {
		taken[s.take()] = true
	}
	for n := range s.window() {
		provider, body := s.event(n, nil)
		e, err := s.signers[provider].Envelope(body)
		if err != nil || !taken[n] || seen[e.ExternalID] {
			t.Fatalf("event %d: %v, %s, taken is %t, seen is %t", n, err, body, taken[n], seen[e.ExternalID])
		}
		seen[e.ExternalID] = true
		key := provider + e.Type
		if e.OccurredAt.Before(last[key]) || !strings.Contains(string(body), "bench-"+s.run+"-customer-") {
			t.Errorf("event %d occurred at %s, another one before it at %s: %s", n, e.OccurredAt, last[key], body)
		}
		last[key] = e.OccurredAt
	}
}

// fakeAdmin is an admin API with these events and customers.
func fakeAdmin(t *testing.T, events []models.Event, customers []models.Customer) admin {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		switch r.URL.Path {
		case "/api/stats":
			answer = models.Stats{}
		case "/api/events":
			answer = map[string]any{"events": events, "next_cursor": ""}
		default:
			answer = map[string]any{"customers": customers, "next_cursor": ""}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return admin{base: s.URL}
}

// TestBenchChecksEachEvent: what is lost, waits or was applied twice is counted, and events of others are not.
func TestBenchChecksEachEvent(t *testing.T) {
	t.Parallel()
	name := handlers.ProviderNames()[0]
	p, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: "any"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Env: Env{Samples: samples()}, providers: []string{name}, customers: 10, signers: map[string]handlers.Provider{name: p}}
	s, err := b.newSource()
	if err != nil {
		t.Fatal(err)
	}
	row := func(n, id int64, status models.EventStatus, outcome models.Outcome, customer int64) models.Event {
		_, body := s.event(n, nil)
		e, err := p.Envelope(body)
		if err != nil {
			t.Fatal(err)
		}
		at := models.At(s.start)
		return models.Event{ID: id, ExternalID: e.ExternalID, Status: status, Outcome: outcome, CustomerID: &customer, ReceivedAt: at, ProcessedAt: at}
	}
	var acknowledged []int64
	for range 6 {
		acknowledged = append(acknowledged, s.take())
	}
	events := []models.Event{
		{ID: 18, ExternalID: "of somebody else", Status: models.Failed},
		row(0, 17, models.Processed, models.Applied, 1),
		row(1, 16, models.Processed, models.Stale, 1),
		row(2, 15, models.Processed, models.Applied, 2),
		row(3, 14, models.Failed, "", 2),
		row(4, 13, models.Queued, "", 2),
		row(0, 12, models.Processed, models.Applied, 3),
		row(5, 2, models.Processed, models.Applied, 4), // before the run
	}
	customers := []models.Customer{{ID: 3, Revision: 1}, {ID: 2, Revision: 3}, {ID: 1, Revision: 1}}
	c := &checker{admin: fakeAdmin(t, events, customers), events: 10}
	r := &benchReport{}
	if err := c.check(t.Context(), s, sent{events: acknowledged, elapsed: time.Second}, r); err != nil {
		t.Fatal(err)
	}
	// Lost: event 3 failed, 5 is not there, and customer 1 lacks one of two effects. Twice: event 0, and two more effects on customer 2.
	if got := [3]int{r.Lost, r.Waiting, r.AppliedTwice}; got != [3]int{3, 1, 3} {
		t.Errorf("lost, waiting, twice: got %v, want 3, 1, 3", got)
	}
	if err := r.problem(); err == nil || err.Error() != "3 acknowledged events were lost\n3 events were applied twice\n1 acknowledged events are still not processed" {
		t.Errorf("got %v", err)
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
	name := handlers.ProviderNames()[0]
	p, err := handlers.NewProvider(name, handlers.Settings{Secrets: []handlers.Secret{{Value: "any"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Env: Env{Samples: samples()}, providers: []string{name}, customers: 10, signers: map[string]handlers.Provider{name: p}}
	source, err := b.newSource()
	if err != nil {
		t.Fatal(err)
	}
	l := &load{base: s.URL, source: source, sign: signBaseline, connections: 1, rate: 100, duration: 600 * time.Millisecond}
	all, err := l.send(t.Context(), func(float64) {})
	if err != nil {
		t.Fatal(err)
	}
	// Of the 60 events some 30 were due while it hung: half of all waited, though only one was answered late.
	if v := all.speed(); v.Latency.P95 < 100 || len(all.events) < 50 {
		t.Errorf("%d events, %+v", len(all.events), v.Latency)
	}
}
