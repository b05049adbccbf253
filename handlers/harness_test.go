package handlers

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// noon is the receiver's clock in tests.
var noon = time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC)

// documented are the settings that hold unless the environment says otherwise.
var documented = Settings{TrustGateFallback: FormTimestampBody, LegalTalentContent: FormEither}

func mustProvider(t testing.TB, name string, s Settings, secrets ...string) Provider {
	t.Helper()
	p, err := NewProvider(name, secrets, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hexMAC is what a provider computes, made without the code under test.
func hexMAC(secret, content string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(content))
	return hex.EncodeToString(h.Sum(nil))
}

// wantReason checks that a delivery was rejected for want or, where want is empty, that it was verified.
func wantReason(t testing.TB, err error, want Reason) {
	t.Helper()
	var got Reason
	errors.As(err, &got)
	if got != want || errors.Is(err, ErrUnverified) != (err != nil) {
		t.Errorf("Verify: %v, want reason %q", err, want)
	}
}

// onEachBackEnd runs a test on an empty store of either kind.
func onEachBackEnd(t *testing.T, test func(t *testing.T, s *models.Store)) {
	t.Helper()
	for name, url := range map[string]func(t testing.TB) string{"sqlite": sqliteURL, "postgres": testservers.DatabaseURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, openStore(t, url(t)))
		})
	}
}

func sqliteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "webhooks.db") }

func openStore(t testing.TB, url string) *models.Store {
	t.Helper()
	s, err := models.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(t.Context(), s.DB(), s.Dialect()); err != nil {
		t.Fatal(err)
	}
	return s
}

// The secrets of a reception.
const (
	trustGateSecret   = "whsec_trustgate_9f3b5c7d1e"
	trstSecret        = "whsec_trst_5a8c0e2b4d"
	legalTalentSecret = "legaltalent_7d1f3b5a9c"
	trustistToken     = "ti_2c4e6a8f0b1d"
)

// allProviders has every provider, each with its secret.
func allProviders(t testing.TB) map[string]Provider {
	return map[string]Provider{
		"trustgate":   mustProvider(t, "trustgate", documented, trustGateSecret),
		"trst":        mustProvider(t, "trst", documented, trstSecret),
		"legaltalent": mustProvider(t, "legaltalent", documented, legalTalentSecret),
		"trustist":    mustProvider(t, "trustist", documented, trustistToken),
	}
}

// reception is the public side of the program, listening on loopback, on a store.
type reception struct {
	t          testing.TB
	store      *models.Store
	providers  map[string]Provider
	rejections *Rejections
	uses       *SecretUses
	log        *bytes.Buffer // every line, at every level
	wakes      *atomic.Int64
	url        string
	receiver   *Receiver
	clock      *atomic.Int64 // how far past noon it is, in nanoseconds
}

func newReception(t testing.TB, s *models.Store, providers map[string]Provider) *reception {
	r := &reception{t, s, providers, &Rejections{}, &SecretUses{}, &bytes.Buffer{}, &atomic.Int64{}, "", nil, &atomic.Int64{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	queueOf := func(provider, generation, eventType string) string {
		if provider == "trustgate" && generation == "v2" && eventType == "case.created" {
			return models.CriticalQueue
		}
		return models.DefaultQueue
	}
	r.receiver = NewReceiver(s, queueOf, func() { r.wakes.Add(1) }, r.rejections, r.uses, log)
	r.receiver.now = func() time.Time { return noon.Add(time.Duration(r.clock.Load())) }
	r.serve(providers)
	return r
}

// serve takes deliveries from the providers.
func (r *reception) serve(providers map[string]Provider) {
	server := httptest.NewServer(NewRouter(r.receiver, providers, r.store.Ping, r.receiver.log))
	r.t.Cleanup(server.Close)
	r.url = server.URL
}

// reply is what came back for a request.
type reply struct {
	status int
	body   string
	header http.Header
}

// send makes a request and reads its answer.
func send(t testing.TB, method, url string, header http.Header, body io.Reader) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	req.Host = header.Get("Host") // which net/http does not take from the headers
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, string(answer), resp.Header}
}

// deliver sends a body as its provider would, after change has had its way with the request.
func (r *reception) deliver(provider, body string, change ...func(*Request)) reply {
	r.t.Helper()
	q := r.providers[provider].Sign([]byte(body), noon)
	for _, c := range change {
		c(&q)
	}
	return send(r.t, http.MethodPost, r.url+"/webhooks/"+q.Path, q.Header, strings.NewReader(body))
}

// forged spoils what authenticates a request.
func forged(q *Request) {
	if rest, found := strings.CutPrefix(q.Path, "trustist/"); found {
		q.Path = "trustist/not_" + rest
		return
	}
	mac := hexMAC("not the secret", "")
	if strings.HasPrefix(q.Header.Get("X-Webhook-Signature"), "sha256=") {
		mac = "sha256=" + mac
	}
	q.Header.Set("X-Webhook-Signature", mac)
}

