package handlers

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/identity-webhooks/app/testservers"
	"example.com/identity-webhooks/migrations"
	"example.com/identity-webhooks/models"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// noon is the receiver's clock in tests.
var noon = time.Date(2026, 2, 4, 12, 0, 0, 0, time.UTC)

// The secrets are valid for all providers: base64 of 27 bytes.
const firstSecret, secondSecret = "whsec_Zmlyc3QtOGQyZjdjNTEtOGQyZjdjNTEtOGQy", "whsec_c2Vjb25kLTcxY2EwOWU0LTcxY2EwOWU0LTcx"

// strangersSecret is one that no provider has in tests.
const strangersSecret = "whsec_c3RyYW5nZXItYjY0MGU5ZjEtYjY0MGU5ZjEt"

func mustProvider(t testing.TB, name string, options map[string]string, secrets ...string) Provider {
	t.Helper()
	s := Settings{Options: options}
	for _, secret := range secrets {
		s.Secrets = append(s.Secrets, Secret{Value: secret})
	}
	p, err := NewProvider(name, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// macOf is what a provider computes, made without the code under test.
func macOf(h Hash, secret, message string) []byte {
	m := hmac.New(h.New, []byte(secret))
	m.Write([]byte(message))
	return m.Sum(nil)
}

// wantReason checks that a delivery was refused for this reason or, if it is empty, that it was verified.
func wantReason(t testing.TB, err error, want Reason) {
	t.Helper()
	var got Reason
	errors.As(err, &got)
	if got != want || isVerified(err) != (want == "") {
		t.Errorf("Verify: %v, want reason %q", err, want)
	}
}

// sample is a body in ../testdata.
type sample struct {
	path, provider string
	body           []byte
}

// samples are all bodies in ../testdata of known providers.
func samples(t testing.TB) (list []sample) {
	t.Helper()
	dir := os.DirFS("../testdata")
	for _, provider := range ProviderNames() {
		err := fs.WalkDir(dir, provider, func(name string, d fs.DirEntry, err error) error {
			if err != nil || path.Ext(name) != ".json" || strings.HasSuffix(name, ".want.json") {
				return err
			}
			body, err := fs.ReadFile(dir, name)
			list = append(list, sample{name, provider, body})
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return list
}

// bodyOf is some body of a provider.
func bodyOf(t testing.TB, provider string) string {
	t.Helper()
	for _, s := range samples(t) {
		if s.provider == provider {
			return string(s.body)
		}
	}
	t.Fatalf("no sample in ../testdata/%s", provider)
	return ""
}

// envelopeOf reads a body that comes from the provider.
func envelopeOf(t testing.TB, provider, body string) (Envelope, error) {
	t.Helper()
	e, err := mustProvider(t, provider, nil, firstSecret).Envelope([]byte(body))
	e.OccurredAt = e.OccurredAt.UTC()
	return e, err
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

// testProvider is the provider of these tests, so that they take no real one for granted.
func testProvider(secrets ...Secret) Provider {
	if len(secrets) == 0 {
		secrets = []Secret{{Value: firstSecret}}
	}
	envelope := func(body []byte) (Envelope, error) {
		r, o := readBody(body, "v1")
		r.ExternalID, r.Type = r.need(o, "id"), r.need(o, "type")
		r.OccurredAt, r.TenantID = r.time(o, "at"), r.optional(o, "tenant")
		if o.has("contradiction") {
			r.fault(fmt.Errorf("%w: it says so", ErrContradictory))
		}
		return r.result()
	}
	l := labelled{secrets: secrets}
	for _, s := range secrets {
		l.fingerprints = append(l.fingerprints, Fingerprint(s.Value))
	}
	l.Provider = newSigned("testprovider", Settings{Secrets: secrets}, envelope, Scheme{Header: "X-Test-Signature", Messages: []string{signsBody}})
	return l
}

const testBody = `{"id":"evt_1","type":"person.verified","at":"2026-02-04T11:59:00Z","tenant":"t1","name":"Rosalind Canary"}`

// reception is the public side of the program on loopback, with a store. Unless a test says otherwise, the test provider is the
// only one.
type reception struct {
	t          testing.TB
	store      *models.Store
	rejections *Rejections
	log        *bytes.Buffer // every line, at every level
	wakes      atomic.Int64
	clock      atomic.Int64 // how far past noon it is, in nanoseconds
	receiver   *Receiver
	url        string
}

func newReception(t testing.TB, s *models.Store, active map[string]Provider) *reception {
	if active == nil {
		active = map[string]Provider{"testprovider": testProvider()}
	}
	r := &reception{t: t, store: s, rejections: &Rejections{}, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	queueOf := func(provider, generation, eventType string) string {
		if provider == "testprovider" && generation == "v1" && eventType == "alarm" {
			return models.CriticalQueue
		}
		return models.DefaultQueue
	}
	r.receiver = NewReceiver(s, queueOf, func() { r.wakes.Add(1) }, r.rejections, log)
	r.receiver.now = func() time.Time { return noon.Add(time.Duration(r.clock.Load())) }
	server := httptest.NewServer(NewRouter(r.receiver, active, s.Ready, log))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// deliver sends a body as the test provider would, after change has had its way with the request.
func (r *reception) deliver(body string, change ...func(*Request)) reply {
	r.t.Helper()
	q := testProvider().Sign([]byte(body), noon)
	for _, c := range change {
		c(&q)
	}
	return r.post(q)
}

func (r *reception) post(q Request) reply {
	r.t.Helper()
	return send(r.t, http.MethodPost, r.url+"/webhooks/"+q.Path, q.Header, bytes.NewReader(q.Body))
}

// forged makes the signature a stranger's.
func forged(q *Request) {
	q.Header = testProvider(Secret{Value: strangersSecret}).Sign(q.Body, noon).Header
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

// reply is what came back for a request.
type reply struct {
	status int
	body   string
	header http.Header
	closed bool // the server closes the connection
}

// want checks an answer's status and its body, to the byte.
func (got reply) want(t testing.TB, status int, body string) {
	t.Helper()
	if got.status != status || got.body != body {
		t.Errorf("answered %d %s, want %d %s", got.status, got.body, status, body)
	}
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
	text, err := io.ReadAll(resp.Body)
	if err := cmp.Or(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, string(text), resp.Header, resp.Close}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after a minute it is still not true that %s", what)
		}
	}
}