// rows are the events in the inbox, newest first, with their bodies.
func (r *reception) rows() []models.Event {
	r.t.Helper()
	events, err := r.store.Events(r.t.Context(), models.EventFilter{}, models.Page{Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range events {
		if events[i], err = r.store.Event(r.t.Context(), events[i].ID); err != nil {
			r.t.Fatal(err)
		}
	}
	return events
}

// want checks an answer's status and its body, to the byte.
func (got reply) want(t testing.TB, status int, body string) {
	t.Helper()
	if got.status != status || got.body != body {
		t.Errorf("answered %d %s, want %d %s", got.status, got.body, status, body)
	}
}

// office is the admin side of the program, listening on loopback, on a store.
type office struct {
	t          testing.TB
	store      *models.Store
	rejections *Rejections
	uses       *SecretUses
	wakes      *atomic.Int64
	url        string
}

func newOffice(t testing.TB, s *models.Store, password string) *office {
	o := &office{t, s, &Rejections{}, &SecretUses{}, &atomic.Int64{}, ""}
	o.uses.Set(map[string][]string{"trst": {trstSecret, "second"}})
	server := httptest.NewServer(NewAdmin(s, o.rejections, o.uses, func() []SubscriptionState { return nil }, func() { o.wakes.Add(1) }, password, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// call makes a request, checks the status and decodes the answer.
func call[T any](o *office, method, path string, status int) (answer T) {
	o.t.Helper()
	got := send(o.t, method, o.url+path, nil, nil)
	if got.status != status {
		o.t.Errorf("%s %s: answered %d %s, want %d", method, path, got.status, got.body, status)
	}
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || !utf8.ValidString(got.body) {
		o.t.Errorf("%s %s: %v in %q", method, path, err, got.body)
	}
	return answer
}

type eventList struct {
	Events []models.Event `json:"events"`
	Next   string         `json:"next_cursor"`
}

func (l eventList) ids() (ids []string) {
	for _, e := range l.Events {
		ids = append(ids, e.ExternalID)
	}
	return ids
}

type customerList struct {
	Customers []models.Customer `json:"customers"`
	Next      string            `json:"next_cursor"`
}

// add puts an event into the inbox; what it does not say is made up.
func (o *office) add(e models.Event) {
	o.t.Helper()
	if e.Body == nil {
		e.Body = []byte(`{"id":"` + e.ExternalID + `"}`)
	}
	if e.Status == "" {
		e.Status = models.Received
	}
	e.Generation, e.Queue, e.OccurredAt, e.ReceivedAt = "v1", models.DefaultQueue, models.At(noon), models.At(noon.Add(time.Second))
	if _, err := o.store.AddEvent(o.t.Context(), e); err != nil {
		o.t.Fatal(err)
	}
}

// process adds an event and applies a change as a worker would.
func (o *office) process(e models.Event, c models.Change) {
	o.t.Helper()
	o.add(e)
	later := noon.Add(time.Minute)
	offers, _, err := o.store.OfferEvents(o.t.Context(), models.DefaultQueue, 10, later)
	if err != nil || len(offers) != 1 {
		o.t.Fatalf("%d offers, %v", len(offers), err)
	}
	claimed, err := o.store.ClaimEvent(o.t.Context(), offers[0], later)
	if err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.store.ApplyEvent(o.t.Context(), claimed, c, models.At(later)); err != nil {
		o.t.Fatal(err)
	}
}

// fill puts in two customers and an event in every state. It returns the IDs of the events' rows by external ID.
func (o *office) fill() map[string]int64 {
	o.t.Helper()
	score := 18
	o.process(models.Event{Provider: "trustgate", ExternalID: "approved", Type: "applicant.reviewed"}, models.Change{
		SubjectID: "ann",
		Profile:   models.Profile{ExternalID: "cust_1", FirstName: "Ann", RiskScore: &score, Flags: []string{"vpn"}},
		Decisions: []models.Decision{{Source: models.FromApplicant, Authority: models.Automatic, Status: models.Verified}},
		Checks:    []models.Check{{Kind: models.DocumentCheck, CheckID: "doc_1", Status: models.CheckPassed}},
	})
	o.process(models.Event{Provider: "trustgate", ExternalID: "hit", Type: "screening.hit"}, models.Change{
		SubjectID: "bob",
		Hits:      []models.Hit{{HitID: "hit_1", Kind: models.AlertKind, Type: "pep", Name: "B"}},
		Cases:     []models.CaseChange{{CaseID: "case_1"}},
	})
	o.process(models.Event{Provider: "trustgate", ExternalID: "case", Type: "case.created"}, models.Change{
		Cases: []models.CaseChange{{CaseID: "case_1", Opened: &models.Opening{Type: "pep", Priority: "high"}}},
	})
	o.process(models.Event{Provider: "trst", ExternalID: "ignored", Type: "webhook.test"}, models.Change{Outcome: models.Ignored})
	o.add(models.Event{Provider: "trst", ExternalID: "failed", Body: []byte("not JSON"), Status: models.Failed, LastError: "unreadable body"})
	o.add(models.Event{Provider: "trustgate", ExternalID: "approved", Type: "applicant.reviewed", Body: []byte(`{}`)}) // quarantined
	o.add(models.Event{Provider: "trst", ExternalID: "waiting", Type: "enrollment.completed"})
	ids := map[string]int64{}
	for _, e := range call[eventList](o, "GET", "/api/events", 200).Events {
		if e.Status == models.Quarantined {
			e.ExternalID = "quarantined"
		}
		ids[e.ExternalID] = e.ID
	}
	if len(ids) != 7 {
		o.t.Fatalf("events %v", ids)
	}
	return ids
}
